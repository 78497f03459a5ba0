import { hash } from 'node:crypto';
import { type ArchivedEvent, AROUND, BACKSLASH, ESCAPES, LETTER_U, QUOTE } from './event-line.js';

const MEMBER = { seq: 0, id: 1, sealedAt: 2, recordedAt: 3, xid: 4, epoch: 5, leaf: 6, mac: 7 } as const;
const TEXTS = [MEMBER.id, MEMBER.sealedAt, MEMBER.recordedAt, MEMBER.xid];
const HEX = [MEMBER.leaf, MEMBER.mac];
const DIGIT_0 = 0x30;
const MINUS = 0x2d;

const LINE_FEED = 0x0a;
const BEGINNING = 64 << 10;

/** Which byte a short escape stands for, by the letter behind its backslash; 0 where there is none. */
const UNESCAPED = new Uint8Array(256);
for (const [byte, letter] of ESCAPES.entries()) if (letter !== 0 && letter !== LETTER_U) UNESCAPED[letter] = byte;

/** 1 for the characters that stand for themselves in a member of ASCII. */
const PLAIN = Uint8Array.from(ESCAPES, (letter, byte) => (letter === 0 && byte < 0x7f ? 1 : 0));
const HEX_DIGITS = new Uint8Array(256);
for (const digit of Buffer.from('0123456789abcdef')) HEX_DIGITS[digit] = 1;
/** 1 for the bytes that stand for themselves in a payload. */
const UNESCAPABLE = Uint8Array.from(ESCAPES, (letter) => (letter === 0 ? 1 : 0));

/** A line that is none of ours. */
export class NoEventLine extends Error {
  constructor() {
    super('a line of it is no event');
  }
}

/**
 * Reads lines where they lie, one after another, and refuses every one that LineWriter would not have written: what is said of the present one
 * counts until the next.
 */
export class LineReader {
  seq = 0;
  private epoch = 0;
  private at = 0;
  private readonly starts = new Int32Array(HEX.length + TEXTS.length + 2);
  private readonly ends = new Int32Array(HEX.length + TEXTS.length + 2);
  /** A zero, as the hash of a leaf begins, and the payload behind it. */
  private leaf = Buffer.alloc(BEGINNING);
  private leafLength = 1;

  constructor(private bytes: Buffer) {}

  /** Others, in the same memory. */
  turnTo(bytes: Buffer): this {
    [this.bytes, this.at] = [bytes, 0];
    return this;
  }

  /** Whether there is one. Throws NoEventLine. */
  next(): boolean {
    if (this.at === this.bytes.length) return false;
    this.around(0);
    this.seq = this.integer();
    for (const member of TEXTS) this.around(member).text(member, PLAIN);
    this.around(MEMBER.epoch);
    this.epoch = this.integer();
    for (const member of HEX) this.around(member).text(member, HEX_DIGITS);
    this.around(8).payload();
    this.around(9);
    return true;
  }

  /** As the payload's tree has it (RFC 6962 §2.1). */
  leafHash(): Buffer {
    return hash('sha256', this.leaf.subarray(0, this.leafLength), 'buffer');
  }

  event(): ArchivedEvent {
    const text = (member: number): string => this.bytes.toString('latin1', this.starts[member], this.ends[member]);
    return {
      seq: this.seq,
      id: text(MEMBER.id),
      sealedAt: text(MEMBER.sealedAt),
      recordedAt: text(MEMBER.recordedAt),
      xid: text(MEMBER.xid),
      epoch: this.epoch,
      leaf: text(MEMBER.leaf),
      mac: text(MEMBER.mac),
      payload: this.leaf.toString('utf8', 1, this.leafLength),
    };
  }

  private around(n: number): this {
    const { bytes, at } = this;
    const text = AROUND[n] ?? Buffer.alloc(0);
    for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) throw new NoEventLine();
    this.at = at + text.length;
    return this;
  }

  /** As JSON writes it: without a zero in front. */
  private integer(): number {
    const { bytes } = this;
    const negative = bytes[this.at] === MINUS;
    if (negative) this.at++;
    const from = this.at;
    let value = 0;
    for (let digit = (bytes[this.at] ?? 0) - DIGIT_0; digit >= 0 && digit <= 9; digit = (bytes[++this.at] ?? 0) - DIGIT_0)
      value = value * 10 + digit;
    const digits = this.at - from;
    if (digits === 0 || (bytes[from] === DIGIT_0 && (digits > 1 || negative)) || value > Number.MAX_SAFE_INTEGER) throw new NoEventLine();
    return negative ? -value : value;
  }

  private text(member: number, characters: Uint8Array): void {
    const { bytes } = this;
    let at = this.at;
    this.starts[member] = at;
    while (characters[bytes[at] ?? 0] === 1) at++;
    this.ends[member] = this.at = at;
  }

  private payload(): void {
    const { bytes } = this;
    let at = this.at;
    let to = 1;
    const most = bytes.indexOf(LINE_FEED, at) - at;
    if (most >= this.leaf.length) this.leaf = Buffer.alloc(2 * most);
    const { leaf } = this;
    for (;;) {
      let byte = bytes[at++] ?? 0;
      if (UNESCAPABLE[byte] === 0) {
        if (byte === QUOTE) break;
        // A line feed at the latest, or the end, where there is nothing.
        if (byte !== BACKSLASH) throw new NoEventLine();
        const letter = bytes[at++] ?? 0;
        byte = letter === LETTER_U ? this.control((at += 4)) : (UNESCAPED[letter] ?? 0);
        if (byte < 0 || ESCAPES[byte] !== letter) throw new NoEventLine();
      }
      leaf[to++] = byte;
    }
    at--;
    this.at = at;
    this.leafLength = to;
  }

  /** The control character of the four hex digits before this place; -1 when they are none that JSON.stringify writes. */
  private control(end: number): number {
    const digits = this.bytes.toString('latin1', end - 4, end);
    return /^00[01][0-9a-f]$/.test(digits) ? Number.parseInt(digits, 16) : -1;
  }
}
