import { AppError } from '../../kernel/app-error.js';

/** An opaque place in a list: the key of its last row. */
export function cursorOf(key: readonly string[]): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

/** The key a cursor was made of. Throws `bad_cursor` for anything that is not one of that many parts. */
export function keyOf(cursor: string, parts: number): string[] {
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (Array.isArray(key) && key.length === parts && key.every((k) => typeof k === 'string')) return key;
  } catch {
    // Not JSON: the same refusal as below.
  }
  throw new AppError('unparsable', 'bad_cursor', '`after` must be what `next` of a page said.', {
    errors: [{ pointer: '?after', code: 'bad_cursor', detail: 'must be what `next` of a page said' }],
  });
}
