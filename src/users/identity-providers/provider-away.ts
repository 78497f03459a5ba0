import { AppError } from '../../kernel/app-error.js';

/** A provider that cannot be asked: that says nothing of who asks. */
export function providerAway(cause: unknown): AppError {
  return new AppError('unavailable', 'provider_unavailable', 'The identity provider cannot be reached right now.', {
    retryAfterSeconds: 5,
    cause,
  });
}

/** Anything of ours or theirs that is no answer. */
export function asProviderAway(error: unknown): AppError {
  return error instanceof AppError && error.kind === 'unavailable' ? error : providerAway(error);
}
