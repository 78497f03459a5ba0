import { hash, type KeyObject } from 'node:crypto';
import { HASH_BYTES, lies, sha256 } from './merkle.js';

const BLOCK = 64;

/** The key against each of the two constants, and room for what is hashed after it. */
interface Pads {
  inner: Buffer;
  outer: Buffer;
}

/**
 * MACs of leaves: HMAC-SHA-256 (RFC 2104), made with the first of the keys and by whichever they were made. In two one-shot hashes, as one is made
 * of every event and asked of every one there is.
 */
export class WriterMac {
  private readonly pads: Pads[];

  constructor(keys: readonly KeyObject[]) {
    this.pads = keys.map((key) => {
      const secret = key.export();
      const block = Buffer.alloc(BLOCK);
      (secret.length > BLOCK ? hash('sha256', secret, 'buffer') : secret).copy(block);
      return {
        inner: Buffer.concat([block.map((byte) => byte ^ 0x36), Buffer.alloc(HASH_BYTES)]),
        outer: Buffer.concat([block.map((byte) => byte ^ 0x5c), Buffer.alloc(HASH_BYTES)]),
      };
    });
  }

  of(leaf: Buffer): Buffer {
    const [first] = this.pads;
    if (!first) throw new Error('There is no key to write with.');
    return Buffer.from(macOf(first, leaf.toString('latin1')), 'latin1');
  }

  made(mac: Buffer, leaf: Buffer): boolean {
    return mac.length === HASH_BYTES && this.madeAt(mac, 0, leaf.toString('latin1'));
  }

  /** The same of the MAC that lies at a place of `bytes`, for a leaf as `sha256` gives it. */
  madeAt(bytes: Buffer, at: number, leaf: string): boolean {
    for (const pads of this.pads) if (lies(macOf(pads, leaf), bytes, at)) return true;
    return false;
  }
}

/** Of a leaf of 32 bytes, as characters of one byte each; so is the MAC. */
function macOf({ inner, outer }: Pads, leaf: string): string {
  inner.write(leaf, BLOCK, 'latin1');
  outer.write(sha256(inner), BLOCK, 'latin1');
  return sha256(outer);
}
