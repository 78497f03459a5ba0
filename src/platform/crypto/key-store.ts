import { createPrivateKey, createPublicKey, createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../config/app-config.js';

/** Keys by `kid`: the first one signs or seals, all of them verify or open. */
export interface KeyRing {
  signing: { kid: string; key: KeyObject };
  byKid: ReadonlyMap<string, KeyObject>;
}

/** An Ed25519 key; `publicKey` is its 32 bytes. */
export interface SigningKey {
  kid: string;
  key: KeyObject;
  publicKey: Buffer;
}

/** Secret keys from the environment, or made once and kept in the var folder, readable by their owner alone. */
@Injectable()
export class KeyStore {
  readonly jwt: KeyRing;
  /** For what is stored encrypted; 32 bytes each. */
  readonly secrets: KeyRing;
  /** API keys are stored as their HMAC under one of these. */
  readonly peppers: KeyRing;
  /** Authenticates what this program wrote to the audit trail: the first of `auditWriters`. */
  readonly auditWriter: KeyObject;
  /** All of them tell whether this program wrote an event. */
  readonly auditWriters: readonly KeyObject[];
  /** Sign the checkpoints of the audit log; the first is the one to use. */
  readonly auditSigners: readonly SigningKey[];

  constructor(config: AppConfig) {
    const folder = path.join(config.varDirectory, 'keys');
    this.jwt = ringOf(config.auth.jwtKeys ?? kept(folder, 'access-token', newPair));
    this.secrets = ringOf(config.auth.secretKeys ?? kept(folder, 'secrets', newPair));
    this.peppers = ringOf(config.auth.pepperKeys ?? kept(folder, 'api-key-pepper', newPair));
    const writers = config.audit.key ?? kept(folder, 'audit-writer', () => randomBytes(32).toString('base64url'));
    this.auditWriters = writers.split(',').map((key) => createSecretKey(Buffer.from(key, 'base64url')));
    this.auditWriter = first(this.auditWriters);
    this.auditSigners = signersOf(config.audit.signingKeys ?? kept(folder, 'audit-signing', newPair));
  }
}

function newPair(): string {
  return `${randomBytes(4).toString('hex')}:${randomBytes(32).toString('base64url')}`;
}

/** From `kid:base64url` pairs joined by commas. */
function ringOf(text: string): KeyRing {
  const pairs = text.split(',').map((pair) => {
    const [kid = '', key = ''] = pair.split(':');
    // A KeyObject, not its bytes: jsonwebtoken verifies fifty times slower with the latter.
    return [kid, createSecretKey(Buffer.from(key, 'base64url'))] as const;
  });
  const [first] = pairs;
  if (!first) throw new Error('The key ring is empty.');
  return { signing: { kid: first[0], key: first[1] }, byKid: new Map(pairs) };
}

/** An Ed25519 seed in the form that OpenSSL reads (RFC 8410 §7), but for the seed. */
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** From `kid:base64url` pairs of 32-byte seeds joined by commas. */
function signersOf(text: string): SigningKey[] {
  return text.split(',').map((pair) => {
    const [kid = '', seed = ''] = pair.split(':');
    const key = createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, Buffer.from(seed, 'base64url')]), format: 'der', type: 'pkcs8' });
    return { kid, key, publicKey: createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32) };
  });
}

function first<T>(list: readonly T[]): T {
  const [one] = list;
  if (one === undefined) throw new Error('The key ring is empty.');
  return one;
}

/** The file's text; made first when absent. Two processes that start at once end up with the same one. */
function kept(folder: string, name: string, make: () => string): string {
  const file = path.join(folder, name);
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const draft = `${file}.${randomBytes(4).toString('hex')}`;
    writeFileSync(draft, make(), { mode: 0o600, flag: 'wx' });
    try {
      linkSync(draft, file);
    } catch (error) {
      if (!existsSync(file)) throw error;
    } finally {
      rmSync(draft);
    }
  }
  chmodSync(file, 0o600);
  return readFileSync(file, 'utf8').trim();
}
