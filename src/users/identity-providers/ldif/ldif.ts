/** One attribute of an entry; a value that is no UTF-8 text stays bytes. */
interface LdifAttribute {
  name: string;
  value: string | Buffer;
}

export interface LdifEntry {
  dn: string;
  /** Where it begins, from 1. */
  line: number;
  attributes: LdifAttribute[];
}

export interface LdifProblem {
  line: number;
  detail: string;
}

const WIDTH = 76;
/** Narrower than SAFE-STRING of RFC 2849: control characters and a trailing space are legal but easily lost. */
const SAFE = /^(?![ :<])[\t\x20-\x7e]*(?<! )$/;
const ATTRIBUTE = /^([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)(;[A-Za-z0-9-]+)*$/;

/** An entry as LDIF (RFC 2849), with the blank line that ends it. */
export function formatEntry(dn: string, attributes: readonly (readonly [name: string, value: string])[]): string {
  return `${[['dn', dn] as const, ...attributes].map(([name, value]) => formatLine(name, value)).join('\n')}\n\n`;
}

/** `name: value`, in base64 where it has to be, folded. */
function formatLine(name: string, value: string): string {
  const line = SAFE.test(value) ? `${name}: ${value}` : `${name}:: ${Buffer.from(value).toString('base64')}`;
  const rest = line.slice(WIDTH).match(new RegExp(`.{1,${WIDTH - 1}}`, 'gs')) ?? [];
  return [line.slice(0, WIDTH), ...rest.map((part) => ` ${part}`)].join('\n');
}

/**
 * The entries of an LDIF file, and what of it cannot be read. Change records are reported, not followed: a dry run compares contents. Values
 * by URL are never fetched.
 */
export function parseLdif(text: string): { entries: LdifEntry[]; problems: LdifProblem[] } {
  const entries: LdifEntry[] = [];
  const problems: LdifProblem[] = [];
  for (const record of recordsOf(text)) {
    try {
      const entry = entryOf(record);
      if (entry) entries.push(entry);
    } catch (error) {
      if (!(error instanceof LdifError)) throw error;
      problems.push({ line: error.line, detail: error.message });
    }
  }
  return { entries, problems };
}

interface Line {
  text: string;
  line: number;
}

class LdifError extends Error {
  constructor(
    readonly line: number,
    detail: string,
  ) {
    super(detail);
  }
}

/** Unfolded lines without comments, a record at a time. */
function recordsOf(text: string): Line[][] {
  const records: Line[][] = [];
  let record: Line[] = [];
  let folded: Line | undefined;
  const end = (): void => {
    if (folded && !folded.text.startsWith('#')) record.push(folded);
    folded = undefined;
  };
  for (const [i, raw] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    if (raw.startsWith(' ') && folded) {
      folded.text += raw.slice(1);
      continue;
    }
    end();
    if (raw !== '') folded = { text: raw, line: i + 1 };
    else if (record.length > 0) {
      records.push(record);
      record = [];
    }
  }
  end();
  if (record.length > 0) records.push(record);
  return records;
}

function entryOf(record: Line[]): LdifEntry | undefined {
  const [first, ...rest] = record.map(attributeOf);
  if (!first) return undefined;
  // The version may stand in a record of its own or before the first entry.
  if (first.name.toLowerCase() === 'version') {
    if (first.value !== '1') throw new LdifError(first.line, 'Only version 1 of LDIF is known.');
    return entryOf(record.slice(1));
  }
  if (first.name.toLowerCase() !== 'dn' || typeof first.value !== 'string') throw new LdifError(first.line, 'A record begins with its dn.');
  const change = rest.find(({ name }) => name.toLowerCase() === 'changetype');
  if (change) throw new LdifError(change.line, 'Changes are not followed; export entries, not changes.');
  return { dn: first.value, line: first.line, attributes: rest.map(({ name, value }) => ({ name, value })) };
}

function attributeOf({ text, line }: Line): LdifAttribute & { line: number } {
  const colon = text.indexOf(':');
  const name = text.slice(0, colon);
  if (colon < 0 || !ATTRIBUTE.test(name)) throw new LdifError(line, 'This line is no attribute.');
  const mark = text[colon + 1];
  if (mark === '<') throw new LdifError(line, 'A value by URL is not fetched.');
  if (mark !== ':') return { name, line, value: text.slice(colon + 1).replace(/^ +/, '') };
  return { name, line, value: decoded(text.slice(colon + 2).trim(), line) };
}

function decoded(base64: string, line: number): string | Buffer {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64))
    throw new LdifError(line, 'The value is no base64.');
  const bytes = Buffer.from(base64, 'base64');
  const text = bytes.toString();
  return Buffer.from(text).equals(bytes) ? text : bytes;
}
