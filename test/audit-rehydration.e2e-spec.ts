import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Agent } from 'supertest';
import { v7 as uuidv7 } from 'uuid';
import { jest } from '@jest/globals';
import { ArchiveRepository, type Month } from '../src/audit/archive/archive.repository.js';
import { ArchiveSettings } from '../src/audit/archive/archive-settings.js';
import { Archiver } from '../src/audit/archive/archiver.js';
import { RetentionRun } from '../src/audit/archive/retention-run.js';
import { type AuditEventPage, type AuditEventView } from '../src/audit/log/audit-event.dto.js';
import { type PeriodView, type PeriodViewList } from '../src/audit/restored/rehydration.dto.js';
import { Rehydrations } from '../src/audit/restored/rehydrations.service.js';
import { Rehydrator } from '../src/audit/restored/rehydrator.js';
import { GrowingTree } from '../src/audit/sealing/growing-tree.js';
import { leafHashHex } from '../src/audit/sealing/merkle.js';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { Verifier } from '../src/audit/verification/verifier.js';
import { UnitOfWork } from '../src/platform/database/unit-of-work.js';
import { runInContext } from '../src/platform/context/request-context.js';
import { eventsOf } from './support/audit-events.js';
import { eventually } from './support/eventually.js';
import { type Fault, FaultyStorage } from './support/faulty-storage.js';
import { runCadastre } from './support/run-cadastre.js';
import { allSealed, asAttacker, record, sharedKeys } from './support/sealed-log.js';
import { asRole } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { copyTestDatabase, createTestDatabase, type TestDatabase } from './support/test-database.js';
import { monthsClosed, setTrailBack } from './support/years.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const PERIODS = '/api/v1/audit/archive/periods';
const EVENTS = '/api/v1/audit/events';
const COUNT = 700;
const ADDRESS = '2001:db8:dead:beef::4711';
const PERSON = uuidv7();
const keys = { ...sharedKeys(), CADASTRE_SECRET_KEYS: `test:${Buffer.from('0123456789abcdefghijklmnopqrstuv').toString('base64url')}` };

const person = { kind: 'user' as const, id: PERSON, name: 'planted-name' };
let folder: string;
/** As the month is just closed, and when its archive is all that is left. */
let closed: TestDatabase;
let original: TestDatabase;

/** Something that a person did, with a name and from an address that nobody else has. */
async function recordPerson(t: TestApp): Promise<void> {
  await runInContext({ requestId: uuidv7(), clientAddress: ADDRESS, method: 'GET', route: '/' }, () =>
    t.app
      .get(UnitOfWork)
      .run(() =>
        t.app
          .get(AuditTrail)
          .record({ action: 'test.personal', category: 'ipam', actor: person, resource: { type: 'thing', id: 'thing-of-a-person' } }),
      ),
  );
}

const pinned = (settings: Record<string, unknown> = {}): Record<string, string> => ({
  ...keys,
  CADASTRE_PINNED_SETTINGS: JSON.stringify({ 'audit.archive.directory': folder, ...settings }),
});

/** A month of four years ago, archived, whose table is gone; and a few events of today. */
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'cadastre-rehydration-'));
  original = await createTestDatabase();
  await setTrailBack(original, 1500);
  let t = await startTestApp(pinned(), original);
  await record(t, 'ipam', COUNT - 1);
  await recordPerson(t);
  await allSealed(t);
  await setTrailBack(original, 0);
  await record(t, 'ipam', 3);
  await monthsClosed(t);
  await allSealed(t);
  await t.close();
  closed = await copyTestDatabase(original);
  t = await startTestApp(pinned({ 'audit.archive.undoDays': 0 }), original);
  for (let run = 0; run < 2; run++) {
    const { error } = await t.app.get(RetentionRun).run({ requestedBy: 'test' });
    if (error !== null) throw new Error(error);
  }
  await allSealed(t);
  await t.close();
}, 120_000);

afterAll(async () => {
  await closed.drop();
  await original.drop();
  await rm(folder, { recursive: true, force: true });
});

/** The application on a copy of the database. */
async function onCopy(work: (t: TestApp) => Promise<void>, of = original, variables = pinned()): Promise<void> {
  const copy = await copyTestDatabase(of);
  try {
    const t = await startTestApp(variables, copy);
    try {
      await work(t);
    } finally {
      await t.close();
    }
  } finally {
    await copy.drop();
  }
}

async function theMonth(t: TestApp): Promise<Month> {
  const [month] = (await t.app.get(ArchiveRepository).months()).filter(({ log }) => log === 'ipam');
  return month!;
}

/** Asked for by an administrator, and there. */
async function rehydrated(t: TestApp, days = 7): Promise<Agent> {
  const admin = await asRole(t, 'superuser');
  const { period } = await theMonth(t);
  await admin
    .post(`${PERIODS}/ipam/${period.slice(0, 7)}/rehydrate`)
    .send({ days })
    .expect(202);
  await eventually(async () => (await standing(admin)).rehydration?.state === 'ready', 20_000);
  return admin;
}

async function standing(agent: Agent): Promise<PeriodView> {
  const { items } = (await agent.get(PERIODS).expect(200)).body as PeriodViewList;
  return items.find(({ log }) => log === 'ipam')!;
}

/** Reads the month back without a job. */
async function load(t: TestApp): Promise<unknown> {
  const { period } = await theMonth(t);
  return t.app.get(Rehydrator).load('ipam', period);
}

async function ask(t: TestApp, days = 7): Promise<void> {
  const { period } = await theMonth(t);
  await runInContext({ requestId: uuidv7() }, () => t.app.get(Rehydrations).ask('ipam', period.slice(0, 7), days));
}

function restored(t: TestApp): Promise<{ seq: string; payload: string }[]> {
  return t.sql('SELECT seq, payload FROM audit_restored ORDER BY seq');
}

/** All pages of a search that reaches into archives. */
async function search(agent: Agent, filter: Record<string, string>): Promise<AuditEventView[]> {
  const found: AuditEventView[] = [];
  for (let after: string | null | undefined; after !== null;) {
    const answer = await agent.get(EVENTS).query({ archived: 'true', limit: '300', ...filter, ...(after === undefined ? {} : { after }) });
    expect({ status: answer.status, problem: answer.status < 400 || (answer.body as unknown) }).toEqual({ status: 200, problem: true });
    const page = answer.body as AuditEventPage;
    found.push(...page.items);
    after = page.next;
  }
  return found;
}

const NAMED = 'names IS NOT NULL OR client_ip IS NOT NULL';

describe('an archived month', () => {
  it('T5: comes back with exactly the rows it left with, each proven, and goes again', async () => {
    await onCopy(async (t) => {
      const before = await t.sql<{ root: Buffer }>(`SELECT root FROM audit_period WHERE class = 3 AND root IS NOT NULL`);
      const admin = await rehydrated(t);
      const rows = await restored(t);
      expect(rows).toHaveLength(COUNT);
      const tree = new GrowingTree();
      for (const { payload } of rows) tree.push(Buffer.from(leafHashHex(payload), 'hex'));
      expect(tree.root.equals(before[0]!.root)).toBe(true);
      expect(await standing(admin)).toMatchObject({
        state: 'dropped',
        place: 'archive',
        rows: COUNT,
        broken: null,
        rehydration: { state: 'ready', rows: COUNT, error: null },
      });
      await allSealed(t);
      expect(await t.app.get(Verifier).verify({ anchors: null })).toMatchObject({ result: 'sound', findings: [] });
      const { period } = await theMonth(t);
      const url = `${PERIODS}/ipam/${period.slice(0, 7)}/rehydrate`;
      await admin.delete(url).expect(204);
      expect(await restored(t)).toEqual([]);
      expect((await admin.delete(url).expect(404)).body).toMatchObject({ code: 'rehydration_not_found' });
      expect(await eventsOf(t, `action = 'audit.period_rehydrated'`)).toMatchObject([{ outcome: 'success', detail: { rows: COUNT } }]);
      expect(await eventsOf(t, `action = 'audit.rehydration_ended'`)).toMatchObject([{ detail: { reason: 'asked', rows: COUNT } }]);
    });
  });

  it('T5: has the columns that it had in the log', async () => {
    const columns = `seq, sealed_at, occurred_at, recorded_at, id, xid, cluster_epoch, actor_id, action, category, severity, outcome, resource_type,
      resource_id, client_ip, correlation_id, flags, leaf, emit_mac, names::jsonb`;
    let before: unknown[] = [];
    await onCopy(async (t) => {
      before = await t.sql(`SELECT ${columns} FROM audit_log WHERE class = 3 AND sealed_at < now() - interval '1 year' ORDER BY seq`);
    }, closed);
    await onCopy(async (t) => {
      await ask(t);
      await load(t);
      expect(await t.sql(`SELECT ${columns} FROM audit_restored ORDER BY seq`)).toEqual(before);
      expect(await t.sql(`SELECT FROM audit_restored WHERE names IS NOT NULL AND client_ip = '${ADDRESS}'`)).toHaveLength(1);
    });
  });

  it('T5: read back twice, or by two at once, is there once and for as long as the longer wanted it', async () => {
    await onCopy(async (t) => {
      await ask(t, 30);
      const [{ expires } = { expires: undefined }] = await t.sql<{ expires: Date }>('SELECT expires_at AS expires FROM audit_rehydration');
      await Promise.all([load(t), load(t), load(t)]);
      await ask(t, 2);
      await load(t);
      expect(await restored(t)).toHaveLength(COUNT);
      expect(await t.sql('SELECT state, expires_at AS expires FROM audit_rehydration')).toEqual([{ state: 'ready', expires }]);
      expect(await eventsOf(t, `action = 'audit.period_rehydrated'`)).toHaveLength(1);
      await ask(t, 90);
      expect(await t.sql(`SELECT FROM audit_rehydration WHERE expires_at > now() + interval '80 days'`)).toHaveLength(1);
    });
  });

  it.each<[Fault, string]>([
    ['get is altered', 'archive_broken'],
    ['get is cut', 'archive_broken'],
    ['get fails', 'storage_unavailable'],
  ])('T5: with an archive that is not whole (%s) nothing of it is seen, that is said, and it can be tried again', async (fault, code) => {
    await onCopy(async (t) => {
      const settings = t.app.get(ArchiveSettings);
      const store = new FaultyStorage(await settings.store());
      settings.store = () => Promise.resolve(store);
      store.fault = fault;
      await ask(t);
      await expect(load(t)).rejects.toMatchObject({ code });
      expect(await restored(t)).toEqual([]);
      expect(await t.sql('SELECT state, rows, error IS NULL AS fine FROM audit_rehydration')).toEqual([
        { state: 'failed', rows: null, fine: false },
      ]);
      expect(await eventsOf(t, `action = 'audit.period_rehydrated'`)).toMatchObject([{ outcome: 'failure', severity: 'high' }]);
      store.fault = undefined;
      await ask(t);
      await load(t);
      expect(await restored(t)).toHaveLength(COUNT);
    });
  });

  it('T5: begins anew when whoever read it back was cut off halfway', async () => {
    await onCopy(async (t) => {
      await ask(t);
      const writer = t.app.get(UnitOfWork);
      const inside = writer.queryInside.bind(writer);
      let inserts = 0;
      const cut = jest.spyOn(writer, 'queryInside').mockImplementation(async (sql, parameters) => {
        // The second batch: the first is written.
        if (sql.includes('INSERT INTO audit_restored') && ++inserts === 2) {
          const killed = await t.sql(
            `SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.relation = 'audit_restored'::regclass AND l.mode = 'RowExclusiveLock'
                AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())`,
          );
          throw new Error(`cut off ${killed.length}`);
        }
        return inside(sql, parameters);
      });
      await expect(load(t)).rejects.toThrow('cut off 1');
      cut.mockRestore();
      expect(inserts).toBe(2);
      expect(await restored(t)).toEqual([]);
      await ask(t);
      await load(t);
      expect(await restored(t)).toHaveLength(COUNT);
    });
  });

  it('T5: goes when its time is over, and when its month is in the log again', async () => {
    await onCopy(async (t) => {
      await ask(t, 7);
      await load(t);
      expect(await t.app.get(Rehydrator).endOver()).toBe(0);
      await t.sql(`UPDATE audit_rehydration SET expires_at = now() - interval '1 second'`);
      expect(await t.app.get(Rehydrator).endOver()).toBe(1);
      expect(await restored(t)).toEqual([]);
      expect(await eventsOf(t, `action = 'audit.rehydration_ended'`)).toMatchObject([{ detail: { reason: 'expired' } }]);
    });
    await onCopy(async (t) => {
      await t.app.get(RetentionRun).run({ requestedBy: 'test' });
      await ask(t);
      await load(t);
      const months = t.app.get(ArchiveRepository);
      await t.app.get(Archiver).undo(await months.claim(await theMonth(t)), new Date(Date.now() + 86_400_000));
      expect(await t.app.get(Rehydrator).endOver()).toBe(1);
      expect(await restored(t)).toEqual([]);
      await expect(ask(t)).rejects.toMatchObject({ code: 'period_not_archived' });
    }, closed);
  });

  it('T5: is found event by event once, wherever it is, and says the same', async () => {
    const asked: Record<string, string>[] = [
      { action: 'test.sealed' },
      { resourceType: 'thing', resourceId: 'thing-7' },
      { action: 'test.*', category: 'ipam' },
      { text: 'thing-12' },
      { actorName: 'planted-name' },
      { clientAddress: ADDRESS },
      { actor: PERSON },
    ];
    await onCopy(async (t) => {
      const auditor = await asRole(t, 'auditor');
      const plain = (events: AuditEventView[]): string[] =>
        events.filter(({ action }) => action.startsWith('test.')).map((event) => JSON.stringify(event));
      const archived: string[][] = [];
      for (const filter of asked) archived.push(plain(await search(auditor, filter)));
      expect(archived.map((events) => events.length)).toEqual([COUNT + 2, 1, COUNT + 3, 1, 1, 1, 1]);
      await ask(t);
      await load(t);
      // The archive need not be there for it.
      const settings = t.app.get(ArchiveSettings);
      const store = new FaultyStorage(await settings.store());
      settings.store = () => Promise.resolve(store);
      store.fault = 'get fails';
      store.suffix = (await theMonth(t)).objectKey!;
      for (const [i, filter] of asked.entries()) expect(plain(await search(auditor, filter))).toEqual(archived[i]);
    });
  });

  it('T5, A4: an event that was altered in its copy is not shown', async () => {
    await onCopy(async (t) => {
      await ask(t);
      await load(t);
      await asAttacker(t.database, `UPDATE audit_restored SET payload = replace(payload, 'thing-7"', 'thing-8"') WHERE seq = 7`);
      const auditor = await asRole(t, 'auditor');
      const answer = await auditor.get(EVENTS).query({ archived: 'true', resourceType: 'thing', resourceId: 'thing-7' }).expect(409);
      expect(answer.body).toMatchObject({ code: 'archive_broken' });
    });
  });

  it('T5: can be proven when it is back, and says which month to read back before', async () => {
    await onCopy(async (t) => {
      const auditor = await asRole(t, 'auditor');
      const [event] = await search(auditor, { resourceType: 'thing', resourceId: 'thing-300' });
      const { period } = await theMonth(t);
      const missing = await auditor
        .post('/api/v1/audit/evidence')
        .send({ ids: [event!.id] })
        .expect(404);
      expect(missing.body).toMatchObject({
        code: 'event_archived',
        eventId: event!.id,
        months: expect.arrayContaining([{ log: 'ipam', period: period.slice(0, 7) }]) as unknown,
      });
      await auditor
        .post('/api/v1/audit/evidence')
        .send({ ids: ['00000000-0000-7000-8000-000000000000'] })
        .expect(404, /audit_event_not_found/);
      await ask(t);
      await load(t);
      const pack = await auditor
        .post('/api/v1/audit/evidence')
        .send({ ids: [event!.id] })
        .expect(200);
      const file = path.join(folder, 'pack.json');
      await writeFile(file, JSON.stringify(pack.body));
      const { keys: known } = pack.body as { keys: { publicKey: string }[] };
      expect(await verified(file, known[0]!.publicKey)).toMatchObject({ code: 0 });
      await auditor.get(`${EVENTS}/${event!.id}/proof`).expect(200);
      const altered = JSON.stringify(pack.body).replace('thing-300', 'thing-301');
      await writeFile(file, altered);
      expect((await verified(file, known[0]!.publicKey)).code).not.toBe(0);
    });
  });

  it('T5, G2: forgets a person in its copy, also when it is read back later', async () => {
    await onCopy(async (t) => {
      const admin = await rehydrated(t);
      expect(await t.sql(`SELECT FROM audit_restored WHERE ${NAMED}`)).toHaveLength(1);
      await admin.post(`/api/v1/audit/subjects/${PERSON}/erasure`).send({ reason: 'Left.' }).expect(202);
      await eventually(async () => (await t.sql(`SELECT FROM audit_restored WHERE ${NAMED}`)).length === 0, 20_000);
      expect(await restored(t)).toHaveLength(COUNT);
      expect((await search(admin, { actorName: 'planted-name' })).filter(({ action }) => action === 'test.personal')).toEqual([]);
      const { period } = await theMonth(t);
      await t.app.get(Rehydrator).end('ipam', period);
      await ask(t);
      await load(t);
      expect(await t.sql(`SELECT FROM audit_restored WHERE ${NAMED}`)).toEqual([]);
    });
  });

  it('T5, G2: forgets a person in a table that waits to be dropped, and is put back without them', async () => {
    await onCopy(async (t) => {
      await t.app.get(RetentionRun).run({ requestedBy: 'test' });
      const { period } = await theMonth(t);
      const table = `audit_trash.audit_log_ipam_${period.slice(0, 7).replace('-', '_')}`;
      expect(await t.sql(`SELECT FROM ${table} WHERE ${NAMED}`)).toHaveLength(1);
      const admin = await asRole(t, 'superuser');
      expect(await standing(admin)).toMatchObject({ state: 'detached', place: 'trash', rehydration: null });
      await admin.post(`/api/v1/audit/subjects/${PERSON}/erasure`).send({ reason: 'Left.' }).expect(202);
      await eventually(async () => (await t.sql(`SELECT FROM ${table} WHERE ${NAMED}`)).length === 0, 20_000);
      const months = t.app.get(ArchiveRepository);
      await t.app.get(Archiver).undo(await months.claim(await theMonth(t)), new Date(Date.now() + 86_400_000));
      expect(await t.sql(`SELECT FROM audit_log WHERE resource_id = 'thing-of-a-person' AND (${NAMED})`)).toEqual([]);
      await allSealed(t);
      expect(await t.app.get(Verifier).verify({ anchors: null })).toMatchObject({ result: 'sound', findings: [] });
    }, closed);
  });

  it('T5, O8: is read back by the command', async () => {
    await onCopy(async (t) => {
      const { period } = await theMonth(t);
      const variables = {
        ...pinned(),
        CADASTRE_ENV: 'test',
        DATABASE_URL: t.database.url,
        DATABASE_DIRECT_URL: t.database.ownerUrl,
        CADASTRE_JOBS: 'false',
        CADASTRE_VAR_DIR: folder,
      };
      const month = ['--class', 'ipam', '--period', period.slice(0, 7)];
      const done = await runCadastre(['audit', 'rehydrate', ...month, '--days', '3'], variables);
      expect(done).toMatchObject({ code: 0, output: expect.stringContaining(`back with ${COUNT} events`) as string });
      expect(await restored(t)).toHaveLength(COUNT);
      expect(await runCadastre(['audit', 'rehydrate', '--class', 'ipam', '--period', '1999-01'], variables)).toMatchObject({ code: 1 });
      expect(await runCadastre(['audit', 'rehydrate', ...month, '--days', '91'], variables)).toMatchObject({ code: 2 });
    });
  }, 150_000);
});

function verified(file: string, key: string): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [path.join(root, 'verify-evidence.mjs'), file, '--key', key], (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, output: `${stdout}${stderr}` });
    });
  });
}
