import { hash, type KeyObject } from 'node:crypto';

const BLOCK = 64;
const HASH_BYTES = 32;

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
    return this.pads.some(({ inner, outer }) => {
      leaf.copy(inner, BLOCK);
      hash('sha256', inner, 'buffer').copy(outer, BLOCK);
      return hash('sha256', outer, 'buffer').equals(mac);
    });
  }
}
