import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { KeyStore } from '../../platform/crypto/key-store.js';
import { type StoredSecret } from './key.js';

/** Equal to the digest of nothing. */
const NO_DIGEST = Buffer.alloc(32);

/**
 * Secrets of keys as they are stored: HMAC-SHA-256 under a pepper that is not in the database. A slow hash would add nothing: 238 random bits
 * are not guessed.
 */
@Injectable()
export class KeyDigests {
  constructor(private readonly keys: KeyStore) {}

  store(secret: string): StoredSecret {
    const { kid, key } = this.keys.peppers.signing;
    return { pepperKid: kid, digest: createHmac('sha256', key).update(secret).digest(), last4: secret.slice(-4) };
  }

  /** Whether the secret is the stored one; takes as long when there is none. */
  matches(secret: string, stored: Pick<StoredSecret, 'pepperKid' | 'digest'> | undefined): boolean {
    const known = stored && this.keys.peppers.byKid.get(stored.pepperKid);
    const digest = createHmac('sha256', known ?? this.keys.peppers.signing.key)
      .update(secret)
      .digest();
    return timingSafeEqual(digest, known ? stored.digest : NO_DIGEST) && known !== undefined;
  }

  /** Stored under a pepper that is not the first any more. */
  isOld({ pepperKid }: Pick<StoredSecret, 'pepperKid'>): boolean {
    return pepperKid !== this.keys.peppers.signing.kid;
  }

  /** What signs the tokens of a tenant key: gone with its digest. Undefined when the pepper is gone. */
  tokenKey({ pepperKid, digest }: Pick<StoredSecret, 'pepperKid' | 'digest'>): Buffer | undefined {
    const pepper = this.keys.peppers.byKid.get(pepperKid);
    return pepper && Buffer.from(hkdfSync('sha256', pepper, digest, 'cadastre tenant token', 32));
  }
}
