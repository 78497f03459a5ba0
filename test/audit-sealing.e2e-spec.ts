import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import path from 'node:path';
import { Client } from 'pg';
import { type PublishedCheckpoint } from '../src/audit/sealing/anchor.js';
import { Anchoring } from '../src/audit/sealing/anchoring.js';
import { Sealer } from '../src/audit/sealing/sealer.js';
import { SealingSettings } from '../src/audit/sealing/sealing-settings.js';
import { isSignedBy, parseNote, publicKeyIn } from '../src/audit/sealing/signed-note.js';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { type VerificationReport, Verifier } from '../src/audit/verification/verifier.js';
import { auditClasses } from '../src/audit/trail/audit-event.js';
import { AppConfig } from '../src/config/app-config.js';
import { UnitOfWork } from '../src/platform/database/unit-of-work.js';
import { eventsOf } from './support/audit-events.js';
import { startProcess } from './support/child-process.js';
import { eventually } from './support/eventually.js';
import { allSealed, asAttacker, aSigningKey, record, sharedKeys } from './support/sealed-log.js';
import { asRole } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { createTestDatabase } from './support/test-database.js';
import { monthsLater } from './support/trail-clock.js';
import { TrailTime } from './support/years.js';

const CATEGORIES = ['meta', 'access', 'ipam', 'governance'] as const;
const SOUND = { result: 'sound', findings: [] };

interface CheckpointRow {
  number: string;
  size: string;
  note: string;
}

function verified(t: TestApp): Promise<VerificationReport> {
  return t.app.get(Verifier).verify();
}

function checkpoints(t: TestApp, ofClass = 3): Promise<CheckpointRow[]> {
  return t.sql<CheckpointRow & Record<string, unknown>>(
    'SELECT number, size, note FROM audit_checkpoint WHERE class = $1 ORDER BY number',
    [ofClass],
  );
}

/**
 * How often each log signed so far. Of the meta log what it said is counted, not its signatures: a transaction elsewhere in the cluster holds
 * them back, and one then has several.
 */
async function signs(t: TestApp): Promise<Record<string, number>> {
  const rows = await t.sql<{ log: string; n: number }>(
    `SELECT h.name AS log, count(*)::int AS n FROM audit_checkpoint c JOIN audit_heads h ON h.class = c.class WHERE h.name <> 'meta'
      GROUP BY 1 UNION ALL SELECT 'meta', count(*)::int FROM audit_events WHERE action = 'audit.checkpointed'`,
  );
  return Object.fromEntries(rows.map(({ log, n }) => [log, n]));
}

/** Every checkpoint that lies in the anchors' folder, by file. */
async function anchored(t: TestApp): Promise<Map<string, string>> {
  const folder = t.app.get(AppConfig).audit.anchorDirectory;
  const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.note'));
  return new Map(
    await Promise.all(files.map(async (name): Promise<[string, string]> => [name, await readFile(path.join(folder, name), 'utf8')])),
  );
}

describe('the sealed log', () => {
  const keys = sharedKeys();
  let t: TestApp;

  beforeAll(async () => {
    t = await startTestApp({ ...keys, DATABASE_POOL_MAX: '40' });
  });

  afterAll(() => t.close());

  it('A4: a checkpoint is a signed note of origin, size and root, and of number, epoch and time', async () => {
    await record(t, 'ipam', 3);
    await allSealed(t);
    const [{ id }] = (await t.sql<{ id: string }>('SELECT id FROM audit_installation')) as [{ id: string }];
    const { note } = (await checkpoints(t)).at(-1)!;
    const lines = note.split('\n');
    expect(lines).toEqual([
      `cadastre/${id}/ipam`,
      '3',
      expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/),
      expect.stringMatching(/^number \d+$/),
      'epoch 0',
      expect.stringMatching(/^time \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      '',
      expect.stringMatching(new RegExp(`^\u2014 cadastre/${id}/ipam [A-Za-z0-9+/]{91}=$`)),
      '',
    ]);
    const auditor = await asRole(t, 'auditor');
    const { items } = (await auditor.get('/api/v1/audit/keys').expect(200)).body as {
      items: { publicKey: string; verifierKeys: string[] }[];
    };
    const key = publicKeyIn(items[0]!.verifierKeys.find((text) => text.includes('/ipam+'))!)!;
    expect(key.toString('base64')).toBe(items[0]!.publicKey);
    expect(isSignedBy(parseNote(note)!, `cadastre/${id}/ipam`, key)).toBe(true);
    expect(isSignedBy(parseNote(note.replace('\n3\n', '\n4\n'))!, `cadastre/${id}/ipam`, key)).toBe(false);
    expect(isSignedBy(parseNote(note)!, `cadastre/${id}/access`, key)).toBe(false);
  });

  it('A4: every checkpoint leaves the database as a file that is never written again', async () => {
    await allSealed(t);
    const inDatabase = await t.sql<{ note: string }>('SELECT note FROM audit_checkpoint');
    const files = await anchored(t);
    expect([...files.values()].sort()).toEqual(inDatabase.map(({ note }) => note).sort());
    expect([...files.keys()].every((name) => /^(meta|access|reads|ipam|governance|critical)\/\d{4}-\d\d\/\d{12}\.note$/.test(name))).toBe(
      true,
    );
  });

  it('A3: the application’s role can neither change nor remove what seals the log, nor anybody while the triggers are on', async () => {
    for (const url of [t.database.url, t.database.adminUrl]) {
      const client = new Client(url);
      await client.connect();
      for (const table of [
        'audit_tile',
        'audit_checkpoint',
        'audit_key',
        'audit_epoch',
        'audit_installation',
        'audit_quarantine',
        'audit_period',
      ]) {
        await expect(client.query(`TRUNCATE ${table} CASCADE`)).rejects.toMatchObject({ code: '42501' });
        if ((await client.query(`SELECT FROM ${table} LIMIT 1`)).rowCount === 0) continue;
        await expect(client.query(`DELETE FROM ${table}`)).rejects.toMatchObject({ code: '42501' });
      }
      await expect(client.query(`UPDATE audit_checkpoint SET note = ''`)).rejects.toMatchObject({ code: '42501' });
      await expect(client.query(`UPDATE audit_key SET note = ''`)).rejects.toMatchObject({ code: '42501' });
      await client.end();
    }
    const app = new Client(t.database.url);
    await app.connect();
    await expect(app.query(`UPDATE audit_period SET state = 'open'`)).rejects.toMatchObject({ code: '42501' });
    await expect(app.query(`UPDATE audit_heads SET size = 0`)).rejects.toMatchObject({ code: '42501' });
    const shrink = `INSERT INTO audit_checkpoint SELECT class, number + 1, size - 1, root, at, epoch, note FROM audit_checkpoint WHERE class = 3 ORDER BY number DESC LIMIT 1`;
    await expect(app.query(shrink)).rejects.toThrow('never shrinks');
    await app.end();
  });

  it('A4: 32 writers, a long transaction among them and two sealers: nothing lost, nothing doubled, no false alarm', async () => {
    const other = await startTestApp({ ...keys, CADASTRE_AUDIT_ANCHOR_DIR: t.app.get(AppConfig).audit.anchorDirectory }, t.database);
    const trail = t.app.get(AuditTrail);
    const work = t.app.get(UnitOfWork);
    let commit = (): void => undefined;
    const held = new Promise<void>((resolve) => (commit = resolve));
    let begun = false;
    const long = work.run(async () => {
      await work.query('SELECT pg_current_xact_id()');
      await trail.record({ action: 'storm.long', category: 'ipam' });
      begun = true;
      await held;
    });
    await eventually(() => begun);
    const write = async (writer: number): Promise<void> => {
      for (let n = 0; n < 60; n++)
        await trail.recordAlone({ action: 'storm.short', category: CATEGORIES[(n + writer) % 4]!, detail: { writer, n } });
    };
    await Promise.all(Array.from({ length: 32 }, (_, writer) => write(writer)));
    commit();
    await long;
    await allSealed(t);
    await other.close();
    expect(
      await t.sql(
        `SELECT action, count(*)::int AS n, count(DISTINCT id)::int AS ids FROM audit_log WHERE action LIKE 'storm.%' GROUP BY 1 ORDER BY 1`,
      ),
    ).toEqual([
      { action: 'storm.long', n: 1, ids: 1 },
      { action: 'storm.short', n: 1920, ids: 1920 },
    ]);
    const report = await verified(t);
    expect(report).toMatchObject(SOUND);
    expect(report.logs.map(({ events }) => events)).toEqual(report.logs.map(({ size }) => size));
  });

  it('A4: is sound again and again while it is written, sealed and anchored', async () => {
    const settings = t.app.get(SealingSettings);
    const { everyMs } = settings;
    settings.everyMs = 20;
    let writing = true;
    const write = async (category: (typeof CATEGORIES)[number]): Promise<void> => {
      while (writing) await t.app.get(AuditTrail).recordAlone({ action: 'storm.verified', category });
    };
    const writers = CATEGORIES.slice(0, 2).map(write);
    const checkpointsNow = async (): Promise<number> =>
      (await t.sql<{ n: number }>('SELECT count(*)::int AS n FROM audit_checkpoint'))[0]!.n;
    const before = await checkpointsNow();
    try {
      for (let round = 0; round < 8; round++) expect(await verified(t)).toMatchObject(SOUND);
    } finally {
      writing = false;
      settings.everyMs = everyMs;
      await Promise.all(writers);
    }
    expect(await checkpointsNow()).toBeGreaterThan(before + 8);
  });

  it('A4: while nothing happens the meta log says how large all are, an idle one says so itself now and then, and nothing is written in between', async () => {
    const settings = t.app.get(SealingSettings);
    const { idleSeconds } = settings;
    await allSealed(t);
    const idle = await checkpoints(t, 7);
    const meta = await checkpoints(t, 0);
    settings.heartbeatSeconds = 0;
    await eventually(async () => (await checkpoints(t, 0)).length > meta.length + 1);
    expect(await checkpoints(t, 7)).toEqual(idle);
    settings.idleSeconds = 0;
    await eventually(async () => (await checkpoints(t, 7)).length > idle.length + 1);
    Object.assign(settings, { heartbeatSeconds: 60, idleSeconds });
    await allSealed(t);
    const [a, b] = (await checkpoints(t, 7)).slice(-2);
    expect([a!.size, a!.note.split('\n')[2]]).toEqual([b!.size, b!.note.split('\n')[2]]);
    const [said] = (await eventsOf(t, `action = 'audit.checkpointed'`)).slice(-1);
    const { heads: listed } = said!.detail as { heads: Record<string, object> };
    expect(Object.keys(listed).sort()).toEqual(Object.keys(auditClasses).sort());
    const [, , root, number, , time] = b!.note.split('\n');
    expect(listed.governance).toEqual({ number: Number(number!.slice(7)), size: Number(b!.size), root, time: time!.slice(5) });
    const heads = await t.sql('SELECT class, fence FROM audit_heads ORDER BY class');
    for (let turn = 0; turn < 3; turn++) expect(await t.app.get(Sealer).turn()).toBe(0);
    expect(await t.sql('SELECT class, fence FROM audit_heads ORDER BY class')).toEqual(heads);
    expect(await verified(t)).toMatchObject(SOUND);
  });

  it('A4: idle hours leave a checkpoint a minute in the meta log, and one an hour in each other', async () => {
    const database = await createTestDatabase();
    const app = await startTestApp({ ...keys, CADASTRE_JOBS: 'false' }, database);
    try {
      const time = new TrailTime(database);
      const minutes = 180;
      const began = Date.now();
      for (let minute = 0; minute <= minutes; minute++) {
        // More than a minute, or a turn that takes its time would come too early for the next one.
        await time.goTo(new Date(began + minute * 75_000));
        while ((await app.app.get(Sealer).turn()) > 0);
      }
      const found = await signs(app);
      expect(Object.keys(found).sort()).toEqual(Object.keys(auditClasses).sort());
      for (const [log, n] of Object.entries(found)) {
        const expected = log === 'meta' ? minutes : (minutes * 75) / 3600;
        expect([log, n, Math.abs(n - expected) <= 2]).toEqual([log, n, true]);
      }
      expect(await app.app.get(Verifier).verify({ anchors: null })).toMatchObject(SOUND);
    } finally {
      await app.close();
      await database.drop();
    }
  });

  it('A4: goes on after a restart from what is stored, and refuses to sign over what was changed meanwhile, but files', async () => {
    const database = await createTestDatabase();
    const anchors = { CADASTRE_AUDIT_ANCHOR_DIR: `${t.app.get(AppConfig).audit.anchorDirectory}-2` };
    const first = await startTestApp({ ...keys, ...anchors }, database);
    await record(first, 'ipam', 700);
    await allSealed(first);
    await first.close();
    const second = await startTestApp({ ...keys, ...anchors }, database);
    await record(second, 'ipam', 90);
    await allSealed(second);
    expect(await verified(second)).toMatchObject(SOUND);
    await second.close();
    await asAttacker(database, `UPDATE audit_log SET payload = payload || ' ' WHERE class = 3 AND seq = 780`);
    const third = await startTestApp({ ...keys, ...anchors }, database);
    await record(third, 'ipam', 5);
    await record(third, 'access', 5);
    await eventually(async () => (await third.sql('SELECT FROM audit_inbox')).length === 0);
    const [head] = await third.sql('SELECT size FROM audit_heads WHERE class = 3');
    expect(head).toEqual({ size: '795' });
    expect((await checkpoints(third)).at(-1)!.size).toBe('790');
    expect(Number((await checkpoints(third, 1)).at(-1)!.size)).toBe(5);
    await asAttacker(database, `UPDATE audit_log SET payload = rtrim(payload) WHERE class = 3 AND seq = 780`);
    await allSealed(third);
    expect(await verified(third)).toMatchObject(SOUND);
    await third.close();
    await database.drop();
  });

  it('A4: a clock that is set back over the end of a month opens no month that was closed', async () => {
    const database = await createTestDatabase();
    const back = await startTestApp(keys, database);
    try {
      // A sign of life in the new month would hide it: the clock is set back before there was one.
      back.app.get(SealingSettings).heartbeatSeconds = 1_000_000_000;
      await record(back, 'ipam', 5);
      await monthsLater(back, 40, ['access']);
      const months = (): Promise<object[]> =>
        back.sql(`SELECT class, period::text, last_seq, root FROM audit_period WHERE state = 'closed' ORDER BY class, period`);
      const closed = await months();
      expect(closed).not.toHaveLength(0);
      await monthsLater(back, 0, ['ipam', 'access']);
      await monthsLater(back, 40, ['ipam', 'access']);
      expect(await months()).toEqual(expect.arrayContaining(closed));
      expect(await back.app.get(Verifier).verify({ anchors: null })).toMatchObject(SOUND);
      await expect(
        back.sql(`UPDATE audit_period SET last_seq = last_seq + 1, rows = rows + 1 WHERE state = 'closed'`),
      ).rejects.toMatchObject({
        code: '42501',
      });
    } finally {
      await back.close();
      await database.drop();
    }
  });

  it('A4: a clock that is set back silences no log: the signs of life go on at once, and as often as before', async () => {
    const database = await createTestDatabase();
    const back = await startTestApp({ ...keys, CADASTRE_JOBS: 'false' }, database);
    const time = new TrailTime(database);
    const began = Date.now();
    const turns = async (): Promise<void> => {
      while ((await back.app.get(Sealer).turn()) > 0);
    };
    /** A transaction elsewhere in the cluster delays it. */
    const filed = async (): Promise<void> => {
      await eventually(async () => {
        await turns();
        return (await back.sql('SELECT FROM audit_inbox')).length === 0;
      }, 45_000);
    };
    const sinceThen = async (then: Record<string, number>): Promise<Record<string, number>> =>
      Object.fromEntries(Object.entries(await signs(back)).map(([log, n]) => [log, n - (then[log] ?? 0)]));
    const idle = Object.keys(auditClasses).filter((log) => log !== 'meta');
    try {
      await record(back, 'ipam', 5);
      await filed();
      await time.goTo(new Date(began + 40 * 86_400_000));
      await record(back, 'ipam', 5);
      await filed();
      const closed = await back.sql(`SELECT class, period, last_seq, root FROM audit_period WHERE state = 'closed' ORDER BY class, period`);
      expect(closed).not.toHaveLength(0);
      const before = await signs(back);
      await time.goTo(new Date(began));
      await turns();
      // The access log, like every other, is idle now.
      expect(await sinceThen(before)).toEqual({ meta: 1, ...Object.fromEntries(idle.map((log) => [log, 1])) });
      await turns();
      expect(await sinceThen(before)).toMatchObject({ meta: 1, access: 1 });
      const minutes = 72;
      for (let minute = 1; minute <= minutes; minute++) {
        await time.goTo(new Date(began + minute * 75_000));
        await turns();
      }
      const after = await sinceThen(before);
      expect([after, Math.abs(after.meta! - minutes - 1) <= 1]).toEqual([after, true]);
      for (const log of idle) expect([log, after[log]]).toEqual([log, 2]);
      await filed();
      expect(
        await back.sql(`SELECT class, period, last_seq, root FROM audit_period WHERE state = 'closed' ORDER BY class, period`),
      ).toEqual(closed);
      expect(
        await back.sql(`SELECT FROM audit_log l JOIN audit_log n ON n.class = l.class AND n.seq = l.seq + 1 AND n.sealed_at < l.sealed_at`),
      ).toEqual([]);
      expect(await back.app.get(Verifier).verify({ anchors: null })).toMatchObject(SOUND);
    } finally {
      await back.close();
      await database.drop();
    }
  });

  it('A4: another database cluster is a new epoch, said in the log, and what its predecessor left is filed', async () => {
    const database = await createTestDatabase();
    const first = await startTestApp(keys, database);
    await record(first, 'ipam', 3);
    await allSealed(first);
    await first.close();
    await asAttacker(database, 'UPDATE audit_epoch SET system_identifier = 1');
    const silent = await startTestApp({ ...keys, CADASTRE_JOBS: 'false' }, database);
    await record(silent, 'ipam', 2);
    await silent.close();
    // As after a dump was restored: numbers of transactions that this cluster has not come to yet.
    await asAttacker(database, `UPDATE audit_inbox SET xid = '900000000000'`);
    const second = await startTestApp(keys, database);
    await record(second, 'ipam', 1);
    await allSealed(second);
    expect(
      await second.sql('SELECT cluster_epoch AS epoch, count(*)::int AS n FROM audit_log WHERE class = 3 GROUP BY 1 ORDER BY 1'),
    ).toEqual([
      { epoch: 0, n: 3 },
      { epoch: 1, n: 3 },
    ]);
    expect(await eventsOf(second, `action = 'audit.epoch_changed'`)).toMatchObject([
      { category: 'meta', detail: { epoch: 1, sizes: { ipam: 3 } } },
    ]);
    expect((await checkpoints(second)).at(-1)!.note).toContain('\nepoch 1\n');
    expect(await second.app.get(Verifier).verify({ anchors: null })).toMatchObject(SOUND);
    await second.close();
    await database.drop();
  });

  it('A4: a new signing key is vouched for by the one before it; a process without the key signs nothing', async () => {
    const database = await createTestDatabase();
    const [old, next, lost] = ['old', 'next', 'lost'].map(aSigningKey) as [string, string, string];
    const run = async (ring: string[], seals = true): Promise<VerificationReport> => {
      const app = await startTestApp({ ...keys, CADASTRE_AUDIT_SIGNING_KEYS: ring.join(',') }, database);
      await record(app, 'ipam', 2);
      if (seals) await allSealed(app);
      const report = await app.app.get(Verifier).verify({ anchors: null });
      await app.close();
      return report;
    };
    expect(await run([old])).toMatchObject(SOUND);
    expect(await run([next, old])).toMatchObject(SOUND);
    expect(await run([next])).toMatchObject(SOUND);
    // Not brought up to date yet: it has the key that is valid now, if not in the first place.
    expect(await run([old, next])).toMatchObject(SOUND);
    const stranger = await run([lost], false);
    expect(stranger.result).toBe('tampered');
    expect(stranger.findings[0]).toMatchObject({ code: 'key_unknown' });
    const look = await startTestApp({ ...keys, CADASTRE_AUDIT_SIGNING_KEYS: next }, database);
    expect(await look.sql('SELECT ordinal FROM audit_key ORDER BY ordinal')).toEqual([{ ordinal: 0 }, { ordinal: 1 }]);
    await allSealed(look);
    expect(await eventsOf(look, `action = 'audit.key_introduced'`)).toMatchObject([
      { detail: { ordinal: 0, vouchedFor: false } },
      { detail: { ordinal: 1, vouchedFor: true } },
    ]);
    await look.close();
    // The day both are lost: somebody says that the log goes on all the same, and has to bring the old public key to verify it.
    const adopter = await startTestApp({ ...keys, CADASTRE_AUDIT_SIGNING_KEYS: lost, CADASTRE_JOBS: 'false' }, database);
    await adopter.app.get(Sealer).adoptKey();
    await record(adopter, 'ipam', 1);
    await adopter.app.get(Sealer).turn();
    expect((await adopter.app.get(Verifier).verify({ anchors: null })).findings[0]).toMatchObject({ code: 'key_unknown' });
    const [before] = await adopter.sql<{ publicKey: Buffer }>('SELECT public_key AS "publicKey" FROM audit_key WHERE ordinal = 1');
    expect(await adopter.app.get(Verifier).verify({ anchors: null, keys: [before!.publicKey] })).toMatchObject(SOUND);
    await adopter.close();
    await database.drop();
  });

  it('A4: an anchor that fails or hangs holds up nothing, and gets everything once it is back', async () => {
    const received: string[] = [];
    let status = 503;
    const server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => {
        if (status === 200) received.push(text);
        response.writeHead(status).end();
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const database = await createTestDatabase();
    const first = await startTestApp({ ...keys, CADASTRE_AUDIT_ANCHOR_URL: url }, database);
    await record(first, 'ipam', 2);
    await allSealed(first);
    const root = await asRole(first, 'superuser');
    const lag = /^audit_anchor_lag_seconds\{anchor="webhook"\} (\S+)$/m.exec((await root.get('/metrics').expect(200)).text)?.[1];
    expect(Number(lag)).toBeGreaterThan(0);
    expect(await first.sql(`SELECT FROM audit_anchoring WHERE anchor = 'webhook' AND last_error LIKE '%503%'`)).not.toHaveLength(0);
    await first.close();
    status = 200;
    const second = await startTestApp({ ...keys, CADASTRE_AUDIT_ANCHOR_URL: url }, database);
    const notes = await eventually(async () => {
      const all = (await second.sql<{ note: string }>('SELECT note FROM audit_checkpoint')).map(({ note }) => note);
      return all.every((note) => received.includes(note)) && all;
    });
    expect(notes.length).toBeGreaterThan(4);
    await second.close();
    await database.drop();
    server.close();
  });

  it('A4: a checkpoint that an anchor does not take holds up its own log alone', async () => {
    const database = await createTestDatabase();
    const app = await startTestApp(keys, database);
    try {
      const taken: string[] = [];
      const picky = {
        name: 'picky',
        isEnabled: () => true,
        publish: ({ log, number }: PublishedCheckpoint): Promise<void> => {
          if (log === 'access') return Promise.reject(new Error('not this one'));
          taken.push(`${log} ${number}`);
          return Promise.resolve();
        },
      };
      app.app.get(Anchoring).add(picky);
      await record(app, 'access', 1);
      await record(app, 'ipam', 1);
      await eventually(() => taken.includes('ipam 0') && taken.includes('critical 0'));
      const failed = await eventually(async () => {
        const rows = await app.sql(`SELECT class, last_error FROM audit_anchoring WHERE anchor = 'picky' AND last_error IS NOT NULL`);
        return rows.length > 0 && rows;
      });
      expect(failed).toEqual([{ class: 1, last_error: 'not this one' }]);
    } finally {
      await app.close();
      await database.drop();
    }
  });

  it('A4: killed while it seals, a process loses nothing and doubles nothing', async () => {
    const database = await createTestDatabase();
    const observer = await startTestApp({ ...keys, CADASTRE_JOBS: 'false' }, database);
    await observer.sql('CREATE TABLE written (pid int, n int)');
    await observer.sql('GRANT ALL ON written TO PUBLIC');
    const log = { ...keys, CADASTRE_LOG_LEVEL: 'error', CADASTRE_AUDIT_ANCHOR_DIR: observer.app.get(AppConfig).audit.anchorDirectory };
    for (let round = 0; round < 4; round++) {
      const worker = await startProcess('test/support/sealing-worker.mjs', database, log);
      await eventually(() => {
        if (worker.child.exitCode !== null) throw new Error(worker.output());
        return worker.output().includes('ready');
      }, 30_000);
      const size = async (): Promise<number> =>
        Number((await observer.sql<{ size: string }>('SELECT size FROM audit_heads WHERE class = 3'))[0]!.size);
      const from = await size();
      await eventually(async () => (await size()) > from + 60 + round * 37, 30_000);
      worker.child.kill('SIGKILL');
      await worker.ended;
    }
    const last = await startTestApp({ ...keys, CADASTRE_AUDIT_ANCHOR_DIR: observer.app.get(AppConfig).audit.anchorDirectory }, database);
    await allSealed(last);
    const lost = await last.sql(
      `SELECT FROM written w FULL JOIN (SELECT resource_id, count(*) AS n FROM audit_log WHERE action = 'test.written' GROUP BY 1) l
           ON l.resource_id = w.pid || '/' || w.n WHERE l.n IS DISTINCT FROM 1 OR w.pid IS NULL`,
    );
    expect(lost).toHaveLength(0);
    expect(await verified(last)).toMatchObject(SOUND);
    await last.close();
    await observer.close();
    await database.drop();
  });
});
