import { hexDigit } from './column-forms.js';

/** Objects and lists in each other; deeper ones are for others to read. */
const DEPTH = 64;

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d];
const [MINUS, PLUS, POINT, ZERO, SMALL_E, UNICODE] = [0x2d, 0x2b, 0x2e, 0x30, 0x65, 0x75];
const [TRUE, FALSE, NULL] = [Buffer.from('true'), Buffer.from('false'), Buffer.from('null')];
const ESCAPED = Buffer.from('"\\/bfnrt');

/** 1 for what may not stand in a text as it is. */
const special = Uint8Array.from({ length: 256 }, (_, c) => (c < 0x20 || c === QUOTE || c === BACKSLASH ? 1 : 0));

/**
 * Walks over JSON (RFC 8259) without white space, in place. Every step says whether what it looks for is there, and then stands behind it;
 * after a no the rest means nothing. It takes less than JSON.parse does, and nothing that JSON.parse does not.
 */
export class JsonReader {
  /** Where the text that was read last lies, without its quotes. */
  protected from = 0;
  protected to = 0;
  private bytes: Uint8Array = ESCAPED;
  private at = 0;
  private end = 0;

  protected open(bytes: Uint8Array, at: number, end: number): void {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** Whether all was read and nothing behind it. */
  protected get ended(): boolean {
    return this.at === this.end;
  }

  /** Reads an object; `member` is to read the value of the member whose name was just read. */
  protected object(member: () => boolean): boolean {
    if (this.bytes[this.at++] !== OPEN_OBJECT) return false;
    if (this.bytes[this.at] === CLOSE_OBJECT) return this.at++ > 0;
    for (;;) {
      if (!this.plainText() || this.bytes[this.at++] !== COLON || !member()) return false;
      const next = this.bytes[this.at++];
      if (next !== COMMA) return next === CLOSE_OBJECT;
    }
  }

  /** Reads a list; `item` is to read one of its values. */
  protected list(item: () => boolean): boolean {
    if (this.bytes[this.at++] !== OPEN_LIST) return false;
    if (this.bytes[this.at] === CLOSE_LIST) return this.at++ > 0;
    for (;;) {
      if (!item()) return false;
      const next = this.bytes[this.at++];
      if (next !== COMMA) return next === CLOSE_LIST;
    }
  }

  /** A text in which nothing is escaped: its bytes are what it says. */
  protected plainText(): boolean {
    return this.text(false);
  }

  /** Any value, whatever it says. */
  protected value(depth = DEPTH): boolean {
    if (depth === 0) return false;
    switch (this.bytes[this.at]) {
      case QUOTE:
        return this.text(true);
      case OPEN_OBJECT:
        return this.object(() => this.value(depth - 1));
      case OPEN_LIST:
        return this.list(() => this.value(depth - 1));
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

  private text(escapes: boolean): boolean {
    const { bytes, end } = this;
    let at = this.at;
    if (bytes[at++] !== QUOTE) return false;
    this.from = at;
    for (;;) {
      while (at < end && special[bytes[at] ?? 0] === 0) at++;
      if (at >= end) return false;
      if (bytes[at] === QUOTE) break;
      const skipped: number = escapes && bytes[at] === BACKSLASH ? this.escape(at + 1) : 0;
      if (skipped === 0) return false;
      at += 1 + skipped;
    }
    this.to = at;
    this.at = at + 1;
    return true;
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
