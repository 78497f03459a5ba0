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
const TIME = /^(\d{4})-(\d\d)-(\d\d) ([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?[+-](0\d|1[0-5])(:[0-5]\d)?$/;

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
      if (sealedAt !== '-infinity' && !isTime(sealedAt)) throw new Error('No time.');
      return { class: Number(kept), sealedAt, seq };
    });
  } catch {
    return undefined;
  }
}

/** A time that PostgreSQL takes: JavaScript would take the 30th of February for the 1st of March. */
function isTime(text: string): boolean {
  const [year, month, day] = (TIME.exec(text)?.slice(1, 4) ?? []).map(Number);
  if (year === undefined || month === undefined || day === undefined) return false;
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}
