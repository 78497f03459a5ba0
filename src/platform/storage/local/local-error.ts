import { AppError } from '../../../kernel/app-error.js';
import { badStorageKey, storageCorrupt, storageDenied, storageExists, storageNotFound, storageUnavailable } from '../storage-error.js';

/** What an error of the file system means for this key. */
export function explainedFile(error: unknown, key: string): unknown {
  if (error instanceof AppError) return error;
  const code = codeOf(error) ?? '';
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return storageNotFound(key);
    case 'EEXIST':
      return storageExists(key);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return storageDenied('The folder of the store may not be written to or read.', error);
    case 'ENAMETOOLONG':
      return badStorageKey(`The name ${key} is too long for this file system.`);
    case 'EIO':
    case 'EUCLEAN':
      return storageCorrupt(`The disk cannot read or write ${key}.`, error);
    case 'ENOSPC':
    case 'EDQUOT':
      return storageUnavailable('The disk of the store is full.', 60, error);
    default:
      return storageUnavailable('The folder of the store cannot be used now.', 5, error);
  }
}

/** Not by class: a test runner's realm has an Error of its own. */
export function codeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
