import { hexDigit } from './column-forms.js';

/** Objects and lists in each other; deeper ones are for others to read. */
const DEPTH = 64;

export const COMMA = 0x2c;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;
export const OPEN_LIST = 0x5b;
export const CLOSE_LIST = 0x5d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const [MINUS, PLUS, POINT, ZERO, SMALL_E, UNICODE] = [0x2d, 0x2b, 0x2e, 0x30, 0x65, 0x75];
const [TRUE, FALSE, NULL] = [Buffer.from('true'), Buffer.from('false'), Buffer.from('null')];
const ESCAPED = Buffer.from('"\\/bfnrt');

/** Longer texts are searched by the library, whose call takes as long as so many steps. */
const SHORT = 64;
const NOWHERE = 2 ** 30 - 1;

/**
 * Walks over JSON (RFC 8259) in place, which has no character below U+0020, and takes none with white space. Every step says whether what it looks for is there, and then stands behind it;
 * after a no the rest means nothing. It takes less than JSON.parse does, and nothing that JSON.parse does not.
 */
export class JsonReader {
  /** Where the text that was read last lies, without its quotes. */
  protected from = 0;
  protected to = 0;
  protected bytes: Buffer = ESCAPED;
  private at = 0;
  /** Where the next backslash is that was not passed. */
  private backslash = 0;

  /** Goes on from `at` to the end of the bytes. */
  protected open(bytes: Buffer, at: number): void {
    this.bytes = bytes;
    this.at = at;
    this.backslash = this.find(BACKSLASH, at);
  }

  /** Whether all was read and nothing behind it. */
  protected get ended(): boolean {
    return this.at === this.bytes.length;
  }

  /** Whether this character comes next. */
  protected next(character: number): boolean {
    if (this.bytes[this.at] !== character) return false;
    this.at++;
    return true;
  }

  /** The name of a member, without escapes, and what parts it from its value. */
  protected name(): boolean {
    return this.text(false) && this.next(COLON);
  }

  /** A text in which nothing is escaped: its bytes are what it says. */
  protected plainText(): boolean {
    return this.text(false);
  }

  /** Any value, whatever it says. */
  protected value(depth = DEPTH): boolean {
    switch (this.bytes[this.at] ?? 0) {
      case QUOTE:
        return this.text(true);
      case OPEN_OBJECT:
        return this.someObject(depth);
      case OPEN_LIST:
        return this.someList(depth);
      case TRUE[0]:
        return this.word(TRUE);
      case FALSE[0]:
        return this.word(FALSE);
      case NULL[0]:
        return this.word(NULL);
      default:
        return this.number();
    }
  }

  private someObject(depth: number): boolean {
    this.at++;
    if (this.next(CLOSE_OBJECT)) return true;
    do if (depth === 0 || !this.name() || !this.value(depth - 1)) return false;
    while (this.next(COMMA));
    return this.next(CLOSE_OBJECT);
  }

  private someList(depth: number): boolean {
    this.at++;
    if (this.next(CLOSE_LIST)) return true;
    do if (depth === 0 || !this.value(depth - 1)) return false;
    while (this.next(COMMA));
    return this.next(CLOSE_LIST);
  }

  private text(escapes: boolean): boolean {
    if (this.bytes[this.at] !== QUOTE) return false;
    this.from = this.at + 1;
    let to = this.quoteFrom(this.from);
    while (to > this.backslash) {
      const escaped = escapes ? this.escape(this.backslash + 1) : 0;
      if (escaped === 0) return false;
      const behind = this.backslash + 1 + escaped;
      this.backslash = this.find(BACKSLASH, behind);
      to = this.quoteFrom(behind);
    }
    this.to = to;
    this.at = to + 1;
    return to < this.bytes.length;
  }

  private quoteFrom(from: number): number {
    const { bytes } = this;
    const near = Math.min(from + SHORT, bytes.length);
    for (let at = from; at < near; at++) if (bytes[at] === QUOTE) return at;
    return this.find(QUOTE, near);
  }

  /** Where the byte is next; behind everything when it is not. */
  private find(byte: number, from: number): number {
    const at = this.bytes.indexOf(byte, from);
    return at < 0 ? NOWHERE : at;
  }

  /** Characters of what stands behind a backslash; 0 when it may not stand there. */
  private escape(at: number): number {
    const what = this.bytes[at] ?? 0;
    if (ESCAPED.includes(what)) return 1;
    if (what !== UNICODE) return 0;
    for (let i = at + 1; i <= at + 4; i++) if (hexDigit(this.bytes, i) < 0) return 0;
    return 5;
  }

  private word(word: Uint8Array): boolean {
    for (const letter of word) if (this.bytes[this.at++] !== letter) return false;
    return true;
  }

  private number(): boolean {
    if (this.bytes[this.at] === MINUS) this.at++;
    if (this.bytes[this.at] === ZERO) this.at++;
    else if (!this.someDigits()) return false;
    if (this.bytes[this.at] === POINT && (this.at++, !this.someDigits())) return false;
    if (this.bytes[this.at] !== SMALL_E) return true;
    const sign = this.bytes[++this.at];
    if (sign === PLUS || sign === MINUS) this.at++;
    return this.someDigits();
  }

  private someDigits(): boolean {
    const from = this.at;
    while (this.isDigit(this.at)) this.at++;
    return this.at > from;
  }

  private isDigit(at: number): boolean {
    const digit = (this.bytes[at] ?? 0) - ZERO;
    return digit >= 0 && digit <= 9;
  }
}
