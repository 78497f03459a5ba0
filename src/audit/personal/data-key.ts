import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import { fewRandomBytes } from '../../platform/crypto/random-pool.js';

/** What is said of one person is encrypted with it. */
export interface DataKey {
  kid: string;
  key: KeyObject;
}

const NONCE = 12;
const TAG = 16;

/** Nonce, ciphertext, tag (AES-256-GCM), base64. Bound to the event, so that it says nothing in another. */
export function encrypt({ key }: DataKey, text: string, eventId: string): string {
  const nonce = fewRandomBytes(NONCE);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(eventId));
  return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64');
}

/** Throws when it was encrypted with another key or for another event, or altered. */
export function decrypt({ key }: DataKey, data: string, eventId: string): string {
  const bytes = Buffer.from(data, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE), { authTagLength: TAG });
  decipher.setAAD(Buffer.from(eventId)).setAuthTag(bytes.subarray(-TAG));
  return Buffer.concat([decipher.update(bytes.subarray(NONCE, -TAG)), decipher.final()]).toString('utf8');
}
