import { resolved, type Schema } from './openapi-document.js';

/** A value as it stands in the JSON text of a body: some of these no JSON writer would write. */
export interface BadValue {
  what: string;
  text: string;
  /** Whatever the field: no route has a use for it. Otherwise it may happen to be right. */
  refused: boolean;
}

const DEPTH = 10_000;
const LONG = 100_000;

const refused = (what: string, text: string): BadValue => ({ what, text, refused: true });
const odd = (what: string, text: string): BadValue => ({ what, text, refused: false });

/** Refused before anybody looks at the field they stand in. */
export const UNREADABLE: BadValue[] = [
  refused('NUL', String.raw`"a\u0000b"`),
  refused('a lone surrogate', String.raw`"a\ud800b"`),
  refused('10,000 lists in each other', '['.repeat(DEPTH) + ']'.repeat(DEPTH)),
  refused('10,000 objects in each other', '{"a":'.repeat(DEPTH) + '1' + '}'.repeat(DEPTH)),
  refused('__proto__', '{"__proto__":{"admin":true}}'),
  refused('constructor.prototype', '{"constructor":{"prototype":{"admin":true}}}'),
  refused('no JSON', 'undefined'),
];

/** Times in forms that some parsers take and others do not, and times that no calendar or no database has. */
const ODD_TIMES: [what: string, text: string][] = [
  ['a date without hyphens', '20260101'],
  ['a week', '2026-W01'],
  ['a day of the year', '2026-001'],
  ['a date alone', '2026-01-01'],
  ['a time without its zone', '2026-01-01T00:00:00'],
  ['a time in words', 'tomorrow'],
  ['a day that no month has', '2026-02-30T12:00:00Z'],
  ['a leap second', '2026-06-30T23:59:60Z'],
  ['the year nought', '0000-01-01T00:00:00Z'],
  ['a zone that nobody lives in', '2026-01-01T00:00:00+23:59'],
  ['a zone that is none', '2026-01-01T00:00:00+99:99'],
  ['the end of time', '9999-12-31T23:59:59Z'],
];

const ANYWHERE: BadValue[] = [
  refused('infinity', '1e400'),
  odd('null', 'null'),
  odd('true', 'true'),
  odd('minus zero', '-0'),
  odd('minus one', '-1'),
  odd('beyond 32 bits', '99999999999'),
  odd('beyond exact numbers', '9007199254740993'),
  odd('a fraction', '1.5'),
  odd('no text', '""'),
  odd('a number as text', '"42"'),
  odd('very long text', JSON.stringify('x'.repeat(LONG))),
  odd('very long text of dots', JSON.stringify('a.'.repeat(LONG / 2))),
  odd('right-to-left override', String.raw`"\u202eabc"`),
  odd('an emoji', '"👩‍💻"'),
  odd('SQL', `"'; DROP TABLE users; --"`),
  odd('a date without hyphens', '"20260101"'),
  odd('an empty list', '[]'),
  odd('a list of lists', '[["a"]]'),
  odd('a list of nothing', '[null]'),
  odd('host bits', '"10.20.0.1/24"'),
  odd('an IPv4-mapped address', '"::ffff:10.0.0.1"'),
  odd('a zone', '"fe80::1%eth0"'),
  odd('all of IPv6', '"::/0"'),
  odd('an upper-case uuid', '"01890000-0000-7000-8000-00000000ABCD"'),
];

/** Values for one field, among them those at and just outside the limits its schema names. */
export function badValuesFor(field: Schema, valid: unknown): BadValue[] {
  const { minimum, maximum, minLength, maxLength, maxItems, enum: list, type, format } = resolved(field);
  const outside: Record<string, unknown> = {};
  const limits: Record<string, unknown> = {};
  if (minimum !== undefined) [outside['below the least'], limits['the least']] = [minimum - 1, minimum];
  if (maximum !== undefined) [outside['above the most'], limits['the most']] = [maximum + 1, maximum];
  if (minLength !== undefined && minLength > 0) outside['too short'] = 'x'.repeat(minLength - 1);
  if (maxLength !== undefined) [outside['too long'], limits['the longest']] = ['x'.repeat(maxLength + 1), 'x'.repeat(maxLength)];
  if (maxItems !== undefined) outside['too many'] = Array.from({ length: maxItems + 1 }, (_, i) => `item ${i}`);
  if (list !== undefined) outside['not in the list'] = 'nothing of the kind';
  if (type === 'array') outside['a scalar for a list'] = Array.isArray(valid) ? (valid[0] as unknown) : 'a';
  else outside['a list for a scalar'] = [valid];
  outside['another type'] = type === 'string' || type === 'array' ? 42 : 'text';
  const anObject: BadValue = { what: 'an object', text: '{}', refused: type !== 'object' };
  const isTime = format === 'date-time' || (typeof valid === 'string' && /^\d{4}-\d{2}-\d{2}T/.test(valid));
  return [
    ...ANYWHERE,
    ...(isTime ? ODD_TIMES.map(([what, time]) => odd(what, JSON.stringify(time))) : []),
    anObject,
    ...Object.entries(outside).map(([what, value]) => refused(what, JSON.stringify(value))),
    ...Object.entries(limits).map(([what, value]) => odd(what, JSON.stringify(value))),
  ];
}

/** Whole bodies that are no object of fields. */
export const BAD_BODIES: BadValue[] = [
  refused('nothing', ''),
  refused('null', 'null'),
  refused('a number', '42'),
  refused('text', '"text"'),
  refused('a list', '[]'),
  refused('half an object', '{"name":'),
  refused('a comma too many', '{"a":1,}'),
  refused('10,000 unknown fields', JSON.stringify(Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`field ${i}`, i])))),
  refused('a field name with NUL', String.raw`{"na\u0000me":"a"}`),
];

/** Values of query parameters, as they stand in the URL. */
const BAD_QUERY_VALUES: [what: string, value: string][] = [
  ['nothing', ''],
  ['text', 'abc'],
  ['minus one', '-1'],
  ['minus zero', '-0'],
  ['infinity', '1e400'],
  ['beyond 32 bits', '99999999999'],
  ['NUL', '%00'],
  ['no UTF-8', '%ED%A0%80'],
  ['a broken escape', '%zz'],
  ['long', 'x'.repeat(10_000)],
  ['a wildcard', '%25%25%25'],
  ['a backslash', '%5C'],
  ['all of IPv6', '::/0'],
  ['SQL', `'%3B%20DROP%20TABLE%20users%3B--`],
  ['a date without hyphens', '20260101'],
];

const BAD_TIMES = ODD_TIMES.map(([what, text]): [string, string] => [what, encodeURIComponent(text)]);

/** The same for one parameter; a time gets more of them. */
export function badQueryValuesFor(name: string, { format }: Schema): [what: string, value: string][] {
  const isTime = format === 'date-time' || /^(from|to|at|since|until)$/.test(name);
  return isTime ? [...BAD_QUERY_VALUES, ...BAD_TIMES] : BAD_QUERY_VALUES;
}

/** What may stand where a path has an id. */
export const BAD_IDS: [what: string, segment: string][] = [
  ['NUL', '%00'],
  ['no UTF-8', '%ED%A0%80'],
  ['a broken escape', '%zz'],
  ['a path', '..%2f..%2fetc'],
  ['a quote', `'`],
  ['something long', 'x'.repeat(5000)],
  ['null', 'null'],
  ['a name every object has', 'constructor'],
  ['__proto__', '__proto__'],
  ['nearly an id', '01890000-0000-7000-8000-00000000000g'],
  ['an unknown id in capitals', '01890000-0000-7000-8000-00000000ABCD'],
];
