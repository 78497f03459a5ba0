import { COLUMN, type CopiedRows } from './copied-rows.js';
import { AROUND, BACKSLASH, ESCAPES, LETTER_U } from './event-line.js';
import { InstantText } from './instant-text.js';

/** What stands around the members, and members of a fixed size, with room to spare. */
const BESIDES = 400;
const BEGINNING = 2 << 20;
/** The longest escape of a byte. */
const LONGEST_ESCAPE = 6;
const HEX = Buffer.from('0123456789abcdef');
const ZERO = 0x30;
const HYPHEN = 0x2d;
/** Of 16 bytes, those before which a UUID has a hyphen. */
const HYPHENATED = new Set([4, 6, 8, 10]);

/** Writes rows as lines into one piece of memory, byte by byte: a text for each of them would cost several times as much. */
export class LineWriter {
  private length = 0;
  private readonly sealedAt = new InstantText();
  private readonly recordedAt = new InstantText();

  private bytes = Buffer.allocUnsafe(BEGINNING);

  /** What was written since it was last begun anew. */
  get lines(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  /** In the same memory. */
  begin(): void {
    this.length = 0;
  }

  write(row: CopiedRows): void {
    this.makeRoom(row);
    const numbers = (column: number): string => String(row.bytes.readBigUInt64BE(row.start(column)));
    this.around(0).ascii(numbers(COLUMN.seq));
    this.around(1).uuid(row.bytes, row.start(COLUMN.id));
    this.around(2).ascii(this.sealedAt.of(row.integer(COLUMN.sealedAt)));
    this.around(3).ascii(this.recordedAt.of(row.integer(COLUMN.recordedAt)));
    this.around(4).ascii(numbers(COLUMN.xid));
    this.around(5).ascii(String(row.integer(COLUMN.epoch)));
    this.around(6).hex(row.bytes, row.start(COLUMN.leaf), row.end(COLUMN.leaf));
    this.around(7).hex(row.bytes, row.start(COLUMN.mac), row.end(COLUMN.mac));
    this.around(8).escaped(row.bytes, row.start(COLUMN.payload), row.end(COLUMN.payload));
    this.around(9);
  }

  private makeRoom(row: CopiedRows): void {
    const size = (column: number): number => row.end(column) - row.start(column);
    const most = this.length + BESIDES + 2 * (size(COLUMN.leaf) + size(COLUMN.mac)) + LONGEST_ESCAPE * size(COLUMN.payload);
    if (most > this.bytes.length) this.bytes = Buffer.concat([this.lines], 2 * most);
  }

  private around(n: number): this {
    const text = AROUND[n] ?? Buffer.alloc(0);
    const { bytes } = this;
    let at = this.length;
    for (const byte of text) bytes[at++] = byte;
    this.length = at;
    return this;
  }

  private ascii(text: string): void {
    const { bytes } = this;
    let at = this.length;
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
    this.length = at;
  }

  private uuid(from: Buffer, start: number): void {
    for (let i = 0; i < 16; i++) {
      if (HYPHENATED.has(i)) this.bytes[this.length++] = HYPHEN;
      this.hex(from, start + i, start + i + 1);
    }
  }

  private hex(from: Buffer, start: number, end: number): void {
    const { bytes } = this;
    let at = this.length;
    for (let i = start; i < end; i++) {
      const byte = from[i] ?? 0;
      bytes[at++] = HEX[byte >> 4] ?? 0;
      bytes[at++] = HEX[byte & 15] ?? 0;
    }
    this.length = at;
  }

  private escaped(from: Buffer, start: number, end: number): void {
    const { bytes } = this;
    let at = this.length;
    for (let i = start; i < end; i++) {
      const byte = from[i] ?? 0;
      const escape = ESCAPES[byte] ?? 0;
      if (escape === 0) {
        bytes[at++] = byte;
        continue;
      }
      bytes[at++] = BACKSLASH;
      bytes[at++] = escape;
      if (escape !== LETTER_U) continue;
      bytes[at++] = ZERO;
      bytes[at++] = ZERO;
      bytes[at++] = HEX[byte >> 4] ?? 0;
      bytes[at++] = HEX[byte & 15] ?? 0;
    }
    this.length = at;
  }
}
