import { AppError } from '../../kernel/app-error.js';

/** Everything that can go wrong with a store, whatever its kind: the drivers throw nothing else. */
export function storageNotFound(key: string): AppError {
  return new AppError('not_found', 'storage_not_found', `There is no object ${key}.`);
}

export function storageExists(key: string): AppError {
  return new AppError('conflict', 'storage_exists', `There is an object ${key} already.`);
}

/** The store does not let us; trying again changes nothing before somebody changes its settings or ours. */
export function storageDenied(detail: string, cause?: unknown): AppError {
  return new AppError('conflict', 'storage_denied', detail, { cause });
}

/** Trying again may help. */
export function storageUnavailable(detail: string, retryAfterSeconds: number, cause?: unknown): AppError {
  return new AppError('unavailable', 'storage_unavailable', detail, { retryAfterSeconds, cause });
}

/** Length or digest are not what was said. */
export function storageCorrupt(detail: string, cause?: unknown): AppError {
  return new AppError('conflict', 'storage_corrupt', detail, { cause });
}

export function storageUnsupported(detail: string, cause?: unknown): AppError {
  return new AppError('unsupported', 'storage_unsupported', detail, { cause });
}

export function badStorageKey(detail: string): AppError {
  return AppError.field('/key', 'storage_bad_key', detail);
}
