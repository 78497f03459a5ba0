import { type Job, JobSettings } from '../src/platform/jobs/job.js';
import { UnitOfWork } from '../src/platform/database/unit-of-work.js';
import { currentContext, runInContext } from '../src/platform/context/request-context.js';
import { JobHandlers } from '../src/platform/jobs/job-handlers.js';
import { JobRepository } from '../src/platform/jobs/job.repository.js';
import { Jobs } from '../src/platform/jobs/jobs.js';
import { Metrics } from '../src/platform/metrics/metrics.js';
import { startProcess, type TestProcess } from './support/child-process.js';
import { eventually } from './support/eventually.js';
import { asRole, createUser, signIn, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { createTestDatabase, type TestDatabase } from './support/test-database.js';

const EFFECTS = `
  CREATE TABLE effects (job_id uuid NOT NULL, pid int NOT NULL);
  GRANT SELECT, INSERT ON effects TO cadastre_app`;

function stateOf(t: TestApp, id: string): Promise<Record<string, unknown> | undefined> {
  return t.sql('SELECT * FROM jobs WHERE id = $1', [id]).then(([row]) => row);
}

describe('durable jobs', () => {
  let t: TestApp;
  let work: UnitOfWork;
  let jobs: Jobs;
  let handlers: JobHandlers;

  beforeAll(async () => {
    t = await startTestApp();
    await t.sql(EFFECTS);
    work = t.app.get(UnitOfWork);
    jobs = t.app.get(Jobs);
    handlers = t.app.get(JobHandlers);
    handlers.register('test.effect', async (run) => {
      await work.query('INSERT INTO effects (job_id, pid) VALUES ($1, $2)', [run.id, run.attempt]);
    });
    handlers.register('test.fails', (run) => {
      const { message } = run.payload as { message: string };
      return Promise.reject(new Error(message));
    });
  });

  afterAll(() => t.close());

  it('R7: sends with the change, or not at all', async () => {
    const gone = work.run(async () => {
      await jobs.send('test.effect', { n: 1 });
      throw new Error('changed my mind');
    });
    await expect(gone).rejects.toThrow('changed my mind');
    expect(await t.sql('SELECT FROM jobs')).toHaveLength(0);

    const id = await work.run(() => jobs.send('test.effect', { n: 2 }));
    const job = await eventually(async () => (await stateOf(t, id))?.state === 'done' && stateOf(t, id));
    expect(job).toMatchObject({ attempts: 1, fence: 1, last_error: null, lease_until: null });
    expect(await t.sql('SELECT pid FROM effects WHERE job_id = $1', [id])).toEqual([{ pid: 1 }]);
  });

  it('O3: a job carries the id of the request that sent it, and acts as the system', async () => {
    let seen: unknown;
    handlers.register('test.context', () => {
      seen = currentContext();
      return Promise.resolve();
    });
    await runInContext({ requestId: 'request-of-a-person' }, () => jobs.send('test.context'));
    await eventually(() => seen !== undefined);
    expect(seen).toMatchObject({ requestId: 'request-of-a-person', principal: { kind: 'system', id: 'system', name: 'job test.context' } });
  });

  it('A10, ASVS 16.3.4: what always fails is tried again, then dead, and an event with outcome failure', async () => {
    const id = await runInContext({ requestId: 'request-that-fails' }, () =>
      jobs.send('test.fails', { message: 'no: postgres://app:hunter2@db/x password=hunter3' }, { maxAttempts: 2 }),
    );
    const waiting = await eventually(async () => {
      const job = await stateOf(t, id);
      return job?.attempts === 1 && job.state === 'waiting' && job;
    });
    expect((waiting.run_at as Date).getTime()).toBeGreaterThan(Date.now());
    await t.sql('UPDATE jobs SET run_at = now() WHERE id = $1', [id]);
    const dead = await eventually(async () => (await stateOf(t, id))?.state === 'dead' && stateOf(t, id));
    expect(dead).toMatchObject({ attempts: 2, last_error: 'no: postgres://app:[redacted]@db/x password=[redacted]' });
    const events = await t.sql<{ payload: string }>('SELECT payload FROM audit_events WHERE resource_id = $1', [id]);
    expect(events.map(({ payload }) => JSON.parse(payload) as unknown)).toMatchObject([
      { action: 'job.failed', outcome: 'failure', correlationId: 'request-that-fails', actor: { kind: 'system', name: 'job test.fails' } },
    ]);
  });

  it('O8: an operator of jobs lists them and lets a dead one start over', async () => {
    const [dead] = await t.sql<{ id: string }>(`SELECT id FROM jobs WHERE state = 'dead'`);
    const admin = await asRole(t, 'admin');
    const page = await admin.get('/api/v1/jobs?state=dead&name=test.fails&limit=1').expect(200);
    expect(page.body).toMatchObject({ items: [{ id: dead!.id, state: 'dead', attempts: 2 }], next: null });
    const first = await admin.get('/api/v1/jobs?limit=1').expect(200);
    const { next } = first.body as { next: string };
    const second = await admin.get('/api/v1/jobs').query({ limit: 1, after: next }).expect(200);
    expect((second.body as { items: Job[] }).items[0]!.id < (first.body as { items: Job[] }).items[0]!.id).toBe(true);

    await admin.post(`/api/v1/jobs/${dead!.id}/retry`).expect(200);
    const [event] = await t.sql<{ payload: string }>(`SELECT payload FROM audit_events WHERE action = 'job.retried'`);
    expect(JSON.parse(event!.payload)).toMatchObject({
      actor: { kind: 'user' },
      changes: expect.arrayContaining([expect.objectContaining({ field: 'state', before: 'dead', after: 'waiting' })]) as unknown,
    });
    await eventually(async () => (await stateOf(t, dead!.id))?.attempts === 1);
    const again = await admin.post(`/api/v1/jobs/${dead!.id}/retry`).expect(409);
    expect(again.body).toMatchObject({ code: 'job_not_dead' });
    await admin.post('/api/v1/jobs/0199aaaa-0000-7000-8000-000000000000/retry').expect(404);
    await admin.get('/api/v1/jobs?colour=red').expect(400);
    const stranger = withToken(t, (await signIn(t, await createUser(t))).accessToken);
    await stranger.get('/api/v1/jobs').expect(403);
    await stranger.post(`/api/v1/jobs/${dead!.id}/retry`).expect(403);
  });

  it('R13: who lost the lease cannot complete, and his effect is undone', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let signal: AbortSignal | undefined;
    handlers.register('test.paused', async (run) => {
      await work.query('INSERT INTO effects (job_id, pid) VALUES ($1, $2)', [run.id, run.attempt]);
      if (run.attempt > 1) return;
      signal = run.signal;
      await held;
    });
    const id = await jobs.send('test.paused');
    await eventually(() => signal);
    // As if this process had been suspended for longer than its lease.
    await t.sql(`UPDATE jobs SET lease_until = now() - interval '1 second' WHERE id = $1`, [id]);
    await jobs.send('test.effect');
    await eventually(async () => (await stateOf(t, id))?.state === 'done');
    release();
    const metrics = t.app.get(Metrics);
    await eventually(async () => (await metrics.text()).includes('jobs_finished_total{name="test.paused",outcome="lost"} 1'));
    expect(await stateOf(t, id)).toMatchObject({ state: 'done', fence: 2, attempts: 2 });
    expect(await t.sql('SELECT pid FROM effects WHERE job_id = $1', [id])).toEqual([{ pid: 2 }]);
  });

  it('R13: a job whose last worker died without a word is dead, not tried for ever', async () => {
    const id = await jobs.send('test.effect', {}, { maxAttempts: 1, runAt: new Date(Date.now() + 60_000) });
    await t.sql(`UPDATE jobs SET state = 'running', attempts = 1, fence = 7, lease_until = now() - interval '1 s' WHERE id = $1`, [id]);
    await jobs.send('test.effect');
    const job = await eventually(async () => (await stateOf(t, id))?.state === 'dead' && stateOf(t, id));
    expect(job).toMatchObject({ last_error: 'The worker went silent during the last attempt.', fence: 8 });
    expect(await t.sql('SELECT FROM effects WHERE job_id = $1', [id])).toHaveLength(0);
  });

  it('C5: three instances that tick ten slots give ten runs', async () => {
    handlers.register('test.slots', async (run) => {
      await work.query('INSERT INTO effects (job_id, pid) VALUES ($1, 0)', [run.id]);
    });
    const began = Math.floor(Date.now() / 60_000) * 60_000;
    const repository = t.app.get(JobRepository);
    const slots = Array.from({ length: 10 }, (_, slot) => new Date(began + slot * 60_000));
    // A little early, on time, late: what the clocks of three machines say within one slot.
    const instances = [-50, 0, 20_000].map((offset) =>
      slots.map((slot) => new Jobs(work, repository, { now: () => new Date(slot.getTime() + offset) })),
    );
    const sent = await Promise.all(instances.flat().map((instance) => instance.tick('test.slots', 60_000)));
    expect(sent.filter(Boolean)).toHaveLength(10);
    await eventually(async () => (await t.sql(`SELECT FROM jobs WHERE name = 'test.slots' AND state = 'done'`)).length === 10);
    const runs = await t.sql(`SELECT e.job_id FROM effects e JOIN jobs j ON j.id = e.job_id WHERE j.name = 'test.slots'`);
    expect(runs).toHaveLength(10);
  });

  it('forgets what was done a week ago, and nothing else', async () => {
    const [old, dead] = [await jobs.send('test.effect'), await jobs.send('test.effect')];
    await eventually(async () => (await t.sql(`SELECT FROM jobs WHERE id = ANY ($1) AND state = 'done'`, [[old, dead]])).length === 2);
    await t.sql(
      `UPDATE jobs SET finished_at = now() - interval '8 days', state = CASE WHEN id = $1 THEN 'done' ELSE 'dead' END WHERE id = ANY ($2)`,
      [old, [old, dead]],
    );
    const before = await t.sql('SELECT FROM jobs');
    const id = await jobs.send('retention.expire');
    await eventually(async () => (await stateOf(t, id))?.state === 'done');
    expect(await stateOf(t, old)).toBeUndefined();
    expect(await t.sql('SELECT FROM jobs')).toHaveLength(before.length);
  });

  it('O7: a stopping process says so, and gives back the jobs it cannot finish', async () => {
    const second = await startTestApp({}, t.database);
    let begun = false;
    const endless = (): Promise<void> => {
      begun = true;
      return new Promise(() => undefined);
    };
    second.app.get(JobHandlers).register('test.endless', endless, { transactional: false });
    second.app.get(JobSettings).drainMs = 500;
    const id = await second.app.get(Jobs).send('test.endless');
    await eventually(() => begun);
    const closed = second.close();
    await eventually(async () => (await second.anonymous.get('/health/ready')).status === 503);
    const stopping = await second.anonymous.get('/health/ready').expect(503);
    expect(stopping.body).toMatchObject({ status: 'stopping', checks: { database: { status: 'up' } } });
    await closed;
    expect(await stateOf(t, id)).toMatchObject({ state: 'waiting', attempts: 0, lease_until: null });
  });
});

describe('workers that are killed', () => {
  let database: TestDatabase;
  let t: TestApp;
  const workers: TestProcess[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    t = await startTestApp({ CADASTRE_JOBS: 'false' }, database);
    await t.sql(EFFECTS);
  });

  afterAll(async () => {
    for (const { child } of workers) child.kill('SIGKILL');
    await Promise.all(workers.map(({ ended }) => ended));
    await t.close();
    await database.drop();
  });

  it('R13: loses no job and does none twice while four workers are killed at random, and runs each slot they tick once', async () => {
    const jobs = t.app.get(Jobs);
    const start = async (): Promise<void> => {
      workers.push(await startProcess('test/support/job-worker.mjs', database, { TEST_TICK_MS: '500', CADASTRE_LOG_LEVEL: 'silent' }));
    };
    const alive = (): TestProcess[] => {
      const failed = workers.find((w) => (w.child.exitCode ?? 0) !== 0);
      if (failed) throw new Error(`A worker ended by itself: ${failed.output()}`);
      return workers.filter((w) => w.child.exitCode === null && w.child.signalCode === null && w.output().includes('ready'));
    };
    await Promise.all([start(), start(), start(), start()]);
    await eventually(() => alive().length === 4, 60_000);
    const effects = async (): Promise<number> => (await t.sql<{ n: number }>('SELECT count(*)::int AS n FROM effects'))[0]!.n;
    let sent = 0;
    const send = async (count: number): Promise<void> => {
      await Promise.all(Array.from({ length: count }, () => jobs.send('test.effect', {}, { maxAttempts: 100 })));
      sent += count;
    };
    for (let kills = 0; kills < 8; kills++) {
      const before = await effects();
      await send(40);
      await eventually(async () => (await effects()) >= before + 15 + Math.random() * 25, 30_000);
      const candidates = alive();
      candidates[Math.floor(Math.random() * candidates.length)]?.child.kill('SIGKILL');
      await start();
    }
    await eventually(async () => (await t.sql(`SELECT FROM jobs WHERE name = 'test.effect' AND state <> 'done'`)).length === 0, 30_000);
    await eventually(() => alive().length === 4, 60_000);
    const last = alive();
    for (const { child } of last) child.kill('SIGTERM');
    expect(await Promise.all(last.map(({ ended }) => ended))).toEqual([0, 0, 0, 0]);

    const [count] = await t.sql(`
      SELECT count(*)::int AS effects, count(DISTINCT e.job_id)::int AS jobs FROM effects e JOIN jobs j ON j.id = e.job_id WHERE j.name = 'test.effect'`);
    expect(count).toEqual({ effects: sent, jobs: sent });
    const [ticks] = await t.sql(`
      SELECT count(*)::int AS slots, count(DISTINCT j.fire_at)::int AS fired, count(e.job_id)::int AS runs
        FROM jobs j LEFT JOIN effects e ON e.job_id = j.id WHERE j.name = 'test.tick' AND j.state = 'done'`);
    expect(ticks).toMatchObject({ fired: ticks!.slots as number, runs: ticks!.slots as number });
    expect(ticks!.slots).toBeGreaterThan(4);
    // The kills hit something.
    expect((await t.sql(`SELECT FROM jobs WHERE attempts > 1`)).length).toBeGreaterThan(0);
  }, 180_000);
});
