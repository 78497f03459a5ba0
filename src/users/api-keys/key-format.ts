import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { KEY_PREFIX } from '../../platform/auth/credentials.js';

export const keyKinds = ['owner', 'admin', 'tenant', 'public'] as const;
export type KeyKind = (typeof keyKinds)[number];

const LETTERS = { owner: 'o', admin: 'a', tenant: 't', public: 'p' } as const satisfies Record<KeyKind, string>;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const HANDLE = 12;
const SECRET = 40;
const CHECKSUM = 6;
const FORM = /^cdst_([oatp])_([0-9A-Za-z]{12})_([0-9A-Za-z]{40})([0-9A-Za-z]{6})$/;

/** What a key says by itself. */
export interface ParsedKey {
  kind: KeyKind;
  /** Names the key in public: in lists, logs and token headers. */
  handle: string;
  secret: string;
}

/** A new key: 238 random bits, and a checksum by which anybody can tell a key from a text that looks like one. */
export function newKey(kind: KeyKind, handle = newHandle()): ParsedKey & { text: string } {
  const secret = random(SECRET);
  const text = `${prefixOf(kind, handle)}_${secret}`;
  return { kind, handle, secret, text: text + checksumOf(text) };
}

export function newHandle(): string {
  return random(HANDLE);
}

/** How a key is shown to whoever must not use it. */
export function prefixOf(kind: KeyKind, handle: string): string {
  return `${KEY_PREFIX}${LETTERS[kind]}_${handle}`;
}

/** Undefined for what cannot be a key of ours: decided by the text alone. */
export function parseKey(text: string): ParsedKey | undefined {
  const [, letter, handle = '', secret = '', checksum] = FORM.exec(text) ?? [];
  const kind = keyKinds.find((k) => LETTERS[k] === letter);
  if (!kind || checksumOf(text.slice(0, -CHECKSUM)) !== checksum) return undefined;
  return { kind, handle, secret };
}

/** CRC-32 in base 62, as in GitHub's tokens. */
function checksumOf(text: string): string {
  let rest = crc32(text);
  let digits = '';
  for (let i = 0; i < CHECKSUM; i++) {
    digits = DIGITS.charAt(rest % 62) + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}

function random(length: number): string {
  let text = '';
  while (text.length < length)
    // A byte beyond the last multiple of 62 would favour the first digits.
    for (const byte of randomBytes(length)) if (byte < 248 && text.length < length) text += DIGITS.charAt(byte % 62);
  return text;
}
