import { createHash, createHmac } from 'node:crypto';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { canonicalJson } from '../src/kernel/canonical-json.js';
import { loadConfig } from '../src/config/app-config.js';
import { type AuditEventPage } from '../src/audit/log/audit-event.dto.js';
import { Verifier } from '../src/audit/verification/verifier.js';
import { dataSourceOptions } from '../src/platform/database/data-source.js';
import { Migrator } from '../src/platform/database/migrator.js';
import { allSealed, record, sharedKeys } from './support/sealed-log.js';
import { asRole } from './support/sign-in.js';
import { startTestApp } from './support/test-app.js';
import { createTestDatabase, type TestDatabase } from './support/test-database.js';

const EVENTS = '/api/v1/audit/events';
const FILED = 2000;
const WAITING = 100;
/** Before persons were encrypted, words found otherwise and events dated. */
const BEFORE = 'EncryptAudit1793000000780';
const keys = sharedKeys();

interface OldEvent {
  id: string;
  payload: string;
  leaf: Buffer;
  mac: Buffer;
}

/** As it was written then: with the names in it. */
function oldEvent(n: number): OldEvent {
  const id = uuidv7({ msecs: Date.now() - 3_600_000 + n });
  const payload = canonicalJson({
    v: 1,
    id,
    at: new Date(Date.now() - 3_600_000 + n).toISOString(),
    actor: { kind: 'user', id: `actor-${n % 5}`, name: `operator-${n % 5}` },
    action: 'allocation.created',
    category: 'ipam',
    severity: 'info',
    outcome: 'success',
    flags: [],
    resource: { type: 'allocation', id: `allocation-${n}`, name: `host${n}.example.net` },
    request: { clientIp: '192.0.2.7', method: 'POST', route: '/api/v1/ipam/allocations' },
    detail: { rack: `rack-${n % 40}` },
  });
  const leaf = createHash('sha256').update('\0').update(payload).digest();
  return { id, payload, leaf, mac: createHmac('sha256', Buffer.from(keys.CADASTRE_AUDIT_KEY, 'base64url')).update(leaf).digest() };
}

/** As the owner of the schema. */
async function migrating<T>(database: TestDatabase, work: (migrator: Migrator) => Promise<T>): Promise<T> {
  const schema = new DataSource(dataSourceOptions(loadConfig({}), database.ownerUrl));
  await schema.initialize();
  try {
    return await work(new Migrator(schema));
  } finally {
    await schema.destroy();
  }
}

describe('a trail that was written by an earlier version', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
    const states = await migrating(database, (migrator) => migrator.states());
    const newer = states.length - states.findIndex(({ name }) => name === BEFORE);
    await migrating(database, (migrator) => migrator.down(newer));
  });

  afterAll(() => database.drop());

  it('A3, A11, C2: is upgraded with all that is in it, found by its words and names, sealed and sound', async () => {
    const old = new Client(database.url);
    await old.connect();
    const events = Array.from({ length: FILED + WAITING }, (_, n) => oldEvent(n));
    const write = (some: readonly OldEvent[]): Promise<unknown> =>
      old.query(
        `INSERT INTO audit_inbox (id, class, payload, leaf, emit_mac) SELECT u.id, 3, u.payload, u.leaf, u.mac
           FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::bytea[]) AS u (id, payload, leaf, mac)`,
        [some.map(({ id }) => id), some.map(({ payload }) => payload), some.map(({ leaf }) => leaf), some.map(({ mac }) => mac)],
      );
    await write(events.slice(0, FILED));
    for (let filed = 0; filed < FILED;) {
      const { rows } = await old.query<{ n: number }>('SELECT coalesce(sum(f.events), 0)::int AS n FROM audit_file(500) f');
      filed += rows[0]!.n;
    }
    await write(events.slice(FILED));
    await old.end();

    expect(await migrating(database, (migrator) => migrator.up())).toContain(BEFORE);
    const t = await startTestApp(keys, database);
    try {
      await record(t, 'ipam', 5);
      await allSealed(t);
      expect(await t.app.get(Verifier).verify({ anchors: null })).toMatchObject({ result: 'sound', findings: [] });
      const [log] = await t.sql<{ n: number; seqs: string }>(
        `SELECT count(*)::int AS n, max(seq) - min(seq) + 1 AS seqs FROM audit_log WHERE class = 3 AND action IN ('allocation.created', 'test.sealed')`,
      );
      expect(log).toEqual({ n: events.length + 5, seqs: String(events.length + 5) });
      const auditor = await asRole(t, 'auditor');
      const found = async (question: string): Promise<AuditEventPage> =>
        (await auditor.get(`${EVENTS}?${question}`).expect(200)).body as AuditEventPage;
      const byWord = await found(`text=host${FILED - 1}`);
      expect(byWord.items.map(({ resource }) => resource?.id)).toEqual([`allocation-${FILED - 1}`]);
      expect((await found('text=rack-7+host47')).items.map(({ actor }) => actor.name)).toEqual(['operator-2']);
      const byName = await found('actorName=Operator-3&clientAddress=192.0.2.0/24&limit=50');
      expect(byName.items).toHaveLength(50);
      for (const { actor } of byName.items) expect(actor).toMatchObject({ id: 'actor-3', name: 'operator-3' });
      const last = byWord.items[0]!;
      await auditor.get(`/api/v1/audit/events/${last.id}/proof`).expect(200);
    } finally {
      await t.close();
    }
  });
});
