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
    const number = (column: number): string => {
      const value = row.integer(column);
      return String(value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : row.bytes.readBigUInt64BE(row.start(column)));
    };
    this.around(0).ascii(number(COLUMN.seq));
    this.around(1).uuid(row.bytes, row.start(COLUMN.id));
    this.around(2).ascii(this.sealedAt.of(row.integer(COLUMN.sealedAt)));
    this.around(3).ascii(this.recordedAt.of(row.integer(COLUMN.recordedAt)));
    this.around(4).ascii(number(COLUMN.xid));
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
    this.bytes.set(text, this.length);
    this.length += text.length;
    return this;
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
