import { hash } from 'node:crypto';

const HASHES = 7;
const BITS_EACH = 10;
const LEAST_BITS = 1 << 10;
const MOST_BITS = 1 << 23;

/**
 * Tells what is surely not in a set, in at most a mebibyte. The bits of a value are h1 + i·h2 for i from 0 to 6, by the number of bits, where
 * h1 and h2 are the first two little-endian words of its SHA-256, the second one odd; bit n is bit n mod 8 of byte n div 8.
 */
export class BloomFilter {
  private bits: Uint8Array;

  constructor(expected: number) {
    let size = LEAST_BITS;
    while (size < expected * BITS_EACH && size < MOST_BITS) size *= 2;
    this.bits = new Uint8Array(size / 8);
  }

  static of(base64: string): BloomFilter {
    const filter = new BloomFilter(0);
    filter.bits = Buffer.from(base64, 'base64');
    return filter;
  }

  add(value: string): void {
    for (const bit of this.places(value)) this.bits[bit >> 3] = (this.bits[bit >> 3] ?? 0) | (1 << (bit & 7));
  }

  mayHave(value: string): boolean {
    return this.places(value).every((bit) => ((this.bits[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0);
  }

  /** As small as it can be while at most half of its bits are set: a power of two of bits folds without losing a value. */
  toString(): string {
    let bits = this.bits;
    while (bits.length > LEAST_BITS / 8) {
      const half = bits.length / 2;
      const folded = Uint8Array.from({ length: half }, (_, i) => (bits[i] ?? 0) | (bits[i + half] ?? 0));
      if (ones(folded) > half * 4) break;
      bits = folded;
    }
    return Buffer.from(bits).toString('base64');
  }

  private places(value: string): number[] {
    const digest = hash('sha256', value, 'buffer');
    const [h1, h2] = [digest.readUInt32LE(0), digest.readUInt32LE(4) | 1];
    const mask = this.bits.length * 8 - 1;
    return Array.from({ length: HASHES }, (_, i) => (h1 + Math.imul(i, h2)) & mask);
  }
}

function ones(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) for (let rest = byte; rest > 0; rest &= rest - 1) count++;
  return count;
}
