import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Client } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { Archives } from '../src/audit/archive/archives.js';
import { ArchiveJob } from '../src/audit/archive/archive.job.js';
import { ArchiveRuns } from '../src/audit/archive/archive-runs.service.js';
import { ArchiveSchedule } from '../src/audit/archive/archive-schedule.js';
import { BloomFilter } from '../src/audit/archive/bloom-filter.js';
import { type ArchiveRunView } from '../src/audit/archive/archive.dto.js';
import { parseManifest } from '../src/audit/archive/manifest.js';
import { Partitions } from '../src/audit/archive/partitions.js';
import { SealingSettings } from '../src/audit/sealing/sealing-settings.js';
import { ArchiveChecks } from '../src/audit/archive/archive-checks.js';
import { ArchivePlanner } from '../src/audit/archive/archive-planner.js';
import { ArchiveRepository, type Month } from '../src/audit/archive/archive.repository.js';
import { ArchiveStore } from '../src/audit/archive/archive-store.js';
import { ArchiveSettings } from '../src/audit/archive/archive-settings.js';
import { Archiver } from '../src/audit/archive/archiver.js';
import { type ArchiveRun, ArchiveRunsRepository } from '../src/audit/archive/archive-runs.repository.js';
import { RetentionRun } from '../src/audit/archive/retention-run.js';
import { Detector } from '../src/audit/detection/detector.js';
import { beginSnapshot } from '../src/audit/verification/snapshot.js';
import { Verifier } from '../src/audit/verification/verifier.js';
import { LegalHolds } from '../src/audit/holds/holds.service.js';
import { zstd } from '../src/platform/storage/codecs/zstd.js';
import { type ObjectStorage } from '../src/platform/storage/object-storage.js';
import { storageUnavailable } from '../src/platform/storage/storage-error.js';
import { AppConfig } from '../src/config/app-config.js';
import { eventsOf, expectSeveritiesOfCatalogue } from './support/audit-events.js';
import { type Fault, FaultyStorage } from './support/faulty-storage.js';
import { startProcess } from './support/child-process.js';
import { eventually } from './support/eventually.js';
import { runCadastre } from './support/run-cadastre.js';
import { asRole } from './support/sign-in.js';
import { allSealed, asAttacker, record, recordMany, sharedKeys } from './support/sealed-log.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { copyTestDatabase, createTestDatabase, type TestDatabase } from './support/test-database.js';
import { monthsClosed, setTrailBack, statesOf } from './support/years.js';

const keys = sharedKeys();
const EVENTS = 600;
let original: TestDatabase;

/** Months of four years ago in three logs, and a few events of today. */
beforeAll(async () => {
  original = await createTestDatabase();
  await setTrailBack(original, 1500);
  const t = await startTestApp(keys, original);
  await record(t, 'ipam', EVENTS);
  await record(t, 'reads', 20);
  await allSealed(t);
  await setTrailBack(original, 0);
  await record(t, 'ipam', 3);
  await monthsClosed(t);
  await allSealed(t);
  await t.close();
}, 120_000);

afterAll(() => original.drop());

/** The application on a copy of that database; its variable files are its own. */
async function onCopy(work: (t: TestApp) => Promise<void>, settings: Record<string, unknown> = {}): Promise<void> {
  const copy = await copyTestDatabase(original);
  try {
    const t = await startTestApp({ ...keys, CADASTRE_PINNED_SETTINGS: JSON.stringify(settings) }, copy);
    try {
      await work(t);
    } finally {
      await t.close();
    }
  } finally {
    await copy.drop();
  }
}

function runNow(t: TestApp): Promise<ArchiveRun> {
  return t.app.get(RetentionRun).run({ requestedBy: 'test' });
}

async function filesOf(t: TestApp): Promise<string[]> {
  const folder = path.join(t.app.get(AppConfig).varDirectory, 'archive', 'objects');
  const found = await readdir(folder, { recursive: true }).catch(() => []);
  return found.filter((name) => /\.(zst|manifest)$/.test(name)).map((name) => path.join(folder, name));
}

function rowsIn(t: TestApp): Promise<{ seq: string; payload: string }[]> {
  return t.sql(`SELECT seq, payload FROM audit_log WHERE class = 3 AND sealed_at < now() - interval '1 year' ORDER BY seq`);
}

/** The same as the server itself writes them in JSON. */
async function linesIn(t: TestApp): Promise<string[]> {
  const instant = (column: string): string => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
  const rows = await t.sql<{ line: string }>(
    `SELECT format('{"seq":%s,"id":"%s","sealed_at":"%s","recorded_at":"%s","xid":"%s","epoch":%s,"mac":"%s","payload":%s}', seq, id,
                   ${instant('sealed_at')}, ${instant('recorded_at')}, xid, cluster_epoch, encode(emit_mac, 'hex'), payload) AS line
       FROM audit_log WHERE class = 3 AND sealed_at < now() - interval '1 year' ORDER BY seq`,
  );
  return rows.map(({ line }) => line);
}

async function soundly(t: TestApp): Promise<void> {
  await allSealed(t);
  expect(await t.app.get(Verifier).verify({ anchors: null })).toMatchObject({ result: 'sound', findings: [] });
  expect(await t.app.get(ArchiveChecks).findings()).toEqual([]);
}

describe('a month that is past its time', () => {
  it('T2: goes into an archive that holds exactly what was there, and only then leaves the database', async () => {
    await onCopy(async (t) => {
      const before = await linesIn(t);
      expect(before).toHaveLength(EVENTS);
      const run = await runNow(t);
      expect(run).toMatchObject({ state: 'done', error: null });
      expect(run.steps).toMatchObject([
        { log: 'reads', from: 'closed', to: 'detached' },
        { log: 'ipam', from: 'closed', to: 'detached' },
        { log: 'governance', from: 'closed', to: 'detached' },
      ]);
      expect(await rowsIn(t)).toEqual([]);
      const files = await filesOf(t);
      expect(files).toHaveLength(4);
      const file = files.find((name) => /ipam.*zst$/.test(name)) ?? '';
      const archived = await text(zstd.decompress(createReadStream(file)));
      expect(archived.split('\n')).toEqual([...before, '']);
      await soundly(t);
    });
  });

  it('T4: takes along the dead rows that it made, and leaves planners with what they need to know', async () => {
    await onCopy(async (t) => {
      await runNow(t);
      const tidied = (column: string, like: string): Promise<string[]> =>
        eventually(async () => {
          const rows = await t.sql<{ name: string }>(
            `SELECT s.relname AS name FROM pg_stat_all_tables s WHERE s.${column} IS NOT NULL AND s.relname LIKE $1 ORDER BY 1`,
            [like],
          );
          return rows.length > 0 && rows.map(({ name }) => name);
        });
      expect(await tidied('last_vacuum', 'audit_%')).toEqual(['audit_archive', 'audit_archive_run']);
      expect(await tidied('last_analyze', 'audit_log_ipam%')).not.toHaveLength(0);
    });
  });

  it('T2: two runs the same day overwrite nothing and say nothing twice', async () => {
    await onCopy(async (t) => {
      await runNow(t);
      const before = await Promise.all((await filesOf(t)).map((file) => readFile(file, 'hex')));
      const again = await runNow(t);
      expect(again).toMatchObject({ state: 'done', steps: [] });
      expect(await Promise.all((await filesOf(t)).map((file) => readFile(file, 'hex')))).toEqual(before);
      for (const action of ['audit.archived', 'audit.period_detached'])
        expect(await eventsOf(t, `action = $1 AND resource_id LIKE 'ipam/%'`, action)).toHaveLength(1);
    });
  });

  it.each<[Fault, string]>([
    ['put fails', 'exporting'],
    ['put fails after storing', 'exporting'],
    ['put stores nothing', 'exporting'],
    ['get fails', 'uploaded'],
    ['get is cut', 'uploaded'],
    ['get is altered', 'uploaded'],
    ['get is empty', 'uploaded'],
  ])('T3: when the store fails (%s), no event is removed, somebody is told, and the next run makes it good', async (fault, state) => {
    await onCopy(async (t) => {
      const settings = t.app.get(ArchiveSettings);
      const store = new FaultyStorage(await settings.store());
      settings.store = () => Promise.resolve(store);
      store.fault = fault;
      const run = await runNow(t);
      expect(await rowsIn(t)).toHaveLength(EVENTS);
      expect([...(await statesOf(t, 'ipam'))]).toEqual([state]);
      expect(run).toMatchObject({ state: 'failed', error: expect.stringContaining('2 of 3 months failed') as string });
      expect(await eventsOf(t, `action = 'audit.archive_failed' AND resource_id LIKE 'ipam/%'`)).toMatchObject([
        { severity: 'high', outcome: 'failure' },
      ]);
      await t.app.get(Detector).detect();
      expect(await t.sql(`SELECT severity FROM audit_alerts WHERE rule = 'archive_failed'`)).toEqual([{ severity: 'high' }]);
      store.fault = undefined;
      // Not before its next try is due.
      await t.sql('UPDATE audit_archive SET next_try = NULL');
      expect(await runNow(t)).toMatchObject({ state: 'done', error: null });
      expect(await statesOf(t, 'ipam')).toEqual(['detached']);
      await soundly(t);
    });
  });

  describe('in the run of the night', () => {
    const alerts = async (t: TestApp): Promise<object[]> => {
      await t.app.get(Detector).detect();
      return t.sql(`SELECT subject, severity FROM audit_alerts WHERE rule = 'archive_failed'`);
    };
    const ALERT = [{ subject: 'audit_log', severity: 'high' }];

    async function atNight(t: TestApp): Promise<ArchiveRun> {
      t.app.get(ArchiveSchedule).isDue = () => true;
      await t.app.get(ArchiveJob).tick();
      return eventually(async () => {
        // A job that failed waits some seconds before it is tried again.
        await t.sql(`UPDATE jobs SET run_at = now() WHERE name = 'audit.retention-nightly' AND state = 'waiting'`);
        const [run] = await t.sql<{ id: string }>('SELECT id FROM audit_archive_run WHERE finished_at IS NOT NULL');
        return run && t.app.get(ArchiveRunsRepository).byId(run.id);
      }, 30_000);
    }

    it('T4: a month that cannot be archived raises an alert', async () => {
      await onCopy(async (t) => {
        const settings = t.app.get(ArchiveSettings);
        const store = new FaultyStorage(await settings.store());
        settings.store = () => Promise.resolve(store);
        store.fault = 'put fails';
        expect(await atNight(t)).toMatchObject({ state: 'failed', error: expect.stringContaining('2 of 3 months failed') as string });
        expect(await alerts(t)).toEqual(ALERT);
      });
    });

    it.each<[string, (partitions: Partitions, error: Error) => void]>([
      ['without its connection', (partitions, error) => (partitions.alone = () => Promise.reject(error))],
      ['before its first month', (partitions, error) => (partitions.premake = () => Promise.reject(error))],
    ])('T4: a run that fails %s ends as failed, with its reason, and raises an alert', async (_where, breakIt) => {
      await onCopy(async (t) => {
        breakIt(t.app.get(Partitions), new Error('The owner is away.'));
        expect(await atNight(t)).toMatchObject({ state: 'failed', error: 'The owner is away.' });
        expect(await eventsOf(t, `action = 'audit.archive_failed'`)).toMatchObject([
          { resource: { type: 'audit_archive_run' }, detail: { reason: 'The owner is away.', code: 'unexpected' } },
        ]);
        expect(await alerts(t)).toEqual(ALERT);
      });
    });
  });

  it('T3: events that are not what was sealed are not archived, and stay', async () => {
    await onCopy(async (t) => {
      await asAttacker(t.database, `UPDATE audit_log SET payload = replace(payload, 'thing-7"', 'thing-8"') WHERE class = 3 AND seq = 7`);
      expect(await runNow(t)).toMatchObject({ state: 'failed' });
      expect(await eventsOf(t, `action = 'audit.archive_failed'`)).toMatchObject([{ detail: { code: 'archive_root_differs' } }]);
      expect((await filesOf(t)).filter((name) => name.includes('ipam'))).toEqual([]);
      expect(await rowsIn(t)).toHaveLength(EVENTS);
    });
  });

  it('T3: something else that lies in its place is never overwritten', async () => {
    await onCopy(async (t) => {
      const store = await t.app.get(ArchiveSettings).store();
      const planned = (await t.app.get(ArchivePlanner).plan()).months.find(({ log }) => log === 'ipam');
      await store.put(planned!.object!, Readable.from([Buffer.from('something else')]), { createOnly: true });
      expect(await runNow(t)).toMatchObject({ state: 'failed', error: expect.stringContaining('1 of 3') as string });
      expect(await eventsOf(t, `action = 'audit.archive_failed'`)).toMatchObject([{ detail: { code: 'archive_conflict' } }]);
      expect(await text((await store.get(planned!.object!)).stream)).toBe('something else');
      expect(await rowsIn(t)).toHaveLength(EVENTS);
    });
  });

  it('T3: it can be put back, and is in the log as if it had never left', async () => {
    await onCopy(async (t) => {
      const before = await rowsIn(t);
      await runNow(t);
      const archive = t.app.get(ArchiveRepository);
      const [month] = (await archive.months()).filter(({ log }) => log === 'ipam');
      const until = new Date(Date.now() + 86_400_000);
      await t.app.get(Archiver).undo(await archive.claim(month!), until);
      expect(await rowsIn(t)).toEqual(before);
      await soundly(t);
      expect(await runNow(t)).toMatchObject({ state: 'done', steps: [] });
      await t.sql('UPDATE audit_archive SET next_try = NULL');
      expect(await runNow(t)).toMatchObject({ steps: [{ log: 'ipam', from: 'verified', to: 'detached' }], error: null });
      await soundly(t);
      await expectSeveritiesOfCatalogue(t);
    });
  });

  it('T3: it can be put back for some days; then its table is dropped, and what was archived stays', async () => {
    await onCopy(async (t) => {
      await runNow(t);
      const archive = t.app.get(ArchiveRepository);
      const [month] = (await archive.months()).filter(({ log }) => log === 'ipam');
      await t.sql(`UPDATE audit_archive SET detached_at = detached_at - interval '8 days'`);
      expect(await runNow(t)).toMatchObject({ steps: Array(3).fill({ from: 'detached', to: 'dropped' }) as object[], error: null });
      expect(await archive.place(month!)).toBe('gone');
      await soundly(t);
      const dropped = (await archive.months()).find(({ log }) => log === 'ipam');
      await expect(t.app.get(Archiver).undo(await archive.claim(dropped!), new Date(0))).rejects.toMatchObject({
        code: 'archive_state_changed',
      });
    });
  });

  it('T3: what is not archived by its rules is removed, which is said, and stays while deletions are not allowed', async () => {
    await onCopy(
      async (t) => {
        await runNow(t);
        expect(await statesOf(t, 'reads')).toEqual(['closed']);
      },
      { 'audit.archive.deletions': false },
    );
    await onCopy(
      async (t) => {
        await runNow(t);
        expect(await statesOf(t, 'reads')).toEqual(['detached']);
        await runNow(t);
        expect(await statesOf(t, 'reads')).toEqual(['dropped']);
        expect(await eventsOf(t, `action = 'audit.period_dropped' AND resource_id LIKE 'reads/%'`)).toMatchObject([
          { detail: { archived: false, rows: 20 } },
        ]);
        await soundly(t);
      },
      { 'audit.archive.undoDays': 0 },
    );
  });

  it('T3: a legal hold keeps all of it', async () => {
    await onCopy(async (t) => {
      await t.sql(
        'CREATE OR REPLACE FUNCTION audit_held(of_class smallint, of_period date) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT of_class = 3 $$',
      );
      expect(await runNow(t)).toMatchObject({ state: 'done', steps: [{ log: 'reads' }, { log: 'governance' }] });
      expect(await rowsIn(t)).toHaveLength(EVENTS);
    });
  });

  it('A4, T3: a month that was dropped with a forged state is found', async () => {
    await onCopy(async (t) => {
      await allSealed(t);
      const [month] = (await t.app.get(ArchiveRepository).months()).filter(({ log }) => log === 'ipam');
      const part = `audit_log_ipam_${month!.period.slice(0, 7).replace('-', '_')}`;
      await asAttacker(
        t.database,
        `INSERT INTO audit_archive (class, period, state, object_key, manifest, detached_at) VALUES (3, '${month!.period}', 'dropped', 'x', 'y', now())`,
        `INSERT INTO audit_leaf SELECT class, seq, sha256('\\x00'::bytea || convert_to(payload, 'UTF8')) FROM ${part}
          WHERE seq >= 512`,
        `DROP TABLE ${part}`,
      );
      expect(await t.app.get(Verifier).verify({ anchors: null })).toMatchObject({
        result: 'incomplete',
        findings: [{ code: 'period_missing', log: 'ipam', seq: 0 }],
      });
    });
  });

  it('A4, T2: does not leave the log beneath a verification: the run waits for it, and ends what it began', async () => {
    await onCopy(async (t) => {
      await allSealed(t);
      const archive = t.app.get(ArchiveRepository);
      const [month] = (await archive.months()).filter(({ log }) => log === 'ipam');
      const client = new Client(t.database.adminUrl);
      await client.connect();
      try {
        await beginSnapshot(client);
        await client.query('SELECT');
        const running = runNow(t);
        await eventually(async () => {
          const waiting = await t.sql(`SELECT FROM pg_locks WHERE NOT granted AND relation = to_regclass('audit_detaching')`);
          return waiting.length > 0 || (await archive.place(month!)) !== 'attached';
        }, 30_000);
        expect(await t.app.get(Verifier).verifyOn(client, { anchors: null })).toMatchObject({ result: 'sound', findings: [] });
        await client.query('ROLLBACK');
        expect(await running).toMatchObject({ state: 'done', error: null });
      } finally {
        await client.end();
      }
      expect(await archive.place(month!)).toBe('trash');
      await soundly(t);
    });
  });

  it('T2: a reader who holds the log for some seconds does not leave the month half taken out', async () => {
    await onCopy(async (t) => {
      const archive = t.app.get(ArchiveRepository);
      const client = new Client(t.database.adminUrl);
      await client.connect();
      try {
        await client.query('BEGIN; SELECT FROM audit_log WHERE class = 3 LIMIT 1');
        const place = archive.place.bind(archive);
        let places: string[] = [];
        archive.place = async (month) => {
          const found = await place(month);
          if (month.class === 3) places = [...places, found];
          return found;
        };
        const running = runNow(t);
        // It has given up once, and found what it had begun.
        await eventually(() => places.includes('detaching'), 30_000);
        await client.query('ROLLBACK');
        expect(await running).toMatchObject({ state: 'done', error: null });
        expect(places.at(-1)).toBe('alone');
      } finally {
        await client.end();
      }
      expect(await statesOf(t, 'ipam')).toEqual(['detached']);
      await soundly(t);
    });
  });

  it('T6: the weekly check finds an archive that is gone or was altered', async () => {
    await onCopy(async (t) => {
      await runNow(t);
      const settings = t.app.get(ArchiveSettings);
      const store = new FaultyStorage(await settings.store());
      settings.store = () => Promise.resolve(store);
      // A quarter a week, at least one: those that were read longest ago.
      for (let week = 0; week < 2; week++) expect(await t.app.get(ArchiveChecks).weekly()).toEqual({ read: 1, broken: 0 });
      const unread = await t.sql(`SELECT FROM audit_archive WHERE object_key IS NOT NULL AND checked_at IS NULL`);
      expect(unread).toEqual([]);
      store.fault = 'get is altered';
      expect(await t.app.get(ArchiveChecks).weekly()).toEqual({ read: 1, broken: 1 });
      store.fault = undefined;
      const gone = (await t.app.get(ArchiveRepository).months()).filter(({ objectKey }) => objectKey !== null);
      for (const { objectKey } of gone) await store.delete(objectKey!);
      expect(await t.app.get(ArchiveChecks).weekly()).toEqual({ read: 1, broken: 1 });
      expect(await t.app.get(ArchiveChecks).findings('ipam')).toMatchObject([{ code: 'archive_broken', log: 'ipam', seq: 0 }]);
      expect(await eventsOf(t, `action = 'audit.archive_broken'`)).toMatchObject(Array(3).fill({ severity: 'critical' }));
    });
  });
});

describe('an archive that is past its time', () => {
  /** The month of the log ipam, archived and dropped, on a copy where its time is over. */
  const pastItsTime = (work: (t: TestApp, month: Month, store: ObjectStorage) => Promise<void>): Promise<void> =>
    onCopy(
      async (t) => {
        await t.sql(`UPDATE audit_retention_policy SET delete_after_days = 1200 WHERE name = 'Everything'`);
        for (let run = 0; run < 2; run++) expect(await runNow(t)).toMatchObject({ error: null });
        expect(await statesOf(t, 'ipam')).toEqual(['dropped']);
        const month = (await t.app.get(ArchiveRepository).months()).find(({ log }) => log === 'ipam');
        await work(t, month!, await t.app.get(ArchiveSettings).store());
      },
      { 'audit.archive.undoDays': 0 },
    );
  const isThere = (store: ObjectStorage, key: string | null): Promise<boolean> =>
    store.head(key ?? '').then(
      () => true,
      () => false,
    );
  const found = async (t: TestApp): Promise<unknown[]> => {
    const auditor = await asRole(t, 'auditor');
    const answer = await auditor
      .get('/api/v1/audit/events?archived=true&action=test.sealed&resourceId=thing-7&resourceType=thing')
      .expect(200);
    return (answer.body as { items: unknown[] }).items;
  };

  it('T1, T3: is purged: the object is gone, its manifest stays, the log is sound, and search says nothing of it', async () => {
    await pastItsTime(async (t, { objectKey, manifestKey }, store) => {
      expect(await found(t)).toHaveLength(1);
      expect(await runNow(t)).toMatchObject({ error: null, steps: [{ log: 'ipam', from: 'dropped', to: 'purged' }, { to: 'purged' }] });
      expect([await isThere(store, objectKey), await isThere(store, manifestKey)]).toEqual([false, true]);
      expect(await eventsOf(t, `action = 'audit.archive_purged' AND resource_id LIKE 'ipam/%'`)).toMatchObject([
        { detail: { object: objectKey, rows: EVENTS } },
      ]);
      expect(await found(t)).toEqual([]);
      expect(await runNow(t)).toMatchObject({ error: null, steps: [] });
      await soundly(t);
    });
  });

  it('T1, T3: stays when its deletion is not allowed', async () => {
    await pastItsTime(async (t, { objectKey }, store) => {
      Object.defineProperty(t.app.get(ArchiveSettings), 'deletions', { value: false });
      expect(await runNow(t)).toMatchObject({ error: null, steps: [] });
      expect(await isThere(store, objectKey)).toBe(true);
    });
  });

  it('T1, T3: a hold that is committed while a purge waits for it keeps the object; one that comes later finds it gone', async () => {
    await pastItsTime(async (t, month, store) => {
      const archive = t.app.get(ArchiveRepository);
      const archiver = t.app.get(Archiver);
      const place = `INSERT INTO audit_legal_hold (name, reason, logs, placed_by, placed_by_name) VALUES ('case', 'a case', '{ipam}', 'a', 'a')`;
      const waiting = (): Promise<boolean> =>
        eventually(
          async () => (await t.sql(`SELECT FROM pg_locks WHERE relation = 'audit_legal_hold'::regclass AND NOT granted`)).length === 1,
        );
      const holder = new Client(t.database.adminUrl);
      await holder.connect();
      try {
        const claimed = await archive.claim(month);
        await holder.query(`BEGIN; ${place}`);
        const deciding = archiver.take(claimed, 'purging', undefined).then(
          () => 'purging',
          (error: unknown) => (error as { code?: string }).code,
        );
        await waiting();
        expect(await isThere(store, month.objectKey)).toBe(true);
        await holder.query('COMMIT');
        expect(await deciding).toBe('archive_period_held');
        expect(await isThere(store, month.objectKey)).toBe(true);
        expect(await statesOf(t, 'ipam')).toEqual(['dropped']);
        await holder.query(
          `UPDATE audit_legal_hold SET released_at = now(), released_by = 'b', released_by_name = 'b', release_reason = 'over'`,
        );
        const purging = await archiver.take(claimed, 'purging', undefined);
        t.app.get(ArchiveStore).remove = async ({ objectKey }) => {
          // A store that takes its time keeps nobody waiting.
          await holder.query(place);
          await store.delete(objectKey ?? '');
        };
        await archiver.take(purging, 'purged', undefined);
        const [late] = (await t.app.get(LegalHolds).list({ active: true, limit: 10, offset: 0 })).items;
        expect(late!.months.filter(({ log }) => log === 'ipam')).toMatchObject([{ gone: true }, { gone: false }]);
        expect(await isThere(store, month.objectKey)).toBe(false);
        expect(await statesOf(t, 'ipam')).toEqual(['purged']);
      } finally {
        await holder.end();
      }
    });
  });

  it('T1, T3: is still being purged when the store does not remove it, and goes with the next run', async () => {
    await pastItsTime(async (t, { objectKey }, store) => {
      const objects = t.app.get(ArchiveStore);
      const remove = objects.remove.bind(objects);
      objects.remove = () => Promise.reject(storageUnavailable('The store is away.', 1));
      expect(await runNow(t)).toMatchObject({ state: 'failed' });
      expect([await isThere(store, objectKey), await statesOf(t, 'ipam')]).toEqual([true, ['purging']]);
      expect(await eventsOf(t, `action = 'audit.archive_purged'`)).toEqual([]);
      // Placed after it was decided, a hold stops nothing any more.
      await t.sql(
        `INSERT INTO audit_legal_hold (name, reason, logs, placed_by, placed_by_name) VALUES ('case', 'a case', '{ipam}', 'a', 'a')`,
      );

      objects.remove = remove;
      await t.sql('UPDATE audit_archive SET next_try = NULL');
      expect(await runNow(t)).toMatchObject({ error: null });
      expect([await isThere(store, objectKey), await statesOf(t, 'ipam')]).toEqual([false, ['purged']]);
    });
  });
});

describe('a purge that is killed', () => {
  it.each(['DIE_BEFORE=purged', 'DIE_AFTER=purging'])('T1, T2: at %s is ended by the next run, and said once', async (where) => {
    const copy = await copyTestDatabase(original);
    const folder = await mkdtemp(path.join(tmpdir(), 'cadastre-archive-'));
    const pins = { 'audit.archive.directory': folder, 'audit.archive.undoDays': 0 };
    const variables = { ...keys, CADASTRE_PINNED_SETTINGS: JSON.stringify(pins) };
    const [name = '', state = ''] = where.split('=');
    try {
      for (const at of ['', '', state]) {
        const worker = await startProcess('test/support/archiving-worker.mjs', copy, {
          ...variables,
          ...(at === '' ? {} : { [name]: at }),
        });
        const ended = await worker.ended;
        expect([ended, ended === 1 ? worker.output() : '']).toEqual([at === '' ? 0 : 'SIGKILL', '']);
        await asAttacker(copy, `UPDATE audit_retention_policy SET delete_after_days = 1200 WHERE name = 'Everything'`);
      }
      const t = await startTestApp(variables, copy);
      try {
        expect(await t.sql(`SELECT FROM audit_archive WHERE state = 'purging'`)).not.toEqual([]);
        for (let run = 0; run < 2; run++) expect(await runNow(t)).toMatchObject({ state: 'done', error: null });
        expect(await statesOf(t, 'ipam')).toEqual(['purged']);
        expect(await eventsOf(t, `action = 'audit.archive_purged' AND resource_id LIKE 'ipam/%'`)).toHaveLength(1);
        expect((await readdir(path.join(folder, 'objects'), { recursive: true })).filter((file) => file.endsWith('.zst'))).toEqual([]);
        await soundly(t);
      } finally {
        await t.close();
      }
    } finally {
      await copy.drop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('a run that is killed', () => {
  const STATES = ['exporting', 'uploaded', 'verified', 'detaching', 'detached', 'dropped'];

  it.each(STATES.flatMap((state) => [`DIE_BEFORE=${state}`, `DIE_AFTER=${state}`]))(
    'T2, T3: at %s loses nothing and doubles nothing',
    async (where) => {
      const copy = await copyTestDatabase(original);
      const folder = await mkdtemp(path.join(tmpdir(), 'cadastre-archive-'));
      const pins = { 'audit.archive.directory': folder, 'audit.archive.undoDays': 0 };
      const variables = { ...keys, CADASTRE_PINNED_SETTINGS: JSON.stringify(pins) };
      const [name = '', state = ''] = where.split('=');
      // What was dropped was detached by a run before.
      const runs = state === 'dropped' ? ['', state] : [state];
      for (const at of runs) {
        const worker = await startProcess('test/support/archiving-worker.mjs', copy, {
          ...variables,
          ...(at === '' ? {} : { [name]: at }),
        });
        const ended = await worker.ended;
        // What it printed tells why it ended otherwise.
        expect([ended, ended === 1 ? worker.output() : '']).toEqual([at === '' ? 0 : 'SIGKILL', '']);
      }
      const t = await startTestApp(variables, copy);
      try {
        for (let run = 0; run < 2; run++) expect(await runNow(t)).toMatchObject({ state: 'done', error: null });
        expect(await statesOf(t, 'ipam')).toEqual(['dropped']);
        expect((await readdir(path.join(folder, 'objects'), { recursive: true })).filter((file) => file.endsWith('.zst'))).toHaveLength(2);
        expect(await t.sql(`SELECT state FROM audit_archive_run WHERE state NOT IN ('done', 'failed')`)).toEqual([]);
        for (const action of ['audit.archived', 'audit.period_detached', 'audit.period_dropped'])
          expect([action, await eventsOf(t, `action = $1 AND resource_id LIKE 'ipam/%'`, action)]).toMatchObject([action, [{ action }]]);
        await soundly(t);
      } finally {
        await t.close();
        await copy.drop();
        await rm(folder, { recursive: true, force: true });
      }
    },
  );
});

describe('the plan', () => {
  it('T4: a dry run says what would happen, and writes nothing', async () => {
    await onCopy(async (t) => {
      const auditor = await asRole(t, 'auditor');
      await allSealed(t);
      const counted = (): Promise<object[]> =>
        t.sql(`SELECT (SELECT count(*) FROM audit_archive) AS months, (SELECT count(*) FROM audit_archive_run) AS runs,
                      (SELECT count(*) FROM audit_events WHERE action LIKE 'audit.%' AND action <> 'audit.checkpointed') AS events`);
      const before = await counted();
      const { body } = (await auditor.get('/api/v1/audit/archive/plan').expect(200)) as { body: { hash: string; months: object[] } };
      expect(body.months).toMatchObject([
        { log: 'meta', action: 'none', dueAt: null },
        { log: 'reads', action: 'remove', object: null, rows: 20 },
        { log: 'ipam', action: 'archive', rows: EVENTS, object: expect.stringMatching(/^audit\/.*\/ipam\/.*\.jsonl\.zst$/) as string },
        { log: 'governance', action: 'archive' },
      ]);
      expect(await counted()).toEqual(before);
      expect(await filesOf(t)).toEqual([]);
      expect(((await auditor.get('/api/v1/audit/archive/plan').expect(200)) as { body: { hash: string } }).body.hash).toBe(body.hash);
      await auditor.post('/api/v1/audit/archive/runs').send({ planHash: body.hash }).expect(403);
    });
  });

  it('T4: what was looked at is done, and refused once something else would be', async () => {
    await onCopy(async (t) => {
      const admin = await asRole(t, 'superuser');
      const { hash } = ((await admin.get('/api/v1/audit/archive/plan').expect(200)) as { body: { hash: string } }).body;
      const { body } = (await admin.post('/api/v1/audit/archive/runs').send({ planHash: hash }).expect(201)) as { body: { id: string } };
      const run = await eventually(async () => {
        const answer = (await admin.get(`/api/v1/audit/archive/runs/${body.id}`).expect(200)) as { body: ArchiveRunView };
        return answer.body.finishedAt !== null && answer.body;
      }, 30_000);
      expect(run).toMatchObject({ state: 'done', steps: [{ log: 'reads' }, { log: 'ipam', to: 'detached' }, { log: 'governance' }] });
      expect(run.sizes.find(({ log }) => log === 'ipam')).toMatchObject({ rows: 3, archivedRows: EVENTS, archivedMonths: 1 });
      const refused = await admin.post('/api/v1/audit/archive/runs').send({ planHash: hash }).expect(409);
      expect(refused.body).toMatchObject({ code: 'archive_plan_changed' });
      await expect(t.app.get(RetentionRun).run({ requestedBy: 'test', planHash: hash })).rejects.toMatchObject({
        code: 'archive_plan_changed',
      });
      const { body: listed } = (await admin.get('/api/v1/audit/archive/runs').expect(200)) as { body: { items: ArchiveRunView[] } };
      expect(listed.items.map(({ state, error }) => [state, error])).toEqual([
        ['failed', expect.stringContaining('Something else')],
        ['done', null],
      ]);
    });
  });

  it('T4: a run that is told to stop is not done, and goes on as the same run', async () => {
    await onCopy(async (t) => {
      const stop = new AbortController();
      const store = t.app.get(ArchiveStore);
      const check = store.check.bind(store);
      store.check = async (month, manifest) => {
        await check(month, manifest);
        stop.abort();
      };
      const id = uuidv7();
      const run = t.app.get(RetentionRun);
      await expect(run.run({ id, requestedBy: 'test', signal: stop.signal })).rejects.toMatchObject({ name: 'AbortError' });
      const runs = t.app.get(ArchiveRunsRepository);
      expect(await runs.byId(id)).toMatchObject({ state: 'running', finishedAt: null, steps: [{ log: 'reads', to: 'detached' }] });
      expect(await statesOf(t, 'ipam')).toEqual(['verified']);
      expect(await run.run({ id, requestedBy: 'test' })).toMatchObject({
        id,
        state: 'done',
        error: null,
        steps: [
          { log: 'reads', from: 'closed', to: 'detached' },
          { log: 'ipam', from: 'verified', to: 'detached' },
          { log: 'governance', to: 'detached' },
        ],
      });
      expect(await eventsOf(t, `action = 'audit.archive_failed'`)).toEqual([]);
    });
  });

  it('T4: a run that is asked for while another one is at it waits without failing, and one whose job dies is failed', async () => {
    await onCopy(async (t) => {
      const soon = (): Promise<object[]> => t.sql(`UPDATE jobs SET run_at = now() WHERE name = 'audit.archive' AND state = 'waiting'`);
      const attempts = async (): Promise<number> =>
        (await t.sql<{ n: number }>(`SELECT coalesce(sum(attempts), 0)::int AS n FROM jobs WHERE name = 'audit.archive'`))[0]!.n;
      const ask = async (): Promise<ArchiveRun> => {
        const service = t.app.get(ArchiveRuns);
        return service.request((await service.plan()).hash);
      };
      const ended = (id: string): Promise<ArchiveRun> =>
        eventually(async () => {
          await soon();
          const run = await t.app.get(ArchiveRunsRepository).byId(id);
          return run?.finishedAt ? run : undefined;
        }, 30_000);
      const asked = await t.app.get(Partitions).alone(async () => {
        const run = await ask();
        // More often than a job is tried.
        await eventually(async () => {
          await soon();
          return (await attempts()) > 6;
        }, 30_000);
        // Not later: once nobody else is at it, it runs at once.
        expect(await t.app.get(ArchiveRunsRepository).byId(run.id)).toMatchObject({ state: 'waiting', error: null });
        return run;
      });
      expect(await t.sql(`SELECT FROM jobs WHERE name = 'audit.archive' AND state = 'dead'`)).toEqual([]);
      expect(await ended(asked.id)).toMatchObject({ state: 'done', error: null });
      const doomed = await ask();
      t.app.get(Partitions).alone = () => Promise.reject(new Error('The owner is away.'));
      expect(await ended(doomed.id)).toMatchObject({ state: 'failed', error: 'The owner is away.' });
    });
  });

  it('T4: at its hour, one run a night whatever the number of instances, and never two at once', async () => {
    const copy = await copyTestDatabase(original);
    const variables = { ...keys, CADASTRE_PINNED_SETTINGS: JSON.stringify({ 'retention.hour': new Date().getUTCHours() }) };
    const [one, two] = [await startTestApp(variables, copy), await startTestApp(variables, copy)];
    try {
      for (const t of [one, two]) {
        const soon = new Date(Date.now() + 60_000).getUTCHours() !== new Date().getUTCHours();
        expect(t.app.get(ArchiveSchedule).isDue()).toBe(!soon);
        t.app.get(ArchiveSchedule).isDue = () => true;
      }
      await Promise.all([one, two].map((t) => t.app.get(ArchiveJob).tick()));
      await eventually(async () => (await one.sql(`SELECT FROM audit_archive_run WHERE state = 'done'`)).length === 1, 30_000);
      expect(await one.sql(`SELECT FROM audit_archive_run`)).toHaveLength(1);
      expect(await statesOf(one, 'ipam')).toEqual(['detached']);
      const held = one.app.get(Partitions).alone(() => expect(runNow(two)).rejects.toMatchObject({ code: 'archive_run_in_progress' }));
      await held;
    } finally {
      await one.close();
      await two.close();
      await copy.drop();
    }
  });

  it('O8, T4: the command line shows the plan, follows it, puts a month back, and reads archives', async () => {
    const copy = await copyTestDatabase(original);
    const folder = await mkdtemp(path.join(tmpdir(), 'cadastre-var-'));
    const cadastre = (...args: string[]): Promise<{ code: number; output: string }> =>
      runCadastre(['audit', ...args], {
        ...keys,
        CADASTRE_ENV: 'test',
        CADASTRE_VAR_DIR: folder,
        DATABASE_URL: copy.url,
        DATABASE_DIRECT_URL: copy.ownerUrl,
      });
    try {
      const plan = await cadastre('archive', '--dry-run');
      expect(plan).toMatchObject({ code: 0, output: expect.stringMatching(/ipam 20\d\d-\d\d\s+closed\s+archive/) as string });
      const hash = /plan ([0-9a-f]{64})/.exec(plan.output)?.[1] ?? '';
      expect((await cadastre('archive', 'apply')).code).not.toBe(0);
      expect(
        await cadastre(
          'archive',
          'apply',
          '--plan',
          hash.replace(/^./, (c) => (c === '0' ? '1' : '0')),
        ),
      ).toMatchObject({
        code: 1,
        output: expect.stringContaining('Something else would be done by now') as string,
      });
      expect(await cadastre('archive', 'apply', '--plan', hash)).toMatchObject({
        code: 0,
        output: expect.stringContaining('Done.') as string,
      });
      expect(await cadastre('verify', '--archives', '--anchors', 'none')).toMatchObject({ code: 0 });
      const period = /ipam (20\d\d-\d\d)/.exec(plan.output)?.[1] ?? '';
      expect(await cadastre('archive', 'undo', '--class', 'ipam', '--period', period)).toMatchObject({ code: 0 });
      expect(await cadastre('retention', '--dry-run')).toMatchObject({ code: 0 });
      await rm(path.join(folder, 'archive'), { recursive: true });
      expect(await cadastre('verify', '--archives', '--anchors', 'none')).toMatchObject({
        code: 2,
        output: expect.stringContaining('archive_broken') as string,
      });
      const client = new Client(copy.adminUrl);
      await client.connect();
      const { rows } = await client.query<{ actor_id: string }>(
        `SELECT DISTINCT actor_id FROM audit_events WHERE action = 'audit.archive_undone'`,
      );
      await client.end();
      expect(rows).toEqual([{ actor_id: expect.stringMatching(/^cli:/) as string }]);
    } finally {
      await copy.drop();
      await rm(folder, { recursive: true, force: true });
    }
  }, 180_000);

  it('A4, T6: a store of archives that is away is no verdict about the log, whatever keeps it away', async () => {
    const copy = await copyTestDatabase(original);
    const folder = await mkdtemp(path.join(tmpdir(), 'cadastre-var-'));
    const disk = path.join(folder, 'disk');
    const cadastre = (args: string[], pins: object): Promise<{ code: number; output: string }> =>
      runCadastre(['audit', ...args], {
        ...keys,
        CADASTRE_ENV: 'test',
        CADASTRE_VAR_DIR: folder,
        CADASTRE_PINNED_SETTINGS: JSON.stringify({ 'audit.archive.directory': disk, ...pins }),
        DATABASE_URL: copy.url,
        DATABASE_DIRECT_URL: copy.ownerUrl,
      });
    const verify = (pins: object): Promise<{ code: number; output: string }> =>
      cadastre(['verify', '--archives', '--anchors', 'none'], pins);
    const bucket = (endpoint: string): object =>
      Object.fromEntries(
        Object.entries({ kind: 's3', endpoint, bucket: 'archives', accessKeyId: 'id', secretAccessKey: 'key' }).map(([name, value]) => [
          `audit.archive.${name}`,
          value,
        ]),
      );
    try {
      await mkdir(disk);
      const plan = /plan ([0-9a-f]{64})/.exec((await cadastre(['archive', '--dry-run'], {})).output)?.[1] ?? '';
      expect(await cadastre(['archive', 'apply', '--plan', plan], {})).toMatchObject({ code: 0 });
      expect(await verify({})).toMatchObject({ code: 0 });

      const there = `${disk}-elsewhere`;
      await rename(disk, there);
      expect(await verify({})).toMatchObject({
        code: 75,
        output: expect.stringContaining('The folder of the store is not there.') as string,
      });
      // As a mount point that is a file.
      await writeFile(disk, '');
      expect(await verify({})).toMatchObject({
        code: 75,
        output: expect.stringContaining('The folder of the store is not there.') as string,
      });

      const nobody = createServer().listen(0, '127.0.0.1');
      await once(nobody, 'listening');
      const { port } = nobody.address() as AddressInfo;
      nobody.close();
      await once(nobody, 'close');
      const away = bucket(`http://127.0.0.1:${port}`);
      const allowed = { 'outbound.allowedNetworks': ['127.0.0.0/8'] };
      expect(await verify({ ...away, ...allowed })).toMatchObject({ code: 75 });
      // Its address may not be connected to.
      expect(await verify(away)).toMatchObject({ code: 75 });

      await rm(disk);
      await rename(there, disk);
      expect(await verify({})).toMatchObject({ code: 0 });
      const client = new Client(copy.adminUrl);
      await client.connect();
      const { rows } = await client.query(
        `SELECT action, outcome FROM audit_events WHERE action IN ('audit.archive_broken', 'audit.verified')`,
      );
      await client.end();
      // Of those that ended without a verdict, there is none.
      expect(rows).toEqual([
        { action: 'audit.verified', outcome: 'success' },
        { action: 'audit.verified', outcome: 'success' },
      ]);
    } finally {
      await copy.drop();
      await rm(folder, { recursive: true, force: true });
    }
  }, 240_000);
});

describe('a large month', () => {
  it('T2: 350,001 events: the archive is exactly what was there', async () => {
    const database = await createTestDatabase();
    await setTrailBack(database, 1500);
    const t = await startTestApp(keys, database);
    try {
      Object.assign(t.app.get(SealingSettings), { batch: 20_000 });
      // What finds events by their words has no part in this, and would be most of the time that filing them takes.
      await t.sql('DROP INDEX audit_log_words');
      await recordMany(t, 350_001);
      await eventually(async () => (await t.sql('SELECT FROM audit_inbox LIMIT 1')).length === 0, 240_000);
      await allSealed(t);
      await setTrailBack(database, 0);
      await record(t, 'ipam', 1);
      await monthsClosed(t);
      const [before] = await t.sql<{ rows: string; sum: string }>(
        `SELECT count(*) AS rows, encode(sha256(string_agg(sha256(convert_to(payload, 'UTF8')), '' ORDER BY seq)), 'hex') AS sum
           FROM audit_log WHERE class = 3 AND sealed_at < now() - interval '1 year'`,
      );
      expect(before?.rows).toBe('350001');
      expect(await runNow(t)).toMatchObject({ error: null });
      expect(await rowsIn(t)).toEqual([]);
      const archive = t.app.get(ArchiveRepository);
      const month = (await archive.months()).find(({ log }) => log === 'ipam')!;
      const { manifest } = parseManifest((await archive.manifest(month))!)!;
      expect(manifest).toMatchObject({ rows: 350_001, resourceTypes: { thing: 350_001 }, severities: { info: 350_001 } });
      expect(manifest.frames.length).toBeGreaterThan(80);
      const sum = createHash('sha256');
      for await (const { payload } of t.app.get(Archives).events(await t.app.get(ArchiveSettings).store(), month, manifest))
        sum.update(createHash('sha256').update(payload).digest());
      expect(sum.digest('hex')).toBe(before?.sum);
      expect(BloomFilter.of(manifest.filters.actor).mayHave('user-3')).toBe(true);
      expect(BloomFilter.of(manifest.filters.actor).mayHave('user-9')).toBe(false);
      await soundly(t);
    } finally {
      await t.close();
      await database.drop();
    }
  }, 400_000);
});
