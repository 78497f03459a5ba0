import { hash, type KeyObject } from 'node:crypto';
import { HASH_BYTES, lies, sha256 } from './merkle.js';

const BLOCK = 64;

/** Tells whether one of these keys made a MAC: HMAC-SHA-256 (RFC 2104) of a leaf. In two one-shot hashes, as it is asked of every event there is. */
export class WriterMac {
  private readonly pads: { inner: Buffer; outer: Buffer }[];

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

  made(mac: Buffer, leaf: Buffer): boolean {
    return mac.length === HASH_BYTES && this.madeAt(mac, 0, leaf.toString('latin1'));
  }

  /** The same of the MAC that lies at a place of `bytes`, for a leaf as `sha256` gives it. */
  madeAt(bytes: Buffer, at: number, leaf: string): boolean {
    for (const { inner, outer } of this.pads) {
      inner.write(leaf, BLOCK, 'latin1');
      outer.write(sha256(inner), BLOCK, 'latin1');
      if (lies(sha256(outer), bytes, at)) return true;
    }
    return false;
  }
}
