import { Client } from 'pg';
import supertest, { type Response } from 'supertest';
import { startProcess, type TestProcess } from './support/child-process.js';
import { eventually } from './support/eventually.js';
import { asRole, createUser, signIn, withToken } from './support/sign-in.js';
import { startProxy, type TcpProxy } from './support/tcp-proxy.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { createTestDatabase, type TestDatabase } from './support/test-database.js';

describe('health', () => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let t: TestApp;

  beforeAll(async () => {
    database = await createTestDatabase();
    proxy = await startProxy(database.url);
    t = await startTestApp({ DATABASE_URL: proxy.url, CADASTRE_JOBS: 'false' }, database);
  });

  afterAll(async () => {
    proxy.restore();
    await t.close();
    await proxy.close();
    await database.drop();
  });

  async function timed(path: string): Promise<Response & { ms: number }> {
    const began = performance.now();
    const answer = await t.anonymous.get(path);
    return Object.assign(answer, { ms: performance.now() - began });
  }

  const recovers = (): Promise<boolean> => eventually(async () => (await t.anonymous.get('/health/ready')).status === 200, 20_000);

  it('O2: answers without the prefix and without credentials', async () => {
    expect((await t.anonymous.get('/health/live').expect(200)).body).toEqual({ status: 'live' });
    expect((await t.anonymous.get('/health/startup').expect(200)).body).toMatchObject({ status: 'ready' });
    expect((await t.anonymous.get('/health/version').expect(200)).body).toMatchObject({
      name: 'cadastre',
      version: expect.any(String) as string,
    });
    const ready = await t.anonymous.get('/health/ready').expect(200);
    expect(ready.body).toEqual({
      status: 'ready',
      checks: { database: { status: 'up', ms: expect.any(Number) as number }, migrations: { status: 'applied', pending: 0 } },
    });
    await t.anonymous.get('/api/v1/health/ready').expect(404);
  });

  it('O2: is not ready while a migration is missing, and says how many', async () => {
    await t.sql('CREATE TEMP TABLE gone AS SELECT * FROM migrations ORDER BY id DESC LIMIT 1');
    await t.sql('DELETE FROM migrations WHERE id IN (SELECT id FROM gone)');
    const pending = await t.anonymous.get('/health/ready').expect(503);
    expect(pending.body).toMatchObject({ status: 'unavailable', checks: { migrations: { status: 'pending', pending: 1 } } });
    await t.sql('INSERT INTO migrations OVERRIDING SYSTEM VALUE SELECT * FROM gone');
    await t.anonymous.get('/health/ready').expect(200);
  });

  it.each(['hang', 'cut'] as const)(
    'O2: database unreachable (%s): live 200, ready 503 in under 2 s, every time; then recovers alone',
    async (fault) => {
      proxy[fault]();
      for (let probe = 0; probe < 4; probe++) {
        const [live, ready] = [await timed('/health/live'), await timed('/health/ready')];
        expect(live.status).toBe(200);
        expect(ready.status).toBe(503);
        expect(ready.ms).toBeLessThan(2000);
        expect(ready.body).toMatchObject({
          status: 'unavailable',
          checks: { database: { status: 'down' }, migrations: { status: 'unknown', pending: null } },
        });
        expect(ready.text).not.toMatch(/postgres|127\.0\.0\.1|cadastre|password/i);
      }
      proxy.restore();
      await expect(recovers()).resolves.toBe(true);
    },
  );
});

describe('a server process', () => {
  let t: TestApp;
  const processes: TestProcess[] = [];

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false' });
  });

  afterAll(async () => {
    for (const { child } of processes) child.kill('SIGKILL');
    await Promise.all(processes.map(({ ended }) => ended));
    await t.close();
  });

  /** The compiled program, listening; as a TestApp whose requests go there. */
  async function start(): Promise<TestProcess & { to: TestApp }> {
    const started = await startProcess('dist/src/main.js', t.database, { CADASTRE_JOBS: 'false', CADASTRE_LOG_FORMAT: 'json' });
    processes.push(started);
    const url = await eventually(() => /"url":"(http:[^"]+)"/.exec(started.output())?.[1], 60_000);
    return { ...started, to: { ...t, url, anonymous: supertest.agent(url) } };
  }

  function logLines(output: string): Record<string, unknown>[] {
    return output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Holds every reader of the jobs table until it is called. */
  async function holdJobs(): Promise<() => Promise<void>> {
    const holder = new Client(t.database.adminUrl);
    await holder.connect();
    await holder.query('BEGIN; LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE');
    return () => holder.end();
  }

  const held = (): Promise<boolean> =>
    eventually(
      async () =>
        (
          await t.sql(
            `SELECT FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
          )
        ).length > 0,
    );

  it('O7: on SIGTERM finishes the request in flight with 200, refuses new ones, and exits 0', async () => {
    const server = await start();
    const admin = withToken(server.to, (await signIn(server.to, await createUser(t, { roles: ['admin'] }))).accessToken);
    const release = await holdJobs();
    const slow = admin.get('/api/v1/jobs').then((answer) => answer);
    await held();
    server.child.kill('SIGTERM');
    await eventually(() =>
      supertest(server.to.url)
        .get('/health/live')
        .then(
          () => false,
          () => true,
        ),
    );
    expect(server.child.exitCode).toBeNull();
    await release();
    expect((await slow).status).toBe(200);
    await expect(server.ended).resolves.toBe(0);
    expect(logLines(server.output()).map(({ msg }) => msg)).toEqual(expect.arrayContaining(['stopping', 'stopped']));
  });

  it('O7: the second signal does not wait', async () => {
    const server = await start();
    const admin = withToken(server.to, (await signIn(server.to, await createUser(t, { roles: ['admin'] }))).accessToken);
    const release = await holdJobs();
    const slow = admin.get('/api/v1/jobs').then(
      () => 'answered',
      () => 'broken',
    );
    await held();
    server.child.kill('SIGINT');
    await eventually(() => server.output().includes('"stopping"'));
    server.child.kill('SIGINT');
    await expect(server.ended).resolves.toBe(130);
    await expect(slow).resolves.toBe('broken');
    await release();
  });

  it('O7: a refused configuration is told in plain words, without the value, and exits 78', async () => {
    const refused = await startProcess('dist/src/main.js', t.database, { CADASTRE_PORT: '71234' });
    processes.push(refused);
    await expect(refused.ended).resolves.toBe(78);
    expect(refused.output()).toMatch(/^The configuration is refused:\n {2}- CADASTRE_PORT: /);
    expect(refused.output()).not.toMatch(/71234|at file:/);
  });

  it('O3, ASVS 16.2.1, 16.2.2, 16.2.4: one id joins the answer, the log and the audit trail; one line a request, free of what the URL says', async () => {
    const server = await start();
    const user = await createUser(t, { roles: ['viewer'] });
    const viewer = withToken(server.to, (await signIn(server.to, user)).accessToken);
    const answer = await viewer.get('/api/v1/jobs?name=hunter2').set('x-request-id', 'one-id-for-all').set('x-note', 'hunter3').expect(403);
    expect(answer.headers['x-request-id']).toBe('one-id-for-all');
    const lines = await eventually(() => {
      const found = logLines(server.output()).filter(({ msg, requestId }) => msg === 'request' && requestId === 'one-id-for-all');
      return found.length > 0 && found;
    });
    expect(lines).toEqual([
      expect.objectContaining({
        level: 30,
        method: 'GET',
        route: '/api/v1/jobs',
        status: 403,
        ms: expect.any(Number) as number,
        principal: user.id,
      }),
    ]);
    expect(server.output()).not.toMatch(/hunter/);
    const events = await t.sql<{ payload: string }>(`SELECT payload FROM audit_events WHERE correlation_id = 'one-id-for-all'`);
    expect(events.map(({ payload }) => JSON.parse(payload) as unknown)).toMatchObject([
      { action: 'request.denied', outcome: 'denied', actor: { id: user.id } },
    ]);
  });
});

describe('the edge', () => {
  let t: TestApp;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_CORS_ORIGINS: 'https://console.example.net' });
  });

  afterAll(() => t.close());

  it('O6: serves the description of the interface as a page and as a document, and nothing else from there', async () => {
    const page = await t.anonymous
      .get('/docs')
      .expect(200)
      .expect('content-type', /text\/html/);
    expect(page.text).toContain('/docs/start.js');
    expect(page.headers['content-security-policy']).toContain("script-src 'self'");
    const document = await t.anonymous.get('/docs/openapi.json').expect(200);
    expect((document.body as { openapi: string }).openapi).toMatch(/^3\./);
    await t.anonymous
      .get('/docs/ui/swagger-ui.css')
      .expect(200)
      .expect('content-type', /text\/css/);
    await t.anonymous
      .get('/docs/start.js')
      .expect(200)
      .expect('content-type', /javascript/);
    for (const path of ['/docs/ui/package.json', '/docs/ui/..%2f..%2fpackage.json', '/docs/ui/%2e%2e/package.json'])
      await t.anonymous.get(path).expect(404);
  });

  it('O7, ASVS 3.4.1, 3.4.3, 3.4.4, 3.4.5, 3.4.6, 14.3.2: sends security headers with every answer, also with refusals', async () => {
    for (const path of ['/health/live', '/api/v1/ipam/pools', '/nowhere']) {
      const { headers } = await t.anonymous.get(path);
      expect(headers).toMatchObject({
        'content-security-policy': "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'strict-transport-security': 'max-age=31536000; includeSubDomains',
        'cache-control': 'no-store',
      });
    }
  });

  it('O7, ASVS 3.4.2, 3.5.2: lets only listed origins call from a browser', async () => {
    const preflight = (origin: string) =>
      t.anonymous.options('/api/v1/ipam/pools').set({ origin, 'access-control-request-method': 'POST' });
    expect((await preflight('https://console.example.net')).headers['access-control-allow-origin']).toBe('https://console.example.net');
    expect((await preflight('https://evil.example.net')).headers['access-control-allow-origin']).toBeUndefined();
    const allowed = String((await preflight('https://console.example.net')).headers['access-control-allow-headers']).split(', ');
    expect(allowed).toEqual(expect.arrayContaining(['authorization', 'x-api-key', 'if-match', 'idempotency-key']));
  });
});

describe('the description of the interface', () => {
  it('O7, ASVS 13.4.5: is taken away by CADASTRE_DOCS, as if there were no such routes', async () => {
    const t = await startTestApp({ CADASTRE_JOBS: 'false', CADASTRE_DOCS: 'false' });
    for (const page of ['/docs', '/docs/start.js', '/docs/openapi.json', '/docs/ui/swagger-ui.css']) {
      const answer = await t.anonymous
        .get(page)
        .expect(404)
        .expect('content-type', /^application\/problem\+json/);
      expect(answer.body).toMatchObject({ code: 'route_not_found' });
    }
    await t.close();
  });
});

describe('metrics', () => {
  let t: TestApp;

  beforeAll(async () => {
    t = await startTestApp();
  });

  afterAll(() => t.close());

  it('O3, ASVS 13.4.5: counts requests by route pattern and status class, the pool and the jobs, for those who may read it', async () => {
    const admin = await asRole(t, 'admin');
    await admin.get('/api/v1/jobs?name=secret').expect(200);
    await admin.get('/no/such/path/secret').expect(404);
    const { text, headers } = await admin.get('/metrics').expect(200);
    expect(headers['content-type']).toMatch(/^text\/plain/);
    expect(text).toMatch(/^http_request_duration_seconds_count\{method="GET",route="\/api\/v1\/jobs",status="2xx"\} 1$/m);
    expect(text).toMatch(/^http_request_duration_seconds_count\{method="GET",route="\(none\)",status="4xx"\} 1$/m);
    expect(text).toMatch(/^database_pool_connections\{state="total"\} [1-9]/m);
    expect(text).toMatch(/^process_resident_memory_bytes /m);
    expect(text).toMatch(/^audit_inbox_oldest_seconds \d/m);
    expect(text).not.toMatch(/secret/);
    await t.anonymous.get('/metrics').expect(401);
    await (await asRole(t, 'viewer')).get('/metrics').expect(403);
  });
});
