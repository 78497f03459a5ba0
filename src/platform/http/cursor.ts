import { AppError } from '../../kernel/app-error.js';
import { isUuid } from '../../kernel/uuid.js';

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
  throw badCursor();
}

/** The same for a list by id, which is undefined for its first page. A forged cursor is answered like one that cannot be read. */
export function idIn(cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const [id = ''] = keyOf(cursor, 1);
  if (!isUuid(id)) throw badCursor();
  return id;
}

/** A page of what was read with one more than `limit`, by id: without it, and with the place of the next one. */
export function pageById<T extends { id: string }>(rows: readonly T[], limit: number): { items: T[]; next: string | null } {
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return { items: rows.slice(0, limit), next: last ? cursorOf([last.id]) : null };
}

export function badCursor(): AppError {
  return new AppError('unparsable', 'bad_cursor', '`after` must be what `next` of a page said.', {
    errors: [{ pointer: '?after', code: 'bad_cursor', detail: 'must be what `next` of a page said' }],
  });
}
