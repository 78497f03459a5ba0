import { Client } from 'pg';
import { type Agent } from 'supertest';
import { UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { eventually } from '../support/eventually.js';
import { asRole } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const VRFS = '/api/v1/ipam/vrfs';

/** Ends the server's side of every connection of the application's and returns how many there were. */
async function killBackends(t: TestApp): Promise<number> {
  const killed = await t.sql(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cadastre' AND datname = current_database()`,
  );
  return killed.length;
}

/** Holds every user of a table until it is called. */
async function hold(t: TestApp, table: string): Promise<() => Promise<void>> {
  const holder = new Client(t.database.adminUrl);
  await holder.connect();
  await holder.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
  return () => holder.end();
}

async function waitingForLocks(t: TestApp): Promise<number> {
  const waiting = await t.sql(
    `SELECT FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  );
  return waiting.length;
}

describe('a small pool', () => {
  const TIMEOUT_MS = 500;
  let t: TestApp;
  let admin: Agent;

  beforeAll(async () => {
    t = await startTestApp({
      DATABASE_POOL_MAX: '2',
      DATABASE_POOL_MIN: '0',
      DATABASE_POOL_TIMEOUT_MS: String(TIMEOUT_MS),
      CADASTRE_JOBS: 'false',
    });
    admin = await asRole(t, 'admin');
  });

  afterAll(() => t.close());

  it('C1, ASVS 16.5.2: when it is exhausted, reads and writes are answered 503 within the time-out, and all is well afterwards', async () => {
    const release = await hold(t, 'vrfs');
    const slow = [1, 2].map(() => admin.get(VRFS).then(({ status }) => status));
    await eventually(async () => (await waitingForLocks(t)) === 2);
    for (const attempt of [() => admin.get('/api/v1/roles'), () => admin.post(VRFS).send({ name: 'too late' })]) {
      const began = performance.now();
      const answer = await attempt();
      const ms = performance.now() - began;
      expect({ status: answer.status, ...(answer.body as object) }).toMatchObject({ status: 503, code: 'database_unavailable' });
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      expect(ms).toBeGreaterThan(TIMEOUT_MS * 0.9);
      expect(ms).toBeLessThan(TIMEOUT_MS + 400);
    }
    await t.anonymous.get('/health/live').expect(200);
    await release();
    await expect(Promise.all(slow)).resolves.toEqual([200, 200]);
    await Promise.all(Array.from({ length: 20 }, () => admin.get(VRFS).expect(200)));
    expect(await t.sql(`SELECT FROM vrfs WHERE name = 'too late'`)).toEqual([]);
    await admin.post(VRFS).send({ name: 'in time' }).expect(201);
  });

  it('C1: never opens more connections than it may, and keeps what it gave back usable after errors', async () => {
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? admin.post(VRFS).send({ name: 'in time' }) : admin.get(VRFS))),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 409]));
    expect(t.app.get(UnitOfWork).poolState).toMatchObject({ waiting: 0 });
    expect(t.app.get(UnitOfWork).poolState.total).toBeLessThanOrEqual(2);
  });
});

describe('connections that break', () => {
  let t: TestApp;
  let admin: Agent;
  let work: UnitOfWork;
  let names = 0;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false', DATABASE_POOL_MAX: '10' });
    admin = await asRole(t, 'admin');
    work = t.app.get(UnitOfWork);
  });

  afterAll(() => t.close());

  const aName = (): string => `vrf ${++names}`;

  it.each([
    ['a read', () => admin.get('/api/v1/roles'), 200],
    ['a read by the object mapper', () => admin.get(VRFS), 200],
    ['a write', () => admin.post(VRFS).send({ name: aName() }), 201],
  ])('C1: a backend killed while idle is invisible to the next request: %s', async (_what, call, status) => {
    await admin.get('/api/v1/roles').expect(200);
    expect(await killBackends(t)).toBeGreaterThan(0);
    expect((await call()).status).toBe(status);
  });

  it('C1: all backends killed at once, 20 requests at that moment: every one is answered as if nothing had been', async () => {
    for (let round = 0; round < 5; round++) {
      // As many connections as the pool has, so that every request meets dead ones.
      await Promise.all(Array.from({ length: 10 }, () => work.query('SELECT pg_sleep(0.05)')));
      expect(await killBackends(t)).toBe(10);
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? admin.get(VRFS) : admin.post(VRFS).send({ name: aName() }))),
      );
      expect(answers.map(({ status }) => status)).toEqual(answers.map((_, i) => (i % 2 === 0 ? 200 : 201)));
    }
  });

  it('C1: a write of one statement outside of a unit of work is done once, on a live connection', async () => {
    await work.query('SELECT 1');
    await killBackends(t);
    await work.query('INSERT INTO vrfs (name, created_by) VALUES ($1, $2)', ['one statement', 'test']);
    expect(await t.sql(`SELECT FROM vrfs WHERE name = 'one statement'`)).toHaveLength(1);
  });

  it('C1, ASVS 2.3.3: a backend killed in the middle of a unit of work fails that unit, not the process, and leaves nothing', async () => {
    const unit = work.run(async () => {
      const [backend] = await work.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await work.query('INSERT INTO vrfs (name, created_by) VALUES ($1, $2)', ['half done', 'test']);
      await t.sql('SELECT pg_terminate_backend($1)', [backend?.pid]);
      await eventually(async () => (await t.sql('SELECT FROM pg_stat_activity WHERE pid = $1', [backend?.pid])).length === 0);
      await work.query('SELECT 1');
    });
    await expect(unit).rejects.toThrow();
    expect(await t.sql(`SELECT FROM vrfs WHERE name = 'half done'`)).toEqual([]);
    await admin.get(VRFS).expect(200);
  });

  it('C1: a connection that was left in the middle of something is not given to the next caller', async () => {
    const left = work.withClient(async (client) => {
      await client.query(`BEGIN; SET LOCAL statement_timeout = 50`);
      await client.query('SELECT pg_sleep(5)');
    });
    await expect(left).rejects.toMatchObject({ code: '57014' });
    await work.withClient((client) => client.query('BEGIN; CREATE TEMP TABLE left_behind (n int)'));
    const open = `SELECT FROM pg_stat_activity WHERE application_name = 'cadastre' AND datname = current_database() AND state LIKE 'idle in%'`;
    await expect(eventually(async () => (await t.sql(open)).length === 0)).resolves.toBe(true);
    await admin.post(VRFS).send({ name: aName() }).expect(201);
  });

  it('C1: a unit of work whose failed statement was ignored is not reported as done', async () => {
    const unit = work.run(async () => {
      await work.query('INSERT INTO vrfs (name, created_by) VALUES ($1, $2)', ['swallowed', 'test']);
      await work.query('SELECT 1 / 0').catch(() => undefined);
    });
    await expect(unit).rejects.toThrow('rolled back');
    expect(await t.sql(`SELECT FROM vrfs WHERE name = 'swallowed'`)).toEqual([]);
  });
});

describe('units of work that meet', () => {
  let t: TestApp;
  let work: UnitOfWork;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false' });
    work = t.app.get(UnitOfWork);
    await t.sql(`CREATE TABLE counters (id int PRIMARY KEY, n int NOT NULL); GRANT SELECT, UPDATE ON counters TO cadastre_app`);
  });

  beforeEach(() => t.sql(`TRUNCATE counters; INSERT INTO counters VALUES (1, 0), (2, 0)`));

  afterAll(() => t.close());

  const counters = async (): Promise<number[]> => (await t.sql<{ n: number }>('SELECT n FROM counters ORDER BY id')).map(({ n }) => n);

  /** Resolves for everyone once so many have come; whoever comes later does not wait. */
  function meeting(of: number): () => Promise<void> {
    let open = (): void => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    let here = 0;
    return () => {
      if (++here >= of) open();
      return opened;
    };
  }

  it('C1: the loser of a deadlock runs its whole unit again, and both are done once', async () => {
    const both = meeting(2);
    let runs = 0;
    let committed = 0;
    const add = (first: number, second: number): Promise<void> =>
      work.run(async () => {
        runs++;
        work.afterCommit(() => committed++);
        await work.query('UPDATE counters SET n = n + 1 WHERE id = $1', [first]);
        await both();
        await work.query('UPDATE counters SET n = n + 10 WHERE id = $1', [second]);
      });
    await Promise.all([add(1, 2), add(2, 1)]);
    expect({ runs, committed, counters: await counters() }).toEqual({ runs: 3, committed: 2, counters: [11, 11] });
  });

  it('C1: a serialization failure runs the whole unit again, and no update is lost', async () => {
    const both = meeting(2);
    let runs = 0;
    const increment = (): Promise<void> =>
      work.run(async () => {
        runs++;
        await work.query('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE');
        const [row] = await work.query<{ n: number }>('SELECT n FROM counters WHERE id = 1');
        await both();
        await work.query('UPDATE counters SET n = $1 WHERE id = 1', [(row?.n ?? 0) + 1]);
      });
    await Promise.all([increment(), increment()]);
    expect({ runs, counters: await counters() }).toEqual({ runs: 3, counters: [2, 0] });
  });

  it('C1: an error of the work itself is not tried again', async () => {
    let runs = 0;
    const unit = work.run(() => Promise.reject(new Error(`run ${++runs}`)));
    await expect(unit).rejects.toThrow('run 1');
  });
});
