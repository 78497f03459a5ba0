import { cursorOf, keyOf } from '../../platform/http/cursor.js';

/** How far one has read in the log of a class. */
export interface Place {
  class: number;
  /** As PostgreSQL writes it: to the microsecond. */
  sealedAt: string;
  /** bigint: as text; -1 before the first. */
  seq: string;
}

const FORM = /^(\d{1,4})~(-infinity|[0-9: .+-]{10,40})~(-1|\d{1,18})$/;

/** A place in each log, as the id of what is sent. */
export function idOf(places: readonly Place[]): string {
  return cursorOf(places.map(({ class: kept, sealedAt, seq }) => `${kept}~${sealedAt}~${seq}`));
}

/** Undefined for what is no such id. */
export function placesOf(id: string): Place[] | undefined {
  try {
    const parts = JSON.parse(Buffer.from(id, 'base64url').toString()) as unknown;
    if (!Array.isArray(parts)) return undefined;
    const places = keyOf(id, parts.length).map((part) => FORM.exec(part));
    return places.map((found) => {
      if (!found) throw new Error('No place.');
      const [, kept, sealedAt = '', seq = ''] = found;
      if (sealedAt !== '-infinity' && Number.isNaN(Date.parse(sealedAt.replace(/([+-]\d{2})$/, '$1:00')))) throw new Error('No time.');
      return { class: Number(kept), sealedAt, seq };
    });
  } catch {
    return undefined;
  }
}
