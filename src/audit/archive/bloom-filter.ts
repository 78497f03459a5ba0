const HASHES = 7;
const BITS_EACH = 10;
const LEAST_BITS = 1 << 10;
const MOST_BITS = 1 << 23;

/**
 * Tells what is surely not in a set, in at most a mebibyte. The bits of a value are h1 + i·h2 for i from 0 to 6, by the number of bits, where h1 is
 * the mixed FNV-1a of its bytes in UTF-8 and h2 is h1 mixed again and made odd; bit n is bit n mod 8 of byte n div 8. It is no cryptographic hash:
 * whoever makes values that collide with others makes a search read an archive for nothing, no more.
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

  /** The value that lies there, in UTF-8. */
  add(bytes: Buffer, start = 0, end = bytes.length): void {
    const { bits } = this;
    const mask = bits.length * 8 - 1;
    let place = mixed(fnv1a(bytes, start, end));
    const step = mixed(place) | 1;
    for (let i = 0; i < HASHES; i++, place = (place + step) | 0) {
      const bit = place & mask;
      bits[bit >> 3] = (bits[bit >> 3] ?? 0) | (1 << (bit & 7));
    }
  }

  mayHave(value: string): boolean {
    const bytes = Buffer.from(value);
    const mask = this.bits.length * 8 - 1;
    let place = mixed(fnv1a(bytes, 0, bytes.length));
    const step = mixed(place) | 1;
    for (let i = 0; i < HASHES; i++, place = (place + step) | 0) {
      const bit = place & mask;
      if (((this.bits[bit >> 3] ?? 0) & (1 << (bit & 7))) === 0) return false;
    }
    return true;
  }

  /** As small as it can be while at most half of its bits are set: a power of two of bits folds without losing a value. */
  toString(): string {
    let bits = this.bits;
    while (bits.length > LEAST_BITS / 8) {
      const half = bits.length / 2;
      const folded = bits.slice(0, half);
      for (let i = 0; i < half; i++) folded[i] = (folded[i] ?? 0) | (bits[i + half] ?? 0);
      if (ones(folded) > half * 4) break;
      bits = folded;
    }
    return Buffer.from(bits).toString('base64');
  }
}

/** FNV-1a of 32 bits. */
function fnv1a(bytes: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193);
  return hash;
}

/** The finalizer of MurmurHash3: every bit of what goes in bears on every bit of what comes out. */
function mixed(word: number): number {
  let hash = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function ones(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) for (let rest = byte; rest > 0; rest &= rest - 1) count++;
  return count;
}
