import { createHash, createHmac, createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { AuditTrail, INSERT_EVENTS } from '../../src/audit/trail/audit-trail.js';
import { type AuditCategory } from '../../src/audit/trail/audit-event.js';
import { canonicalJson } from '../../src/kernel/canonical-json.js';
import { KeyStore } from '../../src/platform/crypto/key-store.js';
import { UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { allFiled } from './audit-events.js';
import { eventually } from './eventually.js';
import { type TestApp } from './test-app.js';
import { type TestDatabase } from './test-database.js';

const MANY = 10_000;
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

/** So many events with a MAC of this instance, past the trail, which would take minutes for a hundred thousand. */
export async function recordMany(t: TestApp, count: number): Promise<void> {
  const { auditWriter } = t.app.get(KeyStore);
  const work = t.app.get(UnitOfWork);
  for (let done = 0; done < count; done += MANY) {
    const events = Array.from({ length: Math.min(MANY, count - done) }, (_, i) => {
      const id = uuidv7();
      const payload = canonicalJson({
        v: 1,
        id,
        at: new Date().toISOString(),
        actor: { kind: 'user', id: `user-${i % 7}`, name: 'somebody' },
        action: 'test.sealed',
        category: 'ipam',
        severity: 'info',
        outcome: 'success',
        flags: [],
        resource: { type: 'thing', id: `thing-${done + i}` },
      });
      const leaf = createHash('sha256').update('\0').update(payload).digest();
      return { id, payload, leaf, mac: createHmac('sha256', auditWriter).update(leaf).digest() };
    });
    await work.query(INSERT_EVENTS, [
      events.map(({ id }) => id),
      events.map(() => 3),
      events.map(({ payload }) => payload),
      events.map(({ leaf }) => leaf),
      events.map(({ mac }) => mac),
    ]);
  }
}
