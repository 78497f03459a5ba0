import { execFile } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
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
import { Archives } from '../src/audit/archive/archives.js';
import { type StoredEvent } from '../src/audit/log/stored-event.js';
import { PersonalReader } from '../src/audit/personal/personal-reader.js';
import { RehydrationEnd } from '../src/audit/restored/rehydration-end.js';
import { RestoredWriter } from '../src/audit/restored/restored-writer.js';
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
/** Events that are read back in one transaction. */
const BATCH = 500;
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
  return t.app.get(Rehydrator).loadOrWait('ipam', period);
}

/** The same without waiting for whoever is at it. */
async function loadNow(t: TestApp): Promise<unknown> {
  const { period } = await theMonth(t);
  return t.app.get(Rehydrator).load('ipam', period);
}

interface Stop {
  /** When it is there. */
  reached: Promise<unknown>;
  goOn: () => void;
  /** For what is stopped: says that it is there, and waits until it may go on. */
  here: () => Promise<void>;
}

function aStop(): Stop {
  const at = new EventEmitter();
  return {
    reached: once(at, 'reached'),
    goOn: () => {
      at.emit('go');
    },
    here: async () => {
      const gone = once(at, 'go');
      at.emit('reached');
      await gone;
    },
  };
}

/** Stops whoever next reads the month back between two batches: the first is written, the second is not. */
function stopBetweenBatches(t: TestApp): Stop {
  const stop = aStop();
  const archives = t.app.get(Archives);
  const check = archives.check.bind(archives);
  jest.spyOn(archives, 'check').mockImplementationOnce((month, manifest, take) =>
    check(month, manifest, async (event) => {
      if (event.seq === BATCH + 50) await stop.here();
      await take?.(event);
    }),
  );
  return stop;
}

/** The lease of whoever reads the month back ends, as that of somebody who died. */
async function leaseEnds(t: TestApp): Promise<void> {
  await t.sql(`UPDATE audit_rehydration SET lease_until = now() - interval '1 second'`);
}

/** The person is erased, and everything that follows from it is done. */
async function erased(t: TestApp): Promise<void> {
  const admin = await asRole(t, 'superuser');
  await admin.post(`/api/v1/audit/subjects/${PERSON}/erasure`).send({ reason: 'Left.' }).expect(202);
  await eventually(async () => (await t.sql(`SELECT FROM jobs WHERE name = 'audit.forget-names' AND state = 'done'`)).length === 1, 20_000);
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
            `SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.relation = 'audit_rehydration'::regclass AND l.mode = 'RowExclusiveLock'
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

  it('T5: while it is read back others are sealed, the archive is searched, and nobody sees a part of it', async () => {
    await onCopy(async (t) => {
      const admin = await asRole(t, 'superuser');
      const [event] = await search(admin, { resourceType: 'thing', resourceId: 'thing-300' });
      const stop = stopBetweenBatches(t);
      await ask(t);
      const loading = load(t);
      await stop.reached;
      expect(await restored(t)).toHaveLength(BATCH);
      expect(await standing(admin)).toMatchObject({ rehydration: { state: 'loading', rows: null, error: null } });

      const horizon = `SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS at`;
      const [before] = await t.sql<{ at: string }>(horizon);
      await record(t, 'governance', 1);
      await allSealed(t);
      expect(await t.sql(`SELECT FROM audit_log WHERE class = 7 AND action = 'test.sealed'`)).toHaveLength(1);
      const [after] = await t.sql<{ at: string }>(horizon);
      expect(BigInt(after!.at)).toBeGreaterThan(BigInt(before!.at));

      const found = await search(admin, { action: 'test.sealed', category: 'ipam' });
      expect(found).toHaveLength(COUNT + 2);
      expect(new Set(found.map(({ id }) => id)).size).toBe(COUNT + 2);
      const missing = await admin.post('/api/v1/audit/evidence').send({ ids: [event!.id] });
      expect(missing).toMatchObject({ status: 404, body: { code: 'event_archived' } });

      stop.goOn();
      await loading;
      expect(await restored(t)).toHaveLength(COUNT);
      expect(await standing(admin)).toMatchObject({ rehydration: { state: 'ready', rows: COUNT } });
      await admin
        .post('/api/v1/audit/evidence')
        .send({ ids: [event!.id] })
        .expect(200);
    });
  });

  it('T5: asked for while it is read back, is not begun anew, and looked at again later', async () => {
    await onCopy(async (t) => {
      const stop = stopBetweenBatches(t);
      await ask(t);
      const loading = load(t);
      await stop.reached;
      const admin = await asRole(t, 'superuser');
      const { period } = await theMonth(t);
      await admin
        .post(`${PERIODS}/ipam/${period.slice(0, 7)}/rehydrate`)
        .send({ days: 30 })
        .expect(202);
      const again = `SELECT FROM jobs WHERE name = 'audit.rehydrate' AND state = 'waiting' AND run_at > now()`;
      await eventually(async () => (await t.sql(again)).length === 1);
      expect(await t.sql('SELECT state, attempt FROM audit_rehydration')).toEqual([{ state: 'loading', attempt: 1 }]);
      stop.goOn();
      await loading;
      await t.sql(`UPDATE jobs SET run_at = now() WHERE name = 'audit.rehydrate' AND state = 'waiting'`);
      await eventually(async () => (await t.sql(`SELECT FROM jobs WHERE name = 'audit.rehydrate' AND state <> 'done'`)).length === 0);
      expect(await t.sql('SELECT state, attempt FROM audit_rehydration')).toEqual([{ state: 'ready', attempt: 1 }]);
      expect(await restored(t)).toHaveLength(COUNT);
      expect(await eventsOf(t, `action = 'audit.period_rehydrated'`)).toHaveLength(1);
    });
  });

  it('T5: is there once when whoever read it back died at it, also when they were not dead', async () => {
    await onCopy(async (t) => {
      const silent = stopBetweenBatches(t);
      await ask(t);
      const first = loadNow(t);
      await silent.reached;
      expect(await loadNow(t)).toMatchObject({ state: 'loading' });
      await leaseEnds(t);
      expect(await loadNow(t)).toMatchObject({ state: 'ready', rows: COUNT });
      expect(await restored(t)).toHaveLength(COUNT);
      silent.goOn();
      expect(await first).toMatchObject({ state: 'ready', rows: COUNT });
      expect(await restored(t)).toHaveLength(COUNT);
      expect(await eventsOf(t, `action = 'audit.period_rehydrated'`)).toMatchObject([{ outcome: 'success' }]);
    });
  });

  it('T5: of two who read it back at once the one that began last does, and their events are not mixed', async () => {
    await onCopy(async (t) => {
      const [slow, fast] = [stopBetweenBatches(t), stopBetweenBatches(t)];
      await ask(t);
      const first = loadNow(t);
      await slow.reached;
      await leaseEnds(t);
      const second = loadNow(t);
      await fast.reached;
      slow.goOn();
      await expect(first).rejects.toMatchObject({ code: 'archive_state_changed' });
      expect(await restored(t)).toHaveLength(BATCH);
      fast.goOn();
      expect(await second).toMatchObject({ state: 'ready', rows: COUNT });
      expect((await restored(t)).map(({ seq }) => Number(seq))).toEqual(Array.from({ length: COUNT }, (_, n) => n));
      expect(await eventsOf(t, `action = 'audit.period_rehydrated'`)).toMatchObject([{ outcome: 'success' }]);
    });
  });

  it('T5: given up on the way, says nothing of a failure, and is begun anew at once', async () => {
    await onCopy(async (t) => {
      const stop = stopBetweenBatches(t);
      await ask(t);
      const { period } = await theMonth(t);
      const giveUp = new AbortController();
      const first = t.app.get(Rehydrator).load('ipam', period, giveUp.signal);
      await stop.reached;
      giveUp.abort();
      stop.goOn();
      await expect(first).rejects.toThrow('aborted');
      expect(await restored(t)).toHaveLength(BATCH);
      expect(await loadNow(t)).toMatchObject({ state: 'ready', rows: COUNT });
      expect(await restored(t)).toHaveLength(COUNT);
      expect(await eventsOf(t, `action = 'audit.period_rehydrated'`)).toMatchObject([{ outcome: 'success' }]);
    });
  });

  it('T5: is not ready when a part that was written is not there any more', async () => {
    await onCopy(async (t) => {
      const stop = stopBetweenBatches(t);
      await ask(t);
      const loading = loadNow(t);
      await stop.reached;
      await t.sql('DELETE FROM audit_restored WHERE seq = 3');
      stop.goOn();
      await expect(loading).rejects.toThrow(`Of ${COUNT} events`);
      expect(await t.sql('SELECT state FROM audit_rehydration')).toEqual([{ state: 'failed' }]);
      expect(await restored(t)).toEqual([]);
      expect(await loadNow(t)).toMatchObject({ state: 'ready', rows: COUNT });
    });
  });

  it('T5: taken away while it is read back, stays away', async () => {
    await onCopy(async (t) => {
      const stop = stopBetweenBatches(t);
      await ask(t);
      const loading = loadNow(t);
      await stop.reached;
      const admin = await asRole(t, 'superuser');
      const { period } = await theMonth(t);
      await admin.delete(`${PERIODS}/ipam/${period.slice(0, 7)}/rehydrate`).expect(204);
      expect(await restored(t)).toEqual([]);
      stop.goOn();
      expect(await loading).toBeUndefined();
      expect(await restored(t)).toEqual([]);
      expect(await standing(admin)).toMatchObject({ rehydration: null });
      expect(await eventsOf(t, `action = 'audit.rehydration_ended'`)).toMatchObject([{ detail: { reason: 'asked', rows: null } }]);
      expect(await eventsOf(t, `action = 'audit.period_rehydrated'`)).toEqual([]);
    });
  });

  it('T5: taken away by somebody who died at it, is not seen, goes within the hour, and can be wanted again', async () => {
    await onCopy(async (t) => {
      const writer = t.app.get(RestoredWriter);
      const cutOff = async (): Promise<void> => {
        await ask(t, 30);
        await load(t);
        jest.spyOn(writer, 'clear').mockRejectedValueOnce(new Error('died'));
        await expect(t.app.get(RehydrationEnd).end('ipam', (await theMonth(t)).period)).rejects.toThrow('died');
        expect(await restored(t)).toHaveLength(COUNT);
        expect(await t.sql('SELECT state FROM audit_rehydration')).toEqual([{ state: 'ending' }]);
      };
      await cutOff();
      expect(await loadNow(t)).toBeUndefined();
      expect(await t.app.get(RehydrationEnd).endOver()).toBe(1);
      expect(await restored(t)).toEqual([]);
      expect(await t.sql('SELECT FROM audit_rehydration')).toEqual([]);
      await cutOff();
      await ask(t, 2);
      await load(t);
      expect(await restored(t)).toHaveLength(COUNT);
      // The wish of before ended with the copy.
      expect(await t.sql(`SELECT state FROM audit_rehydration WHERE expires_at < now() + interval '3 days'`)).toEqual([{ state: 'ready' }]);
      expect(await eventsOf(t, `action = 'audit.rehydration_ended'`)).toHaveLength(2);
    });
  });

  it('T5: goes when its time is over, and when its month is in the log again', async () => {
    await onCopy(async (t) => {
      await ask(t, 7);
      await load(t);
      expect(await t.app.get(RehydrationEnd).endOver()).toBe(0);
      await t.sql(`UPDATE audit_rehydration SET expires_at = now() - interval '1 second'`);
      expect(await t.app.get(RehydrationEnd).endOver()).toBe(1);
      expect(await restored(t)).toEqual([]);
      expect(await eventsOf(t, `action = 'audit.rehydration_ended'`)).toMatchObject([{ detail: { reason: 'expired' } }]);
    });
    await onCopy(async (t) => {
      await t.app.get(RetentionRun).run({ requestedBy: 'test' });
      await ask(t);
      await load(t);
      const months = t.app.get(ArchiveRepository);
      await t.app.get(Archiver).undo(await months.claim(await theMonth(t)), new Date(Date.now() + 86_400_000));
      expect(await t.app.get(RehydrationEnd).endOver()).toBe(1);
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

  it('T5: one event of it is read by its id: from its archive when that is asked for, from its copy always, and it is said', async () => {
    await onCopy(async (t) => {
      const auditor = await asRole(t, 'auditor');
      const [event] = await search(auditor, { resourceType: 'thing', resourceId: 'thing-300' });
      const { period } = await theMonth(t);
      const one = (id = event!.id): string => `${EVENTS}/${id}`;
      expect((await auditor.get(one()).expect(404)).body).toMatchObject({
        code: 'event_archived',
        eventId: event!.id,
        months: expect.arrayContaining([{ log: 'ipam', period: period.slice(0, 7) }]) as unknown,
      });
      const read = await auditor.get(one()).query({ archived: true }).set('x-request-id', 'one-of-an-archive').expect(200);
      expect(read.body).toEqual(event);
      expect(await eventsOf(t, 'correlation_id = $1', 'one-of-an-archive')).toMatchObject([
        { action: 'audit.read', resource: { type: 'audit_event', id: event!.id }, detail: { archived: true, count: 1 } },
      ]);
      const nobodys = event!.id.replace(/.{4}$/, '0000');
      expect((await auditor.get(one(nobodys)).query({ archived: true }).expect(404)).body).toMatchObject({ code: 'audit_event_not_found' });
      await auditor.get(one('00000000-0000-7000-8000-000000000000')).expect(404, /audit_event_not_found/);

      await ask(t);
      await load(t);
      expect((await auditor.get(one()).expect(200)).body).toEqual(event);
      await asAttacker(
        t.database,
        `UPDATE audit_restored SET payload = replace(payload, 'thing-300"', 'thing-301"') WHERE id = '${event!.id}'`,
      );
      expect((await auditor.get(one()).expect(409)).body).toMatchObject({ code: 'archive_broken' });
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
      const found = { resourceType: 'thing', resourceId: 'thing-300' };
      const months = (await t.app.get(ArchiveRepository).archived()).length;
      const short = await auditor.post('/api/v1/audit/evidence').send(found).expect(200);
      expect(short.body).toMatchObject({ logs: [], archivedMonths: months });
      expect(months).toBeGreaterThan(0);
      expect(
        (
          await auditor
            .post('/api/v1/audit/evidence')
            .send({ ...found, category: 'reads' })
            .expect(200)
        ).body,
      ).toMatchObject({ archivedMonths: 0 });
      await ask(t);
      await load(t);
      const pack = await auditor
        .post('/api/v1/audit/evidence')
        .send({ ids: [event!.id] })
        .expect(200);
      const file = path.join(folder, 'pack.json');
      await writeFile(file, JSON.stringify(pack.body));
      expect(pack.body).toMatchObject({ archivedMonths: 0 });
      const { keys: known } = pack.body as { keys: { publicKey: string }[] };
      expect(await verified(file, known[0]!.publicKey)).toMatchObject({ code: 0 });
      const partly = await auditor.post('/api/v1/audit/evidence').send({ category: 'ipam' }).expect(200);
      await writeFile(file, JSON.stringify(partly.body));
      expect(await verified(file, known[0]!.publicKey)).toMatchObject({
        code: 0,
        output: expect.stringContaining('archived months may have more') as string,
      });
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
      await t.app.get(RehydrationEnd).end('ipam', period);
      await ask(t);
      await load(t);
      expect(await t.sql(`SELECT FROM audit_restored WHERE ${NAMED}`)).toEqual([]);
    });
  });

  it('T5, G2: forgets a person in what was written while it is still read back', async () => {
    await onCopy(async (t) => {
      const stop = aStop();
      const writer = t.app.get(RestoredWriter);
      const write = writer.write.bind(writer);
      jest.spyOn(writer, 'write').mockImplementationOnce(async (...month) => {
        const rows = await write(...month);
        await stop.here();
        return rows;
      });
      await ask(t);
      const loading = load(t);
      await stop.reached;
      expect(await t.sql(`SELECT FROM audit_restored WHERE ${NAMED}`)).toHaveLength(1);
      await erased(t);
      expect(await t.sql(`SELECT FROM audit_restored WHERE ${NAMED}`)).toEqual([]);
      stop.goOn();
      await loading;
      expect(await t.sql(`SELECT FROM audit_restored WHERE ${NAMED}`)).toEqual([]);
      expect(await restored(t)).toHaveLength(COUNT);
    });
  });

  it('T5, G2: writes nothing of a person who was erased after their events were opened', async () => {
    await onCopy(async (t) => {
      const stop = aStop();
      const reader = t.app.get(PersonalReader);
      const open = reader.open.bind(reader);
      let names = 0;
      jest.spyOn(reader, 'open').mockImplementation(async <T extends StoredEvent>(stored: readonly T[]) => {
        const events = await open(stored);
        if (names > 0) return events;
        names = events.filter(({ opened }) => opened?.event.actor && JSON.stringify(opened.event).includes('planted-name')).length;
        if (names > 0) await stop.here();
        return events;
      });
      await ask(t);
      const loading = load(t);
      await stop.reached;
      expect(names).toBe(1);
      expect(await restored(t)).toHaveLength(BATCH);
      await erased(t);
      stop.goOn();
      await loading;
      expect(await t.sql(`SELECT FROM audit_restored WHERE ${NAMED}`)).toEqual([]);
      expect(await restored(t)).toHaveLength(COUNT);
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

  it('T5, O8: every month that may have what somebody did is read back by the command, and no other', async () => {
    await onCopy(async (t) => {
      const variables = {
        ...pinned(),
        CADASTRE_ENV: 'test',
        DATABASE_URL: t.database.url,
        DATABASE_DIRECT_URL: t.database.ownerUrl,
        CADASTRE_JOBS: 'false',
        CADASTRE_VAR_DIR: folder,
      };
      const { period } = await theMonth(t);
      const all = (await t.app.get(ArchiveRepository).archived()).length;
      expect(all).toBeGreaterThan(1);
      const nobody = await runCadastre(['audit', 'rehydrate', '--actor', 'nobody-at-all'], variables);
      expect(nobody).toMatchObject({ code: 0, output: expect.stringContaining(`0 of ${all} archived months`) as string });
      const done = await runCadastre(['audit', 'rehydrate', '--actor', PERSON, '--days', '3'], variables);
      expect(done).toMatchObject({
        code: 0,
        output: expect.stringContaining(`1 of ${all} archived months may have events of ${PERSON}`) as string,
      });
      expect(done.output).toContain(`ipam ${period.slice(0, 7)} is back with ${COUNT} events`);
      expect(await t.sql(`SELECT class, period::text FROM audit_rehydration WHERE state = 'ready'`)).toEqual([{ class: 3, period }]);
      expect(await t.sql('SELECT FROM audit_restored WHERE actor_id = $1', [PERSON])).toHaveLength(1);
    });
  }, 150_000);

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
      expect(await runCadastre(['audit', 'rehydrate', ...month, '--actor', PERSON], variables)).toMatchObject({ code: 2 });
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
