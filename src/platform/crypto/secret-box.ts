import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { KeyStore } from './key-store.js';

const NONCE = 12;
const TAG = 16;

/**
 * Secrets that have to be read again, such as a connector's password: AES-256-GCM under a key that is not in the database. `purpose` is bound
 * to the secret, so that a row cannot be made to serve another purpose than it was sealed for.
 */
@Injectable()
export class SecretBox {
  constructor(private readonly keys: KeyStore) {}

  /** Length and name of the key, nonce, ciphertext, tag. */
  seal(secret: string, purpose: string): Buffer {
    const { kid, key } = this.keys.secrets.signing;
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(purpose));
    const name = Buffer.from(kid);
    return Buffer.concat([Buffer.of(name.length), name, nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  }

  /** Throws when the key is gone, the purpose another, or a byte was changed. */
  open(sealed: Buffer, purpose: string): string {
    const body = 1 + (sealed[0] ?? 0);
    const kid = sealed.toString('utf8', 1, body);
    const key = this.keys.secrets.byKid.get(kid);
    if (!key) throw new Error(`A secret was sealed under the key ${kid}, which is not in CADASTRE_SECRET_KEYS.`);
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(body, body + NONCE), { authTagLength: TAG });
    decipher.setAAD(Buffer.from(purpose)).setAuthTag(sealed.subarray(-TAG));
    return Buffer.concat([decipher.update(sealed.subarray(body + NONCE, -TAG)), decipher.final()]).toString('utf8');
  }
}
