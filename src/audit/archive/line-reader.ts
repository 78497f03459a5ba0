import { sha256 } from '../sealing/merkle.js';
import { type ArchivedEvent, AROUND, BACKSLASH, CLOSING, ESCAPES, LETTER_U, LINE_FEED, OPENING, QUOTE } from './event-line.js';

/** The members whose places are kept. */
const MEMBER = { id: 0, sealedAt: 1, recordedAt: 2, xid: 3, leaf: 4, mac: 5 } as const;
const MEMBERS = Object.keys(MEMBER).length;
const DIGIT_0 = 0x30;
const MINUS = 0x2d;
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
 * Reads lines where they lie, one after another, and refuses every one that LineWriter would not have written, now or for the first format: what
 * is said of the present one counts until the next.
 */
export class LineReader {
  seq = 0;
  private epoch = 0;
  private at = 0;
  private readonly starts = new Int32Array(MEMBERS);
  private readonly ends = new Int32Array(MEMBERS);
  /** A byte, as the hash of a leaf begins with one, and the payload behind it: in the line, or unescaped in memory of its own. */
  private payload: Buffer = Buffer.alloc(0);
  private unescaped: Buffer = Buffer.alloc(BEGINNING);

  constructor(private bytes: Buffer) {}

  /** Others, in the same memory. */
  turnTo(bytes: Buffer): this {
    [this.bytes, this.at] = [bytes, 0];
    return this;
  }

  /** Whether there is one. Throws NoEventLine. */
  next(): boolean {
    if (this.at === this.bytes.length) return false;
    this.plain(AROUND.seq);
    this.seq = this.integer();
    this.plain(AROUND.id).text(MEMBER.id, PLAIN);
    this.plain(AROUND.sealedAt).text(MEMBER.sealedAt, PLAIN);
    this.plain(AROUND.recordedAt).text(MEMBER.recordedAt, PLAIN);
    this.plain(AROUND.xid).text(MEMBER.xid, PLAIN);
    this.plain(AROUND.epoch);
    this.epoch = this.integer();
    this.ends[MEMBER.leaf] = -1;
    if (this.takes(AROUND.leaf)) {
      this.text(MEMBER.leaf, HEX_DIGITS);
      this.plain(AROUND.leafEnd);
    }
    this.plain(AROUND.mac).text(MEMBER.mac, HEX_DIGITS);
    this.plain(AROUND.payload);
    if (this.bytes[this.at] === OPENING) this.object();
    else this.string();
    this.plain(AROUND.end);
    return true;
  }

  /** As the payload's tree has it (RFC 6962 §2.1): 32 characters of latin1, of which a buffer would cost as much again. */
  leafHash(): string {
    const { payload } = this;
    const before = payload[0] ?? 0;
    payload[0] = 0;
    const hash = sha256(payload);
    payload[0] = before;
    return hash;
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
      leaf: this.ends[MEMBER.leaf] === -1 ? Buffer.from(this.leafHash(), 'latin1').toString('hex') : text(MEMBER.leaf),
      mac: text(MEMBER.mac),
      payload: this.payload.toString('utf8', 1),
    };
  }

  /** Whether it comes next, which is behind us then. */
  private takes(text: Buffer): boolean {
    const { bytes, at } = this;
    for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
    this.at = at + text.length;
    return true;
  }

  private plain(text: Buffer): this {
    if (!this.takes(text)) throw new NoEventLine();
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

  /** Up to the brace that ends the line. */
  private object(): void {
    const end = this.bytes.indexOf(LINE_FEED, this.at) - 1;
    if (this.bytes[end - 1] !== CLOSING || end - 1 <= this.at) throw new NoEventLine();
    this.payload = this.bytes.subarray(this.at - 1, end);
    this.at = end;
  }

  private string(): void {
    const { bytes } = this;
    let at = this.at;
    let to = 1;
    const most = bytes.indexOf(LINE_FEED, at) - at;
    if (bytes[at++] !== QUOTE) throw new NoEventLine();
    if (most >= this.unescaped.length) this.unescaped = Buffer.alloc(2 * most);
    const { unescaped } = this;
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
      unescaped[to++] = byte;
    }
    this.at = at;
    this.payload = unescaped.subarray(0, to);
  }

  /** The control character of the four hex digits before this place; -1 when they are none that JSON.stringify writes. */
  private control(end: number): number {
    const digits = this.bytes.toString('latin1', end - 4, end);
    return /^00[01][0-9a-f]$/.test(digits) ? Number.parseInt(digits, 16) : -1;
  }
}
