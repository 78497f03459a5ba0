import { COPIED, type CopiedRow } from './copied-row.js';

/** Value of a hexadecimal digit, -1 of anything else. Capitals too: nobody here writes them. */
const hex = Int8Array.from({ length: 256 }, (_, c) => '0123456789abcdef'.indexOf(String.fromCharCode(c)));
const [MINUS, COLON, POINT, T, Z, ZERO] = [0x2d, 0x3a, 0x2e, 0x54, 0x5a, 0x30];
const UUID_CHARACTERS = 36;
const UUID_BYTES = 16;
const INSTANT_CHARACTERS = 24;
const BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
const DIMENSIONS_ONLY = 12;
const ITEMS_AT = 20;

export function hexDigit(bytes: Uint8Array, at: number): number {
  return hex[bytes[at] ?? 0] ?? -1;
}

/** Whether what lies in `bytes` from `from` to `to` is the row's id, which the row has in 16 bytes. */
export function isItsId(row: CopiedRow, bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from !== UUID_CHARACTERS || row.length(COPIED.id) !== UUID_BYTES) return false;
  let byte = row.start(COPIED.id);
  for (let at = from; at < to;) {
    if (at === from + 8 || at === from + 13 || at === from + 18 || at === from + 23) {
      if (bytes[at++] !== MINUS) return false;
      continue;
    }
    const high = hexDigit(bytes, at++);
    const low = hexDigit(bytes, at++);
    if (high < 0 || low < 0 || row.bytes[byte++] !== (high << 4) + low) return false;
  }
  return true;
}

/**
 * Whether what lies in `bytes` from `from` to `to` is when the row says it happened: `2026-11-20T18:26:23.644Z`, which the row has in microseconds since
 * 2000. No other form, and no time that a double does not hold exactly.
 */
export function isItsInstant(row: CopiedRow, bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from !== INSTANT_CHARACTERS || row.length(COPIED.occurredAt) !== 8) return false;
  if (bytes[from + 4] !== MINUS || bytes[from + 7] !== MINUS || bytes[from + 10] !== T || bytes[from + 13] !== COLON) return false;
  if (bytes[from + 16] !== COLON || bytes[from + 19] !== POINT || bytes[from + 23] !== Z) return false;
  const days = daysTo(decimal(bytes, from, 4), decimal(bytes, from + 5, 2), decimal(bytes, from + 8, 2));
  const hour = decimal(bytes, from + 11, 2);
  const minute = decimal(bytes, from + 14, 2);
  const second = decimal(bytes, from + 17, 2);
  if (!(hour < 24 && minute < 60 && second < 60)) return false;
  const seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
  return row.integer(COPIED.occurredAt) === (seconds * 1000 + decimal(bytes, from + 20, 3)) * 1000;
}

/** Days from the first of 2000; NaN of a day that there is not, and of years for which doubles do not count microseconds. */
function daysTo(year: number, month: number, day: number): number {
  if (!(year >= 1970 && year < 2200 && month >= 1 && month <= 12 && day >= 1)) return NaN;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const begin = (BEFORE_MONTH[month - 1] ?? 0) + (leap && month > 2 ? 1 : 0);
  const end = (BEFORE_MONTH[month] ?? 0) + (leap && month > 1 ? 1 : 0);
  if (day > end - begin) return NaN;
  return (year - 2000) * 365 + leapDaysBefore(year) - leapDaysBefore(2000) + begin + day - 1;
}

function leapDaysBefore(year: number): number {
  const last = year - 1;
  return Math.floor(last / 4) - Math.floor(last / 100) + Math.floor(last / 400);
}

/** Goes through the row's flags, an array in binary: its dimensions, whether it has nulls, its type, its length, where it counts from, its items. */
export class FlagsOfRow {
  private at = 0;
  private end = 0;
  private count = 0;

  begin(row: CopiedRow): void {
    this.at = row.start(COPIED.flags) + ITEMS_AT;
    this.end = row.start(COPIED.flags) + row.length(COPIED.flags);
    this.count = 0;
  }

  /** Whether the next one is what lies in `bytes` from `from` to `to`. */
  goOnWith(row: CopiedRow, bytes: Uint8Array, from: number, to: number): boolean {
    if (this.at + 4 > this.end || row.bytes.readInt32BE(this.at) !== to - from) return false;
    this.at += 4;
    this.count++;
    for (let i = from; i < to; i++) if (bytes[i] !== row.bytes[this.at++]) return false;
    return true;
  }

  /** Whether they were all gone through, and are a plain array. */
  endHere(row: CopiedRow): boolean {
    const start = row.start(COPIED.flags);
    const size = row.length(COPIED.flags);
    if (this.count === 0) return size === DIMENSIONS_ONLY && row.bytes.readInt32BE(start) === 0;
    const number = (at: number): number => row.bytes.readInt32BE(start + at);
    return this.at === this.end && number(0) === 1 && number(4) === 0 && number(12) === this.count && number(16) === 1;
  }
}

/** So many decimal digits; NaN when something else is among them. */
function decimal(bytes: Uint8Array, from: number, count: number): number {
  let value = 0;
  for (let at = from; at < from + count; at++) {
    const digit = (bytes[at] ?? 0) - ZERO;
    value = digit >= 0 && digit <= 9 ? value * 10 + digit : NaN;
  }
  return value;
}
