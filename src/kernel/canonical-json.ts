/** A value JSON can carry without loss: no undefined, no NaN, no bigint (those travel as strings). */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export function isJsonObject(value: Json | undefined): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Canonical JSON by RFC 8785: members sorted by UTF-16 code units, no white space, numbers as ECMAScript prints them.
 * Throws on numbers JSON cannot carry and on lone surrogates, whose UTF-8 form is not defined.
 */
export function canonicalJson(value: Json): string {
  if (typeof value === 'string') return canonicalString(value);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError('canonical JSON has no NaN or infinity');
    return JSON.stringify(value);
  }
  let members = '';
  if (Array.isArray(value)) {
    for (const item of value) members += `${members === '' ? '' : ','}${canonicalJson(item)}`;
    return `[${members}]`;
  }
  for (const key of Object.keys(value).sort()) {
    const member = value[key];
    if (member === undefined) continue;
    members += `${members === '' ? '' : ','}${canonicalString(key)}:${canonicalJson(member)}`;
  }
  return `{${members}}`;
}

/** Printable ASCII without quotes and backslashes: nearly all that is written, and nothing of it needs an escape. */
const PLAIN = /^[ !#-[\]-~]*$/;

function canonicalString(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw new TypeError('canonical JSON has no lone surrogates');
  return JSON.stringify(text);
}

/**
 * A plain JSON value for what services hold: dates as RFC 3339 UTC, bigints as decimal strings, undefined members left out.
 * Stable: the same row gives the same value whatever driver or process read it.
 */
export function toJson(value: unknown): Json {
  if (value === null || value === undefined) return null;
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value === 'boolean' || typeof value === 'number') return value;
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === 'object') {
    const members: Record<string, Json> = {};
    for (const [key, member] of Object.entries(value)) if (member !== undefined) members[key] = toJson(member);
    return members;
  }
  throw new TypeError(`a ${typeof value} has no JSON form`);
}
