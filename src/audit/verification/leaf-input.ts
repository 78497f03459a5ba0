import { sha256 } from '../sealing/merkle.js';

const WORD = 4;
const SPACES = Buffer.from('    ');
/** More than a payload of ours has. */
const USUAL = 65_536;

/** What a leaf is the hash of: 0x00 and the payload. In memory of its own, which every payload is copied to in its turn. */
export class LeafInput {
  /** Of the present payload; it begins at 1. */
  bytes: Buffer = Buffer.alloc(1);
  private space = Buffer.from(new ArrayBuffer(0));
  private words = new Int32Array(0);
  private length = 0;

  take(from: Buffer, at: number, length: number): void {
    if (WORD + length + WORD > this.space.length) this.grow(length);
    // Whole words can be looked at: the payload begins with one, and what is behind it in the last one is harmless.
    from.copy(this.space, WORD, at, at + length);
    SPACES.copy(this.space, WORD + length);
    this.length = length;
    this.bytes = this.space.subarray(WORD - 1, WORD + length);
  }

  hash(): string {
    return sha256(this.bytes);
  }

  /** Whether there is a character below U+0020, which JSON has as white space only, and canonical JSON nowhere. Four bytes at a time. */
  hasControls(): boolean {
    const { words } = this;
    const end = 1 + Math.ceil(this.length / WORD);
    for (let i = 1; i < end; i++) {
      const word = words[i] ?? 0;
      if (((word - 0x20202020) & ~word & 0x80808080) !== 0) return true;
    }
    return false;
  }

  private grow(length: number): void {
    const memory = new ArrayBuffer(Math.max(USUAL, Math.ceil(length / WORD) * 2 * WORD + 4 * WORD));
    this.space = Buffer.from(memory);
    this.words = new Int32Array(memory);
  }
}
