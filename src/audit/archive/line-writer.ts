import { COLUMN, type CopiedRows, viewOf } from './copied-rows.js';
import { AROUND, BACKSLASH, CLOSING, ESCAPES, LETTER_U, LINE_FEED, OPENING, QUOTE } from './event-line.js';
import { InstantText } from './instant-text.js';

/** What stands around the members, and members of a fixed size, with room to spare. */
const BESIDES = 400;
const BEGINNING = 2 << 20;
/** The longest escape of a byte. */
const LONGEST_ESCAPE = 6;
const HYPHEN = 0x2d;
const DIGIT_0 = 0x30;
/** Of 31 bits. */
const SMALL = 0x7fffffff;
/** Two characters, the first in the lower byte: what each byte is in hex, and how it begins where it is written in a JSON string. */
const HEX_PAIRS = Uint16Array.from({ length: 256 }, (_, byte) => Buffer.from(byte.toString(16).padStart(2, '0')).readUInt16LE());
const WRITTEN = Uint16Array.from(ESCAPES, (escape, byte) => (escape === 0 ? byte : BACKSLASH | (escape << 8)));
const ZEROS = Buffer.from('00').readUInt16LE();
/** How many bytes it takes. */
const SIZES = Uint8Array.from(ESCAPES, (escape) => (escape === 0 ? 1 : escape === LETTER_U ? LONGEST_ESCAPE : 2));

/** Writes rows as lines into one piece of memory, byte by byte: a text for each of them would cost several times as much. */
export class LineWriter {
  private length = 0;
  private readonly sealedAt = new InstantText();
  private readonly recordedAt = new InstantText();

  private bytes = Buffer.allocUnsafe(BEGINNING);
  private view = viewOf(this.bytes);

  /** What was written since it was last begun anew. */
  get lines(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  /** In the same memory. */
  begin(): void {
    this.length = 0;
  }

  /** `hashed`: whether its leaf is the hash of its payload. */
  write(row: CopiedRows, hashed: boolean): void {
    this.makeRoom(row);
    this.plain(AROUND.seq).number(row, COLUMN.seq);
    this.plain(AROUND.id).uuid(row.bytes, row.start(COLUMN.id));
    this.plain(AROUND.sealedAt).ascii(this.sealedAt.of(row.integer(COLUMN.sealedAt)));
    this.plain(AROUND.recordedAt).ascii(this.recordedAt.of(row.integer(COLUMN.recordedAt)));
    this.plain(AROUND.xid).number(row, COLUMN.xid);
    this.plain(AROUND.epoch).ascii(String(row.integer(COLUMN.epoch)));
    if (!hashed) {
      this.plain(AROUND.leaf).hex(row.bytes, row.start(COLUMN.leaf), row.end(COLUMN.leaf));
      this.plain(AROUND.leafEnd);
    }
    this.plain(AROUND.mac).hex(row.bytes, row.start(COLUMN.mac), row.end(COLUMN.mac));
    this.plain(AROUND.payload).payload(row, hashed);
    this.plain(AROUND.end);
  }

  /** What the sealer took for an event that the program wrote is canonical JSON: an object on one line. */
  private payload(row: CopiedRows, hashed: boolean): void {
    const { bytes } = row;
    const [start, end] = [row.start(COLUMN.payload), row.end(COLUMN.payload)];
    if (hashed && !row.boolean(COLUMN.quarantined) && isOneLine(bytes, start, end)) {
      this.length += bytes.copy(this.bytes, this.length, start, end);
      return;
    }
    this.bytes[this.length++] = QUOTE;
    this.escaped(bytes, start, end);
    this.bytes[this.length++] = QUOTE;
  }

  private makeRoom(row: CopiedRows): void {
    const size = (column: number): number => row.end(column) - row.start(column);
    const most = this.length + BESIDES + 2 * (size(COLUMN.leaf) + size(COLUMN.mac)) + LONGEST_ESCAPE * size(COLUMN.payload);
    if (most <= this.bytes.length) return;
    this.bytes = Buffer.concat([this.lines], 2 * most);
    this.view = viewOf(this.bytes);
  }

  private plain(text: Buffer): this {
    const { bytes } = this;
    let at = this.length;
    for (const byte of text) bytes[at++] = byte;
    this.length = at;
    return this;
  }

  /** Without a sign. */
  private number(row: CopiedRows, column: number): void {
    const value = row.integer(column);
    if (value < 0 || value > SMALL) {
      this.ascii(String(value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : row.bytes.readBigUInt64BE(row.start(column))));
      return;
    }
    let digits = 1;
    for (let rest = value; rest >= 10; rest = (rest / 10) | 0) digits++;
    const { bytes } = this;
    this.length += digits;
    for (let at = this.length - 1, rest = value; digits > 0; digits--, at--, rest = (rest / 10) | 0) bytes[at] = DIGIT_0 + (rest % 10);
  }

  private ascii(text: string): void {
    const { bytes } = this;
    let at = this.length;
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
    this.length = at;
  }

  private uuid(from: Buffer, start: number): void {
    this.hex(from, start, start + 4);
    for (let i = 4; i <= 10; i += 2) {
      this.bytes[this.length++] = HYPHEN;
      this.hex(from, start + i, start + (i < 10 ? i + 2 : 16));
    }
  }

  private hex(from: Buffer, start: number, end: number): void {
    const { view } = this;
    let at = this.length;
    for (let i = start; i < end; i++, at += 2) view.setUint16(at, HEX_PAIRS[from[i] ?? 0] ?? 0, true);
    this.length = at;
  }

  /** Without a branch for most bytes: of a payload, every eighth is a quote, and nobody can guess which. */
  private escaped(from: Buffer, start: number, end: number): void {
    const { view } = this;
    let at = this.length;
    for (let i = start; i < end; i++) {
      const byte = from[i] ?? 0;
      const size = SIZES[byte] ?? 0;
      view.setUint16(at, WRITTEN[byte] ?? 0, true);
      if (size === LONGEST_ESCAPE) {
        view.setUint16(at + 2, ZEROS, true);
        view.setUint16(at + 4, HEX_PAIRS[byte] ?? 0, true);
      }
      at += size;
    }
    this.length = at;
  }
}

/** Whether whoever reads the line finds its end. */
function isOneLine(bytes: Buffer, start: number, end: number): boolean {
  return bytes[start] === OPENING && bytes[end - 1] === CLOSING && !bytes.subarray(start, end).includes(LINE_FEED);
}
