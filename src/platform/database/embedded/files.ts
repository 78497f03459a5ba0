import { readFileSync } from 'node:fs';

/** Not by class: a test runner's realm has an Error of its own. */
export function hasCode(error: unknown, ...codes: string[]): error is Error & { code: string } {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' && codes.includes(error.code);
}

export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
