import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { type Finding } from '../src/audit/verification/finding.js';
import { SealingSettings } from '../src/audit/sealing/sealing-settings.js';
import { type VerificationOptions, type VerificationReport, Verifier } from '../src/audit/verification/verifier.js';
import { beginSnapshot } from '../src/audit/verification/snapshot.js';
import { eventually } from './support/eventually.js';
import { allSealed, asAttacker, record, recordMany, sharedKeys } from './support/sealed-log.js';
import { asRole } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { copyTestDatabase, createTestDatabase, type TestDatabase } from './support/test-database.js';

/** Enough for full tiles and a part of one. */
const EVENTS = 700;

type Change = string;

const row = (seq: number): string => `WHERE class = 3 AND seq = ${seq}`;
const swap = (a: number, b: number): Change[] => [
  `UPDATE audit_log SET seq = -1 ${row(a)}`,
  `UPDATE audit_log SET seq = ${a} ${row(b)}`,
  `UPDATE audit_log SET seq = ${b} ${row(-1)}`,
];

/** Cuts every log, or one, back to its checkpoint so-and-so, with everything that belongs to it. */
const cutTo = (kept: number, logs = 'true'): Change[] => [
  `CREATE TEMP TABLE kept AS SELECT class, number, size, at FROM audit_checkpoint WHERE number = ${kept} AND ${logs}`,
  `DELETE FROM audit_checkpoint c USING kept k WHERE c.class = k.class AND c.number > k.number`,
  `DELETE FROM audit_log l USING kept k WHERE l.class = k.class AND l.seq >= k.size`,
  `DELETE FROM audit_tile t USING kept k WHERE t.class = k.class AND (t.n + 1) * 256 ^ (t.level + 1) > k.size`,
  `UPDATE audit_heads h SET size = k.size FROM kept k WHERE h.class = k.class`,
  `DELETE FROM audit_period p USING kept k WHERE p.class = k.class AND k.size = 0`,
  `UPDATE audit_period p SET last_seq = k.size - 1, rows = k.size FROM kept k WHERE p.class = k.class`,
  'TRUNCATE audit_inbox',
];

describe('a superuser of the database', () => {
  const keys = sharedKeys();
  let anchors: string;
  let original: TestDatabase;
  /** Has the keys of the installation, and a database of its own that is not looked at. */
  let onlooker: TestApp;

  beforeAll(async () => {
    anchors = await mkdtemp(path.join(tmpdir(), 'cadastre-anchors-'));
    await chmod(anchors, 0o755);
    original = await createTestDatabase();
    const t = await startTestApp({ ...keys, CADASTRE_AUDIT_ANCHOR_DIR: anchors }, original);
    await record(t, 'ipam', EVENTS - 100);
    await allSealed(t);
    await record(t, 'ipam', 60);
    await record(t, 'access', 20);
    await allSealed(t);
    await record(t, 'ipam', 40);
    await allSealed(t);
    await metaKnowsAll(t);
    await t.close();
    onlooker = await startTestApp({ ...keys, CADASTRE_JOBS: 'false' });
  });

  afterAll(async () => {
    await onlooker.close();
    await original.drop();
    await rm(anchors, { recursive: true, force: true });
  });

  /** What a verification says after these changes, which are taken back again. */
  async function after(changes: readonly Change[], options: VerificationOptions = {}): Promise<VerificationReport> {
    const client = new Client(original.adminUrl);
    await client.connect();
    try {
      await client.query(`BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL TimeZone = 'UTC'`);
      for (const change of changes) await client.query(change);
      return await onlooker.app.get(Verifier).verifyOn(client, { anchors, ...options });
    } finally {
      await client.end();
    }
  }

  /** What it says of another database. */
  async function verified(database: TestDatabase, options: VerificationOptions = {}): Promise<VerificationReport> {
    const client = new Client(database.adminUrl);
    await client.connect();
    try {
      await beginSnapshot(client);
      return await onlooker.app.get(Verifier).verifyOn(client, { anchors, ...options });
    } finally {
      await client.end();
    }
  }

  const first = ({ result, findings }: VerificationReport): Partial<Finding> & { result: string } => {
    const { code, seq, log } = findings[0] ?? {};
    return { result, code, seq, log };
  };

  it('A4: who changes nothing gives no false alarm', async () => {
    const report = await after([]);
    expect({ result: report.result, findings: report.findings }).toEqual({ result: 'sound', findings: [] });
    expect(report.logs.find(({ log }) => log === 'ipam')).toMatchObject({ size: EVENTS, events: EVENTS, unsealed: 0 });
    expect(report.anchors).toBeGreaterThan(8);
  });

  const payload = `payload = replace(payload, '"thing-', '"thinq-')`;
  const leaf = `leaf = sha256('\\x00'::bytea || convert_to(replace(payload, '"thing-', '"thinq-'), 'UTF8'))`;

  it.each<[string, Change[], string, number]>([
    ['edits a payload', [`UPDATE audit_log SET ${payload} ${row(300)}`], 'payload_altered', 300],
    ['edits the first event', [`UPDATE audit_log SET ${payload} ${row(0)}`], 'payload_altered', 0],
    ['edits the last event', [`UPDATE audit_log SET ${payload} ${row(EVENTS - 1)}`], 'payload_altered', EVENTS - 1],
    ['edits a payload and its hash', [`UPDATE audit_log SET ${payload}, ${leaf} ${row(300)}`], 'writer_unknown', 300],
    ['edits who did it', [`UPDATE audit_log SET actor_id = 'somebody else' ${row(301)}`], 'column_altered', 301],
    ['edits when it happened', [`UPDATE audit_log SET occurred_at = occurred_at - interval '1 day' ${row(301)}`], 'column_altered', 301],
    ['edits a flag', [`UPDATE audit_log SET flags = '{forged}' ${row(301)}`], 'column_altered', 301],
    ['edits an id', [`UPDATE audit_log SET id = uuidv7() ${row(301)}`], 'column_altered', 301],
    ['deletes an event', [`DELETE FROM audit_log ${row(302)}`], 'event_missing', 302],
    ['deletes the first', [`DELETE FROM audit_log ${row(0)}`], 'event_missing', 0],
    [
      'deletes one and closes the gap',
      [
        `DELETE FROM audit_log ${row(302)}`,
        'UPDATE audit_log SET seq = seq - 1 WHERE class = 3 AND seq > 302',
        'UPDATE audit_heads SET size = size - 1 WHERE class = 3',
      ],
      'event_altered',
      302,
    ],
    [
      'inserts a copy',
      [
        `INSERT INTO audit_log SELECT (l).* FROM (SELECT l FROM audit_log l ${row(303)}) x ON CONFLICT DO NOTHING`,
        `INSERT INTO audit_log SELECT (jsonb_populate_record(l, jsonb_build_object('sealed_at', l.sealed_at + interval '1 microsecond'))).* FROM audit_log l ${row(303)}`,
      ],
      'event_inserted',
      303,
    ],
    [
      'appends an event',
      [
        `INSERT INTO audit_log SELECT (jsonb_populate_record(l, jsonb_build_object('seq', ${EVENTS}, 'sealed_at', clock_timestamp()))).* FROM audit_log l ${row(303)}`,
      ],
      'event_inserted',
      EVENTS,
    ],
    ['swaps two events', swap(304, 305), 'order_altered', 304],
    ['swaps two events at the end', swap(604, 605), 'order_altered', 605],
    [
      'swaps what two events say',
      [
        'WITH a AS (SELECT * FROM audit_log WHERE class = 3 AND seq IN (310, 311)) UPDATE audit_log l SET id = a.id, xid = a.xid, payload = a.payload, leaf = a.leaf, emit_mac = a.emit_mac, occurred_at = a.occurred_at, resource_id = a.resource_id FROM a WHERE l.class = 3 AND l.seq IN (310, 311) AND a.seq = 621 - l.seq',
      ],
      'event_altered',
      310,
    ],
    ['moves an event in time', [`UPDATE audit_log SET sealed_at = sealed_at + interval '1 second' ${row(300)}`], 'event_missing', 300],
  ])('A4: who %s is found', async (_what, changes, code, seq) => {
    const report = await after(changes);
    expect(report.findings.map((f) => f.code)).toContain(code);
    expect(first(report)).toEqual({ result: 'tampered', code: expect.any(String) as string, seq, log: 'ipam' });
  });

  it.each<[string, Change[], string]>([
    [
      'a tile',
      ['UPDATE audit_tile SET hashes = overlay(hashes PLACING sha256($$x$$) FROM 33) WHERE class = 3 AND level = 0 AND n = 1'],
      'tile_altered',
    ],
    ['the list of tiles', ['DELETE FROM audit_tile WHERE class = 3 AND n = 1'], 'tile_altered'],
    ['a checkpoint’s size', ['UPDATE audit_checkpoint SET size = size - 1 WHERE class = 3 AND number = 2'], 'checkpoint_altered'],
    [
      'a checkpoint’s note',
      [`UPDATE audit_checkpoint SET note = replace(note, 'epoch 0', 'epoch 1') WHERE class = 3 AND number = 2`],
      'checkpoint_altered',
    ],
    ['the list of checkpoints', ['DELETE FROM audit_checkpoint WHERE class = 3 AND number = 1'], 'checkpoint_missing'],
    ['the months', ['UPDATE audit_period SET first_seq = 1, rows = rows - 1 WHERE class = 3'], 'period_altered'],
  ])('A4: who edits %s is found', async (_what, changes, code) => {
    expect(first(await after(changes))).toMatchObject({ result: 'tampered', code, log: 'ipam' });
  });

  it('A4: who rewrites an event, its hash and the tile is betrayed by the root', async () => {
    const report = await after([
      `UPDATE audit_log SET ${payload}, ${leaf} ${row(300)}`,
      `UPDATE audit_tile t SET hashes = overlay(t.hashes PLACING l.leaf FROM (300 - 256) * 32 + 1) FROM audit_log l WHERE l.class = 3 AND l.seq = 300 AND t.class = 3 AND t.level = 0 AND t.n = 1`,
    ]);
    expect(first(report)).toMatchObject({ result: 'tampered', seq: 300 });
    expect(report.findings.map(({ code }) => code)).toContain('root_differs');
  });

  it('A4: who cuts the tail of one log is betrayed by its checkpoints, and by the other logs', async () => {
    const rows = [`DELETE FROM audit_log WHERE class = 3 AND seq >= 600`];
    expect(first(await after(rows, { anchors: null }))).toEqual({ result: 'tampered', code: 'event_missing', seq: 600, log: 'ipam' });
  });

  it('A4: who cuts one log with its checkpoints is betrayed by the log meta, for whoever asks it', async () => {
    const cut = cutTo(1, 'class = 3');
    expect(first(await after(cut, { anchors: null }))).toMatchObject({ result: 'tampered', code: 'checkpoint_missing', log: 'ipam' });
    expect(first(await after(cut, { anchors: null, log: 'ipam' }))).toMatchObject({ result: 'sound' });
  });

  it('A4: who cuts every log cleanly shows nothing by the database alone, and is betrayed by what was anchored', async () => {
    expect(first(await after(cutTo(0), { anchors: null }))).toMatchObject({ result: 'sound' });
    const report = await after(cutTo(0));
    expect(report.result).toBe('incomplete');
    expect(new Set(report.findings.map(({ code }) => code))).toEqual(new Set(['anchor_newer']));
  });

  it('A4: who signs everything anew with a key of his own is found', async () => {
    const mine = {
      ...sharedKeys(),
      CADASTRE_AUDIT_KEY: keys.CADASTRE_AUDIT_KEY,
      CADASTRE_AUDIT_ANCHOR_DIR: path.join(anchors, '..', 'nowhere'),
    };
    const copy = await copyTestDatabase(original);
    await asAttacker(
      copy,
      'TRUNCATE audit_checkpoint, audit_tile, audit_key, audit_anchoring',
      `UPDATE audit_log SET ${payload}, ${leaf} ${row(300)}`,
      'UPDATE audit_heads SET heartbeat_at = NULL',
    );
    const forger = await startTestApp({ ...mine, CADASTRE_VAR_DIR: path.join(anchors, '..', 'forger') }, copy);
    await allSealed(forger);
    await forger.close();
    try {
      const report = await verified(copy, { anchors: null });
      expect(first(report)).toMatchObject({ result: 'tampered', code: 'key_unknown' });
      expect((await verified(copy)).findings.map(({ code }) => code)).toContain('forked');
    } finally {
      await copy.drop();
      await rm(path.join(anchors, '..', 'forger'), { recursive: true, force: true });
      await rm(path.join(anchors, '..', 'nowhere'), { recursive: true, force: true });
    }
  });

  it('A4: an old copy that is put in place of the database is found by what was anchored since', async () => {
    const old = await copyTestDatabase(original);
    const later = await copyTestDatabase(original);
    const folder = await mkdtemp(path.join(tmpdir(), 'cadastre-anchors-'));
    try {
      const t = await startTestApp({ ...keys, CADASTRE_AUDIT_ANCHOR_DIR: folder }, later);
      await record(t, 'ipam', 10);
      await allSealed(t);
      await t.close();
      expect(first(await verified(later, { anchors: folder }))).toMatchObject({ result: 'sound' });
      expect(first(await verified(old, { anchors: folder }))).toMatchObject({ result: 'incomplete', code: 'anchor_newer' });
      const goesOn = await startTestApp({ ...keys, CADASTRE_LOG_LEVEL: 'error', CADASTRE_AUDIT_ANCHOR_DIR: folder }, old);
      await record(goesOn, 'ipam', 3);
      await allSealed(goesOn);
      await goesOn.close();
      expect((await verified(old, { anchors: folder })).findings.map(({ code }) => code)).toContain('forked');
    } finally {
      await old.drop();
      await later.drop();
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('A4, A20: an event that was altered or forged before it was sealed is sealed as it is, named, and holds up nothing', async () => {
    const copy = await copyTestDatabase(original);
    const t = await startTestApp({ ...keys }, copy);
    try {
      const holder = new Client(copy.adminUrl);
      await holder.connect();
      await holder.query('BEGIN; SELECT FROM audit_heads FOR UPDATE');
      await record(t, 'ipam', 5);
      await asAttacker(
        copy,
        `UPDATE audit_inbox SET ${payload} WHERE payload LIKE '%"n":1}%' AND class = 3`,
        `INSERT INTO audit_inbox (id, class, payload, leaf, emit_mac) SELECT uuidv7(), 3, p, sha256('\\x00'::bytea || convert_to(p, 'UTF8')), sha256('x')
           FROM (SELECT replace(payload, 'test.sealed', 'test.forged') AS p FROM audit_inbox WHERE payload LIKE '%"n":2}%' LIMIT 1) f`,
        `INSERT INTO audit_inbox (id, class, payload, leaf, emit_mac) VALUES (uuidv7(), 3, 'no json', sha256('x'), sha256('x'))`,
      );
      await holder.end();
      await allSealed(t);
      const quarantined = await t.sql<{ seq: string; reason: string }>('SELECT seq, reason FROM audit_quarantine ORDER BY seq');
      expect(quarantined.map(({ reason }) => reason).sort()).toEqual(['leaf', 'leaf', 'writer']);
      expect(await t.sql(`SELECT FROM audit_events WHERE action = 'audit.quarantined'`)).toHaveLength(1);
      const auditor = await asRole(t, 'auditor');
      const { body } = (await auditor.get('/api/v1/audit/events?action=test.forged').expect(200)) as { body: unknown };
      expect(body).toMatchObject({ items: [{ filed: true, quarantined: 'writer' }] });
      await allSealed(t);
      const report = await t.app.get(Verifier).verify({ anchors: null });
      expect([...new Set(report.findings.map(({ seq }) => seq))]).toEqual(quarantined.map(({ seq }) => Number(seq)));
      expect(first(report)).toMatchObject({ result: 'tampered', code: 'payload_altered', log: 'ipam' });
    } finally {
      await t.close();
      await copy.drop();
    }
  });

  it('A4: a dropped month is told from a theft of single events', async () => {
    const copy = await copyTestDatabase(original);
    try {
      const t = await startTestApp({ ...keys }, copy);
      await asAttacker(copy, `UPDATE audit_heads SET last_sealed_at = date_trunc('month', now()) + interval '1 month 1 day'`);
      await record(t, 'ipam', 10);
      await allSealed(t);
      expect((await t.app.get(Verifier).verify({ anchors: null })).findings).toEqual([]);
      const [closed] = await t.sql<{ month: string; root: Buffer | null; state: string }>(
        `SELECT to_char(period, 'YYYY_MM') AS month, root, state FROM audit_period WHERE class = 3 ORDER BY period LIMIT 1`,
      );
      expect(closed).toMatchObject({ state: 'closed', root: expect.any(Buffer) as Buffer });
      expect(await t.sql(`SELECT FROM audit_events WHERE action = 'audit.period_closed' AND resource_id LIKE 'ipam/%'`)).toHaveLength(1);
      await asAttacker(copy, `DROP TABLE audit_log_ipam_${closed!.month}`);
      expect(first(await t.app.get(Verifier).verify({ anchors: null }))).toEqual({
        result: 'incomplete',
        code: 'period_missing',
        seq: 0,
        log: 'ipam',
      });
      await t.close();
    } finally {
      await copy.drop();
    }
  });

  it('A4: part of the log can be verified by itself; the rest is taken from the tiles', async () => {
    const change = [`UPDATE audit_log SET ${payload} ${row(10)}`];
    const future = new Date('2999-01-01T00:00:00Z');
    expect(first(await after(change, { log: 'ipam', from: future }))).toMatchObject({ result: 'sound' });
    expect(first(await after(change, { log: 'access' }))).toMatchObject({ result: 'sound' });
    expect(first(await after(change, { log: 'ipam', to: future }))).toMatchObject({ result: 'tampered', seq: 10 });
  });
});

/** Waits until the log meta says of the newest checkpoint of every other log which it is. */
async function metaKnowsAll(t: TestApp): Promise<void> {
  const settings = t.app.get(SealingSettings);
  settings.heartbeatSeconds = 0;
  await eventually(async () => {
    const unknown = await t.sql(
      `SELECT FROM audit_heads h
        WHERE h.class <> 0
          AND (SELECT max(c.number)::text FROM audit_checkpoint c WHERE c.class = h.class) IS DISTINCT FROM
              (SELECT l.payload::jsonb #>> ARRAY['detail', 'heads', h.name, 'number'] FROM audit_log l
                WHERE l.class = 0 AND l.action = 'audit.checkpointed' ORDER BY l.seq DESC LIMIT 1)`,
    );
    return unknown.length === 0;
  }, 30_000);
  settings.heartbeatSeconds = 60;
  await allSealed(t);
}

describe('a log of a hundred thousand events', () => {
  const SIZE = 100_000;
  const keys = sharedKeys();
  let anchors: string;
  let original: TestDatabase;
  let onlooker: TestApp;

  beforeAll(async () => {
    anchors = await mkdtemp(path.join(tmpdir(), 'cadastre-anchors-'));
    original = await createTestDatabase();
    const t = await startTestApp({ ...keys, CADASTRE_AUDIT_ANCHOR_DIR: anchors }, original);
    await recordMany(t, SIZE);
    await eventually(async () => (await t.sql('SELECT FROM audit_inbox LIMIT 1')).length === 0, 200_000);
    await allSealed(t);
    await t.close();
    onlooker = await startTestApp({ ...keys, CADASTRE_JOBS: 'false' });
  }, 240_000);

  afterAll(async () => {
    await onlooker.close();
    await original.drop();
    await rm(anchors, { recursive: true, force: true });
  });

  async function after(...changes: Change[]): Promise<VerificationReport> {
    const client = new Client(original.adminUrl);
    await client.connect();
    try {
      await client.query(`BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL TimeZone = 'UTC'`);
      for (const change of changes) await client.query(change);
      return await onlooker.app.get(Verifier).verifyOn(client, { log: 'ipam', anchors });
    } finally {
      await client.end();
    }
  }

  it('A4: is sound as it is, and of one altered event the verifier names that one', async () => {
    const report = await after();
    expect(report).toMatchObject({ result: 'sound', findings: [], logs: [{ size: SIZE, events: SIZE, unsealed: 0 }] });
    // With its hash and its tile: what is left to see is the MAC, and the root.
    const altered = await after(
      `UPDATE audit_log SET payload = replace(payload, 'test.sealed', 'test.healed'), action = 'test.healed' WHERE class = 3 AND seq = 70000`,
      `UPDATE audit_log SET leaf = sha256('\\x00'::bytea || convert_to(payload, 'UTF8')) WHERE class = 3 AND seq = 70000`,
      `UPDATE audit_tile t SET hashes = overlay(t.hashes PLACING l.leaf FROM (70000 % 256) * 32 + 1) FROM audit_log l
        WHERE l.class = 3 AND l.seq = 70000 AND t.class = 3 AND t.level = 0 AND t.n = 70000 / 256`,
    );
    expect(altered).toMatchObject({ result: 'tampered', findings: [{ code: 'writer_unknown', seq: 70_000 }, { code: 'root_differs' }] });
  });

  it('A4: a tile of tiles is checked like any other', async () => {
    const report = await after(
      'UPDATE audit_tile SET hashes = overlay(hashes PLACING sha256($$x$$) FROM 33) WHERE class = 3 AND level = 1',
    );
    expect(report).toMatchObject({ result: 'tampered', findings: [{ code: 'tile_altered' }], findingCount: 1 });
  });

  it('A4: a missing event far in is named', async () => {
    expect(await after('DELETE FROM audit_log WHERE class = 3 AND seq = 99000')).toMatchObject({
      result: 'tampered',
      findings: [{ code: 'event_missing', seq: 99_000 }],
    });
  });

  it('A4: two events far in that were swapped are named', async () => {
    const { result, findings } = await after(...swap(50_000, 50_001));
    expect({ result, first: findings[0] }).toMatchObject({ result: 'tampered', first: { code: 'event_altered', seq: 50_000 } });
  });

  it('A4: events far in that say they were sealed earlier are named', async () => {
    const { result, findings } = await after(
      `UPDATE audit_log l SET sealed_at = b.at
         FROM (SELECT c.at FROM audit_checkpoint c WHERE c.class = 3 AND c.size <= 80000 ORDER BY c.number DESC LIMIT 1) b
        WHERE l.class = 3 AND l.sealed_at = (SELECT o.sealed_at FROM audit_log o WHERE o.class = 3 AND o.seq = 80000)`,
    );
    expect({ result, first: findings[0] }).toMatchObject({ result: 'tampered', first: { code: 'event_backdated' } });
  });

  it('A4: a tail that was cut is named by its first event, and by the anchors when it was cut cleanly', async () => {
    expect(await after('DELETE FROM audit_log WHERE class = 3 AND seq >= 95000')).toMatchObject({
      result: 'tampered',
      findings: [{ code: 'event_missing', seq: 95_000 }],
    });
    const cleanly = await after(...cutTo(10, 'class = 3'));
    expect({ result: cleanly.result, codes: cleanly.findings.map(({ code }) => code) }).toEqual({
      result: 'incomplete',
      codes: ['anchor_newer'],
    });
  });

  it('A4: a log that was signed anew with another key is found', async () => {
    const copy = await copyTestDatabase(original);
    const elsewhere = await mkdtemp(path.join(tmpdir(), 'cadastre-anchors-'));
    try {
      await asAttacker(
        copy,
        'TRUNCATE audit_checkpoint, audit_tile, audit_key, audit_anchoring',
        `UPDATE audit_log SET payload = replace(payload, 'test.sealed', 'test.healed') WHERE class = 3 AND seq = 70000`,
        'UPDATE audit_heads SET heartbeat_at = NULL',
      );
      const mine = { ...sharedKeys(), CADASTRE_AUDIT_KEY: keys.CADASTRE_AUDIT_KEY, CADASTRE_AUDIT_ANCHOR_DIR: elsewhere };
      const forger = await startTestApp(mine, copy);
      await allSealed(forger);
      await forger.close();
      const client = new Client(copy.adminUrl);
      await client.connect();
      await beginSnapshot(client);
      const report = await onlooker.app.get(Verifier).verifyOn(client, { anchors });
      await client.end();
      expect(report.findings[0]).toMatchObject({ verdict: 'tampered', code: 'key_unknown' });
      expect(report.findings.map(({ code }) => code)).toContain('forked');
    } finally {
      await copy.drop();
      await rm(elsewhere, { recursive: true, force: true });
    }
  }, 180_000);
});
