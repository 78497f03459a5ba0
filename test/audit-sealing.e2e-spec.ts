import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import path from 'node:path';
import { Client } from 'pg';
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

  it('A4: an idle log says once a while that it is alive, the meta log says it of all, and nothing is written in between', async () => {
    const settings = t.app.get(SealingSettings);
    await allSealed(t);
    const before = await t.sql<{ class: number; n: number }>(
      'SELECT class, max(number)::int AS n FROM audit_checkpoint GROUP BY class ORDER BY class',
    );
    settings.heartbeatSeconds = 0;
    await eventually(async () => (await checkpoints(t, 7)).length > before.find(({ class: c }) => c === 7)!.n + 1);
    settings.heartbeatSeconds = 60;
    await allSealed(t);
    const [a, b] = (await checkpoints(t, 7)).slice(-2);
    expect([a!.size, a!.note.split('\n')[2]]).toEqual([b!.size, b!.note.split('\n')[2]]);
    const [said] = (await eventsOf(t, `action = 'audit.checkpointed'`)).slice(-1);
    expect(Object.keys((said!.detail as { heads: object }).heads).sort()).toEqual(Object.keys(auditClasses).sort());
    const heads = await t.sql('SELECT class, fence FROM audit_heads ORDER BY class');
    for (let turn = 0; turn < 3; turn++) expect(await t.app.get(Sealer).turn()).toBe(0);
    expect(await t.sql('SELECT class, fence FROM audit_heads ORDER BY class')).toEqual(heads);
    expect(await verified(t)).toMatchObject(SOUND);
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
