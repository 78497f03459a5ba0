import { type AppError } from '../../kernel/app-error.js';

/** Told of every request that was refused or failed, before it is answered; the audit trail listens. */
export abstract class Refusals {
  /** `error` is undefined when the failure is a fault of ours. */
  abstract refused(error: AppError | undefined): Promise<void>;
}
