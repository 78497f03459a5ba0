import { createHash, createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { AuditTrail } from '../../src/audit/trail/audit-trail.js';
import { type AuditCategory } from '../../src/audit/trail/audit-event.js';
import { KeyStore } from '../../src/platform/crypto/key-store.js';
import { UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { allFiled } from './audit-events.js';
import { eventually } from './eventually.js';
import { type TestApp } from './test-app.js';
import { type TestDatabase } from './test-database.js';

/** Events in one transaction. */
const MANY = 50_000;
const HMAC_BLOCK = 64;
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');

const key = (): string => randomBytes(32).toString('base64url');

/** Keys that two instances of one installation share. */
export function sharedKeys(): { CADASTRE_AUDIT_KEY: string; CADASTRE_AUDIT_SIGNING_KEYS: string } {
  return { CADASTRE_AUDIT_KEY: key(), CADASTRE_AUDIT_SIGNING_KEYS: `a:${key()}` };
}

/** A signing key whose public key, in base64, has pluses in it, which also part the fields of the C2SP form of a key. */
export function aSigningKeyWithPluses(kid: string): string {
  for (;;) {
    const seed = randomBytes(32);
    const publicKey = createPublicKey(createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: 'der', type: 'pkcs8' }));
    if (publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64').split('+').length > 2)
      return `${kid}:${seed.toString('base64url')}`;
  }
}

export function aSigningKey(kid: string): string {
  return `${kid}:${key()}`;
}

/** So many events of one category, committed in groups. */
export async function record(t: TestApp, category: AuditCategory, count: number, at = 200): Promise<void> {
  const trail = t.app.get(AuditTrail);
  for (let done = 0; done < count; done += at)
    await t.app.get(UnitOfWork).run(async () => {
      for (let n = done; n < Math.min(done + at, count); n++)
        await trail.record({ action: 'test.sealed', category, resource: { type: 'thing', id: `thing-${n}` }, detail: { n } });
    });
}

/** Waits until every event that was written has its place under a checkpoint, and every checkpoint its anchor. */
export async function allSealed(t: TestApp): Promise<void> {
  await allFiled(t);
  await eventually(async () => {
    const behind = await t.sql(
      `SELECT FROM audit_heads h WHERE h.size > coalesce((SELECT max(c.size) FROM audit_checkpoint c WHERE c.class = h.class), 0)
       UNION ALL
       SELECT FROM audit_checkpoint c
        WHERE c.number > coalesce((SELECT a.number FROM audit_anchoring a WHERE a.class = c.class AND a.anchor = 'file'), -1)`,
    );
    return behind.length === 0;
  }, 30_000);
}

/** Does something as a superuser who switches every trigger off. */
export async function asAttacker(database: TestDatabase, ...statements: string[]): Promise<void> {
  const client = new Client(database.adminUrl);
  await client.connect();
  try {
    await client.query('SET session_replication_role = replica');
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

/** SQL for the MAC that a writer with this key, base64url, gives to the leaf that is the SQL `leaf`. */
export function macBy(writerKey: string, leaf: string): string {
  const [inner, outer] = padsOf(Buffer.from(writerKey, 'base64url')).map((pad) => `'\\x${pad.toString('hex')}'::bytea`);
  return `sha256(${outer} || sha256(${inner} || ${leaf}))`;
}

/** So many events with a MAC of this instance, past the trail, which would take minutes for a hundred thousand: made by the database, as sets. */
export async function recordMany(t: TestApp, count: number): Promise<void> {
  const [inner, outer] = padsOf(t.app.get(KeyStore).auditWriter.export());
  for (let done = 0; done < count; done += MANY)
    await t.app.get(UnitOfWork).query(
      `WITH named AS MATERIALIZED (
         SELECT n, uuidv7() AS id FROM generate_series($1::int, $2::int) n
       ), said AS MATERIALIZED (
         SELECT id, format('{"action":"test.sealed","actor":{"id":"user-%s","kind":"user","name":"somebody"},"at":"%s","category":"ipam","flags":[],'
                           || '"id":"%s","outcome":"success","resource":{"id":"thing-%s","type":"thing"},"severity":"info","v":1}',
                           n % 7, $3::text, id, n) AS payload
           FROM named
       ), hashed AS MATERIALIZED (
         SELECT id, payload, sha256('\\x00'::bytea || convert_to(payload, 'UTF8')) AS leaf FROM said
       )
       INSERT INTO audit_inbox (id, class, payload, leaf, emit_mac)
       SELECT id, 3, payload, leaf, sha256($5::bytea || sha256($4::bytea || leaf)) FROM hashed`,
      [done, Math.min(done + MANY, count) - 1, new Date().toISOString(), inner, outer],
    );
}

/** The key as HMAC puts it before what it hashes (RFC 2104), inside and outside. */
function padsOf(key: Buffer): [Buffer, Buffer] {
  const fitting = key.length > HMAC_BLOCK ? createHash('sha256').update(key).digest() : key;
  const block = Buffer.concat([fitting], HMAC_BLOCK);
  return [Buffer.from(block.map((byte) => byte ^ 0x36)), Buffer.from(block.map((byte) => byte ^ 0x5c))];
}
