import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Archives } from '../src/audit/archive/archives.js';
import { ArchiveChecks } from '../src/audit/archive/archive-checks.js';
import { ArchiveRepository } from '../src/audit/archive/archive.repository.js';
import { type ArchiveRun } from '../src/audit/archive/archive-runs.repository.js';
import { ArchiveSettings } from '../src/audit/archive/archive-settings.js';
import { RetentionRun } from '../src/audit/archive/retention-run.js';
import { type AuditEventPage } from '../src/audit/log/audit-event.dto.js';
import { Erasure } from '../src/audit/personal/erasure.service.js';
import { type SubjectView } from '../src/audit/personal/erasure.dto.js';
import { Sealer } from '../src/audit/sealing/sealer.js';
import { type AuditCategory, type AuditEvent } from '../src/audit/trail/audit-event.js';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { Verifier } from '../src/audit/verification/verifier.js';
import { UnitOfWork } from '../src/platform/database/unit-of-work.js';
import { eventsOf, expectSeveritiesOfCatalogue } from './support/audit-events.js';
import { startProcess } from './support/child-process.js';
import { eventually } from './support/eventually.js';
import { type Fault, FaultyStorage } from './support/faulty-storage.js';
import { runCadastre } from './support/run-cadastre.js';
import { sharedKeys } from './support/sealed-log.js';
import { asRole } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { createTestDatabase, type TestDatabase } from './support/test-database.js';
import { TrailTime } from './support/years.js';

const MONTHS = 96;
const DAY_MS = 86_400_000;
/** Of each log a month. */
const EVENTS = 3;
const LOGS = ['access', 'reads', 'ipam', 'governance', 'critical'] as const;
type Log = (typeof LOGS)[number];
/** Days after the end of its month at which an event leaves the database, and at which it goes for good: as installed. */
const LEAVES: Record<Log, number> = { access: 1096, reads: 90, ipam: 1096, governance: 1096, critical: 1096 };
const GOES: Record<Log, number> = { access: 2557, reads: 90, ipam: 2557, governance: 2557, critical: Infinity };
/** In some nights the store does something wrong. */
const FAULTS: readonly Fault[] = [
  'put fails',
  'get is altered',
  'put fails after storing',
  'get is cut',
  'put stores nothing',
  'get is empty',
  'get fails',
];
const FAULTY_FROM = 38;
const FAULTY_EVERY = 6;
const ERASED_IN = 25;
const [HELD_FROM, HELD_TO] = [5, 10];
const [HOLDS_IN, RELEASED_IN] = [30, 90];
const HELD_READS = 29;
const HELD_ARCHIVE = 3;
const HELD_ARCHIVE_IN = 63;
const KILLED_IN = 52;
const RESTARTED_IN = 60;
const SECRET_KEYS = `test:${Buffer.from('0123456789abcdefghijklmnopqrstuv').toString('base64url')}`;
const PERSON = { kind: 'user', id: '0190cafe-0000-7000-8000-000000000001', name: 'Ada Planted' } as const;

/** What was recorded: which log, which month of the story. */
interface Told {
  log: Log;
  month: number;
}

describe('eight years', () => {
  const recorded = new Map<string, Told>();
  const keys = { ...sharedKeys(), CADASTRE_SECRET_KEYS: SECRET_KEYS };
  let database: TestDatabase;
  let folder: string;
  let variables: Record<string, string>;
  let time: TrailTime;
  let t: TestApp;
  let store: FaultyStorage;
  /** How many nights there were in which something had to fail. */
  let failures = 0;
  /** The hold over three months of accesses, of which somebody else than who placed it can release it. */
  let hold = '';

  const today = new Date();
  /** The first instant of a month of the story; the last one, MONTHS, is the present. */
  const monthStart = (month: number): Date => new Date(Date.UTC(today.getUTCFullYear(), today.getUTCMonth() - MONTHS + month, 1));
  const periodOf = (month: number): string => monthStart(month).toISOString().slice(0, 10);

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'cadastre-years-'));
    variables = {
      ...keys,
      CADASTRE_JOBS: 'false',
      CADASTRE_AUDIT_ANCHOR_DIR: path.join(folder, 'anchors'),
      CADASTRE_PINNED_SETTINGS: JSON.stringify({ 'audit.archive.directory': folder }),
    };
    database = await createTestDatabase();
    time = new TrailTime(database);
    await time.goTo(new Date(monthStart(0).getTime() + DAY_MS));
    t = await started();
    // From here on tables are made ahead by the nightly run.
    await t.sql('SELECT audit_ensure_partitions(1)');
  }, 120_000);

  afterAll(async () => {
    await t.close();
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  async function started(): Promise<TestApp> {
    const app = await startTestApp(variables, database);
    time.follow(app);
    const settings = app.app.get(ArchiveSettings);
    store = new FaultyStorage(await settings.store());
    settings.store = () => Promise.resolve(store);
    return app;
  }

  function nightly(): Promise<ArchiveRun> {
    return t.app.get(RetentionRun).run({ requestedBy: 'system' });
  }

  async function sealed(): Promise<void> {
    const sealer = t.app.get(Sealer);
    await eventually(async () => {
      while ((await sealer.turn()) > 0);
      return (await t.sql('SELECT FROM audit_inbox')).length === 0;
    }, 45_000);
  }

  async function recordMonth(month: number): Promise<void> {
    const trail = t.app.get(AuditTrail);
    await t.app.get(UnitOfWork).run(async () => {
      for (const log of LOGS)
        for (let n = 0; n < EVENTS; n++) {
          const id = `${log}-${month}-${n}`;
          recorded.set(id, { log, month });
          const category: AuditCategory = log === 'critical' ? 'governance' : log;
          const actor: Pick<AuditEvent, 'actor'> = n === 0 && month < ERASED_IN ? { actor: PERSON } : {};
          const severity = log === 'critical' ? 'critical' : 'info';
          await trail.record({
            action: 'test.sealed',
            category,
            severity,
            resource: { type: 'thing', id },
            detail: { month, n },
            ...actor,
          });
        }
    });
  }

  async function partitionsOf(month: number): Promise<string[]> {
    const rows = await t.sql<{ name: string }>(
      `SELECT h.name FROM audit_heads h WHERE to_regclass('audit_log_' || h.name || to_char($1::date, '_YYYY_MM')) IS NOT NULL ORDER BY h.name`,
      [periodOf(month)],
    );
    return rows.map(({ name }) => name);
  }

  async function erase(): Promise<void> {
    await sealed();
    const admin = await asRole(t, 'superuser');
    const answer = await admin.post(`/api/v1/audit/subjects/${PERSON.id}/erasure`).send({ reason: 'Asked for it.' }).expect(202);
    // The job that does it is not at work here.
    await t.app.get(Erasure).forget({ subject: PERSON.id, keys: (answer.body as SubjectView).keys.map(({ kid }) => kid) });
  }

  async function place(name: string, scope: object): Promise<string> {
    const admin = await asRole(t, 'superuser');
    const answer = await admin
      .post('/api/v1/audit/holds')
      .send({ name, reason: 'A case.', ...scope })
      .expect(201);
    return (answer.body as { id: string }).id;
  }

  /** On months that are in the database. */
  async function placeHolds(): Promise<void> {
    hold = await place('Accesses', { logs: ['access'], from: monthStart(HELD_FROM), to: monthStart(HELD_TO) });
    await place('A read', { resourceType: 'thing', resourceId: `reads-${HELD_READS}-1`, logs: ['reads'] });
  }

  /** A process that dies in the middle of a nightly run. */
  async function killedRun(): Promise<void> {
    const worker = await startProcess('test/support/archiving-worker.mjs', database, {
      ...variables,
      CLOCK_AHEAD_MS: String(time.aheadMs),
      DIE_AFTER: 'uploaded',
    });
    expect(await worker.ended).toBe('SIGKILL');
    await eventually(async () => {
      const alive = await t.sql(
        `SELECT FROM pg_stat_activity WHERE application_name = 'cadastre audit archive' AND datname = current_database()`,
      );
      return alive.length === 0;
    });
  }

  /** A night in which the store does something wrong: what was to go stays. */
  async function faultyNight(fault: Fault): Promise<void> {
    const left = (): Promise<object[]> =>
      t.sql('SELECT class, count(*), sum(seq) FROM audit_log WHERE class IN (1, 3, 4, 9) GROUP BY class ORDER BY class');
    const before = await left();
    store.fault = fault;
    const run = await nightly();
    store.fault = undefined;
    expect(run).toMatchObject({ state: 'failed', error: expect.stringContaining('months failed') as string });
    expect(run.steps.filter(({ error }) => error !== undefined).length).toBeGreaterThanOrEqual(3);
    expect(await left()).toEqual(before);
    failures++;
  }

  /** The run of the month before made them. */
  async function hasTables(month: number): Promise<void> {
    for (const ahead of month === 0 ? [0] : [0, 1, 2])
      expect([month, ahead, (await partitionsOf(month + ahead)).length]).toEqual([month, ahead, 6]);
  }

  async function nightOf(month: number): Promise<void> {
    if (month >= FAULTY_FROM && (month - FAULTY_FROM) % FAULTY_EVERY === 0)
      await faultyNight(FAULTS[((month - FAULTY_FROM) / FAULTY_EVERY) % FAULTS.length] ?? 'put fails');
    else expect([month, await nightly()]).toMatchObject([month, { error: null }]);
  }

  it('T1, T2, T3, T4, A16: of all logs and every month nothing is lost, nothing is there twice, and what is gone had to go', async () => {
    for (let month = 0; month < MONTHS; month++) {
      await time.goTo(new Date(monthStart(month).getTime() + DAY_MS));
      await hasTables(month);
      await recordMonth(month);
      if (month === ERASED_IN) await time.really(erase);
      if (month === HOLDS_IN) await time.really(placeHolds);
      // Of these nothing is left but their archives.
      if (month === HELD_ARCHIVE_IN)
        await time.really(() => place('Early changes', { logs: ['governance'], from: monthStart(0), to: monthStart(HELD_ARCHIVE) }));
      if (month === RELEASED_IN)
        await time.really(async () => {
          const other = await asRole(t, 'superuser');
          await other.post(`/api/v1/audit/holds/${hold}/release`).send({ reason: 'Settled.' }).expect(200);
        });
      await sealed();
      if (month === KILLED_IN) await killedRun();
      if (month === RESTARTED_IN) {
        await t.close();
        t = await started();
      }
      await nightOf(month);
    }
    await time.goTo(new Date());
    await sealed();
    for (let run = await nightly(); run.steps.length > 0; run = await nightly()) expect(run).toMatchObject({ error: null });
    expect(failures).toBe(Math.ceil((MONTHS - FAULTY_FROM) / FAULTY_EVERY));
    await sealed();
  }, 600_000);

  const isPast = (month: number, days: number): boolean => monthStart(month + 1).getTime() + days * DAY_MS <= Date.now();

  /** Where an event has to be by the policies and the holds, counted here a second time. */
  function dueOf({ log, month }: Told): 'database' | 'archive' | 'gone' {
    if (log === 'reads' && month === HELD_READS) return 'database';
    if (log === 'governance' && month < HELD_ARCHIVE && isPast(month, LEAVES[log])) return 'archive';
    if (isPast(month, GOES[log])) return 'gone';
    return isPast(month, LEAVES[log]) ? 'archive' : 'database';
  }

  it('T1, T2, T3: every event is in the database, in an archive that was read back, or gone because a policy said so and no hold kept it', async () => {
    const at = new Map<string, string[]>();
    const add = (id: string, where: string): void => void at.set(id, [...(at.get(id) ?? []), where]);
    const places = new Map<number, Map<number, string>>();
    const fill = (ofClass: number, seq: number, where: string): void => {
      const log = places.get(ofClass) ?? new Map<number, string>();
      // Nothing is there twice.
      expect([ofClass, seq, log.get(seq)]).toEqual([ofClass, seq, undefined]);
      places.set(ofClass, log.set(seq, where));
    };
    const rows = await t.sql<{ class: number; seq: string; action: string; resource_id: string }>(
      'SELECT class, seq, action, resource_id FROM audit_log',
    );
    for (const row of rows) {
      fill(row.class, Number(row.seq), 'database');
      if (row.action === 'test.sealed') add(row.resource_id, 'database');
    }
    const repository = t.app.get(ArchiveRepository);
    const archives = t.app.get(Archives);
    for (const month of await repository.months()) {
      if (month.state === 'closed') continue;
      if (month.state === 'purged' || month.objectKey === null) {
        for (let seq = month.firstSeq; seq <= month.lastSeq; seq++) fill(month.class, seq, 'gone');
        continue;
      }
      expect([month.log, month.period, month.state]).toEqual([month.log, month.period, expect.stringMatching(/^(detached|dropped)$/)]);
      const signed = (await repository.manifest(month)) ?? '';
      await archives.check(month, signed);
      for await (const { seq, payload } of archives.events(store, month, await archives.manifestOf(month, signed))) {
        fill(month.class, seq, 'archive');
        const said = JSON.parse(payload) as { action: string; resource?: { id: string } };
        if (said.action === 'test.sealed') add(said.resource?.id ?? '', 'archive');
      }
    }
    // Each log from its first event to its last.
    for (const { class: ofClass, size } of await t.sql<{ class: number; size: string }>('SELECT class, size FROM audit_heads'))
      expect([ofClass, places.get(ofClass)?.size]).toEqual([ofClass, Number(size)]);
    // Each event that was recorded here, once, where it has to be.
    expect(recorded.size).toBe(MONTHS * LOGS.length * EVENTS);
    const found = [...recorded.keys()].map((id) => [id, at.get(id) ?? ['gone']]);
    expect(found).toEqual([...recorded].map(([id, told]) => [id, [dueOf(told)]]));
    expect(at.size).toBe([...recorded.values()].filter((told) => dueOf(told) !== 'gone').length);
    // All of what is critical.
    const critical = [...recorded].filter(([, { log }]) => log === 'critical');
    expect(critical.filter(([id]) => at.get(id)?.length === 1)).toHaveLength(MONTHS * EVENTS);
  }, 120_000);

  it('T3, T6, A4: the log and every archive verify, from inside and from the command line', async () => {
    expect(await t.app.get(Verifier).verify({ anchors: path.join(folder, 'anchors') })).toMatchObject({ result: 'sound', findings: [] });
    expect(await t.app.get(ArchiveChecks).findings()).toEqual([]);
    const verified = await runCadastre(['audit', 'verify', '--archives'], {
      ...variables,
      CADASTRE_ENV: 'test',
      CADASTRE_VAR_DIR: folder,
      DATABASE_URL: database.url,
      DATABASE_DIRECT_URL: database.ownerUrl,
    });
    expect(verified).toMatchObject({ code: 0 });
  }, 120_000);

  it('T5, T7: search finds what was archived, with nothing of who was erased, and nothing of what is gone', async () => {
    const auditor = await asRole(t, 'auditor');
    const search = async (id: string): Promise<AuditEventPage['items']> => {
      const answer = await auditor
        .get(`/api/v1/audit/events?archived=true&action=test.sealed&resourceType=thing&resourceId=${id}`)
        .expect(200);
      return (answer.body as AuditEventPage).items;
    };
    expect(await search('ipam-40-1')).toMatchObject([{ archived: true, resource: { id: 'ipam-40-1' } }]);
    expect(await search('access-20-0')).toMatchObject([{ archived: true, erased: true, actor: { name: PERSON.id } }]);
    expect(await search('ipam-90-1')).toMatchObject([{ resource: { id: 'ipam-90-1' } }]);
    expect(await search('access-2-1')).toEqual([]);
    expect(await search('reads-50-1')).toEqual([]);
  });

  it('T4: what was done to each month is in the trail, once', async () => {
    const done = await eventsOf(t, `action IN ('audit.archived', 'audit.period_detached', 'audit.period_dropped', 'audit.archive_purged')`);
    const said = done.map(({ action, resource }) => `${action} ${resource?.id ?? ''}`);
    expect(new Set(said).size).toBe(said.length);
    expect(said).toContain(`audit.archive_purged ipam/${periodOf(0)}`);
    expect(said).not.toContain(`audit.archive_purged governance/${periodOf(0)}`);
    await expectSeveritiesOfCatalogue(t);
  });
});
