import { AppError } from '../../kernel/app-error.js';

/** The strong entity tag of a row's version (RFC 9110 §8.8.3). */
export function etagOf(version: number): string {
  return `"${version}"`;
}

/**
 * The version a caller expects, from If-Match; undefined when any will do (absent, or `*`).
 * Throws `if_match_unreadable` for weak or foreign tags: they could never match.
 */
export function expectedVersion(ifMatch: string | undefined): number | undefined {
  if (ifMatch === undefined || ifMatch.trim() === '*') return undefined;
  const version = /^"(\d{1,9})"$/.exec(ifMatch.trim())?.[1];
  if (version === undefined) throw staleVersion();
  return Number(version);
}

/** For a full replacement: it must say what it replaces. */
export function requiredVersion(ifMatch: string | undefined): number | undefined {
  if (ifMatch === undefined)
    throw new AppError(
      'precondition_required',
      'if_match_required',
      'Send If-Match with the ETag you read, so that nobody’s change is overwritten unseen.',
    );
  return expectedVersion(ifMatch);
}

export function staleVersion(current?: number): AppError {
  return new AppError('precondition_failed', 'stale_version', 'This has changed since you read it.', {
    meta: current === undefined ? {} : { currentETag: etagOf(current) },
  });
}
