import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { type Agent, type Response } from 'supertest';
import { eventually } from './support/eventually.js';
import { describeWith, type RedisServer, startRedis } from './support/redis-server.js';
import { createUser, PASSWORD, signIn, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { createTestDatabase, type TestDatabase } from './support/test-database.js';
import { realLimits } from './support/test-pins.js';

const FLAGS = '/api/v1/feature-flags';
const REFRESH = '/api/v1/auth/refresh';

/** How many of `calls` calls were served, in any order, ten at a time. */
async function served(calls: number, call: (n: number) => Promise<{ status: number }>): Promise<{ served: number; refused: number }> {
  const statuses: number[] = [];
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < calls) statuses.push((await call(next++)).status);
  };
  await Promise.all(Array.from({ length: 10 }, caller));
  expect(statuses.filter((status) => status >= 500)).toEqual([]);
  const refused = statuses.filter((status) => status === 429).length;
  return { served: calls - refused, refused };
}

/** Undefined when it took longer than the window that is counted in. */
async function withinAMinute<T>(work: () => Promise<T>): Promise<T | undefined> {
  const began = performance.now();
  const result = await work();
  return performance.now() - began < 58_000 ? result : undefined;
}

/** The fields of the draft, as numbers; throws when they are not of its form. */
function limitOf({ headers }: Pick<Response, 'headers'>): { policy: string; quota: number; window: number; left: number; seconds: number } {
  const fields = headers as Record<string, string>;
  const [, policy = '', q, w] = /^"(\w+)";q=(\d+);w=(\d+)$/.exec(fields['ratelimit-policy'] ?? '') ?? [];
  const [, same, r, t] = /^"(\w+)";r=(\d+);t=(\d+)$/.exec(fields.ratelimit ?? '') ?? [];
  if (same !== policy || policy === '') throw new Error(`These are no RateLimit fields: ${JSON.stringify(headers)}`);
  return { policy, quota: Number(q), window: Number(w), left: Number(r), seconds: Number(t) };
}

async function signedIn(t: TestApp, ...roles: string[]): Promise<{ agent: Agent; user: Awaited<ReturnType<typeof createUser>> }> {
  const user = await createUser(t, { roles });
  return { agent: withToken(t, (await signIn(t, user)).accessToken), user };
}

describeWith('redis-server')('rate limits of two instances that share a Redis', () => {
  let redis: RedisServer;
  let database: TestDatabase;
  let a: TestApp;
  let b: TestApp;

  beforeAll(async () => {
    redis = await startRedis();
    database = await createTestDatabase();
    const variables = { CADASTRE_JOBS: 'false', CADASTRE_REDIS_URL: redis.url, CADASTRE_PINNED_SETTINGS: realLimits };
    a = await startTestApp(variables, database);
    b = await startTestApp(variables, database);
  });

  afterAll(async () => {
    await b.close();
    await a.close();
    await database.drop();
    await redis.stop();
  });

  /** The same account on both. */
  async function onBoth(...roles: string[]): Promise<[Agent, Agent]> {
    const { agent, user } = await signedIn(a, ...roles);
    return [agent, withToken(b, (await signIn(b, user)).accessToken)];
  }

  const shared = async (agent: Agent): Promise<string | undefined> =>
    /^rate_limits_shared (\d)$/m.exec((await agent.get('/metrics').expect(200)).text)?.[1];

  it.each([
    ['staff', 1000, 'admin', 1020],
    ['a member', 100, 'viewer', 130],
  ])(
    'C4: %s has exactly %d a minute, whichever instance is called',
    async (_who, quota, role, calls) => {
      let agents = await onBoth(role);
      let result = await withinAMinute(() => served(calls, (n) => agents[n % 2]!.get(FLAGS)));
      // A machine too slow to spend a minute's budget in a minute gets another try, with another account's budget.
      for (let tries = 0; result === undefined && tries < 3; tries++) {
        agents = await onBoth(role);
        result = await withinAMinute(() => served(calls, (n) => agents[n % 2]!.get(FLAGS)));
      }
      expect(Math.abs((result?.served ?? NaN) - quota)).toBeLessThanOrEqual(1);
      const refused = await agents[0].get(FLAGS).expect(429);
      expect(limitOf(refused)).toMatchObject({ policy: role === 'admin' ? 'admin' : 'user', quota, window: 60, left: 0 });
    },
    240_000,
  );

  it('C4: the public has exactly 20 a minute from one address, whichever instance is called, refused credentials included', async () => {
    const calls = [
      () => a.anonymous.post(REFRESH).send({ refreshToken: 'nothing' }),
      () => b.anonymous.post(REFRESH).send({ refreshToken: 'nothing' }),
      () => a.anonymous.get(FLAGS),
      () => b.anonymous.get(FLAGS).set('authorization', 'Bearer a.b.c'),
    ];
    const result = await served(40, (n) => calls[n % 4]!());
    expect(Math.abs(result.served - 20)).toBeLessThanOrEqual(1);
    expect(limitOf(await b.anonymous.get(FLAGS).expect(429))).toMatchObject({ policy: 'anonymous', quota: 20, left: 0 });
  });

  it('C4: when Redis is killed nobody gets an error, each instance counts for itself, and once it is back they share again', async () => {
    const [onA, onB] = await onBoth('viewer');
    const { agent: root } = await signedIn(a, 'admin');
    expect(await shared(root)).toBe('1');
    await served(20, (n) => [onA, onB][n % 2]!.get(FLAGS));
    const during = served(60, async (n) => {
      if (n === 10) await redis.kill();
      return [onA, onB][n % 2]!.get(FLAGS);
    });
    expect(await during).toMatchObject({ refused: 0 });
    expect(await shared(root)).toBe('0');
    expect(limitOf(await onA.get(FLAGS).expect(200)).policy).toBe('user');
    // Its own count is a limit too.
    const { agent: fresh } = await signedIn(a, 'viewer');
    expect(await served(120, () => fresh.get(FLAGS))).toEqual({ served: 100, refused: 20 });
    await redis.start();
    await eventually(async () => (await shared(root)) === '1');
    const [first, second] = await onBoth('viewer');
    const left = limitOf(await first.get(FLAGS).expect(200)).left;
    await eventually(async () => limitOf(await second.get(FLAGS).expect(200)).left < left);
  });

  it('C4: a Redis that stands still delays nobody for long, and is counted in again once it goes on', async () => {
    const { agent: root } = await signedIn(a, 'admin');
    const { agent } = await signedIn(a, 'viewer');
    redis.hang();
    try {
      const began = performance.now();
      expect(await served(60, () => agent.get(FLAGS))).toEqual({ served: 60, refused: 0 });
      expect(performance.now() - began).toBeLessThan(5000);
    } finally {
      redis.goOn();
    }
    await eventually(async () => (await shared(root)) === '1');
  });

  it('C4: starts without its Redis, and counts for itself', async () => {
    const alone = await startTestApp(
      { CADASTRE_JOBS: 'false', CADASTRE_REDIS_URL: 'redis://127.0.0.1:1', CADASTRE_PINNED_SETTINGS: realLimits },
      database,
    );
    const { agent } = await signedIn(alone, 'viewer');
    expect(limitOf(await agent.get(FLAGS).expect(200))).toMatchObject({ policy: 'user', left: 99 });
    await alone.close();
  });
});

describe('rate limits of one instance', () => {
  let t: TestApp;
  let admin: Agent;

  beforeAll(async () => {
    t = await startTestApp({
      CADASTRE_JOBS: 'false',
      CADASTRE_PINNED_SETTINGS: realLimits,
      CADASTRE_CORS_ORIGINS: 'https://console.example.net',
    });
    ({ agent: admin } = await signedIn(t, 'admin'));
  });

  afterAll(() => t.close());

  async function limit(name: string, value: number): Promise<void> {
    await admin.put(`/api/v1/settings/limits.${name}PerMinute`).send({ value }).expect(200);
  }

  it('C4: every answer says what is left; what is too much is 429 with Retry-After, until the limit or the minute changes', async () => {
    const { agent } = await signedIn(t, 'viewer');
    const first = limitOf(await agent.get(FLAGS).expect(200));
    expect(first).toMatchObject({ policy: 'user', quota: 100, window: 60, left: 99 });
    expect(first.seconds).toBeGreaterThan(50);
    expect(limitOf(await agent.get('/api/v1/users').expect(403)).left).toBe(98);
    await limit('user', 3);
    expect(limitOf(await agent.get(FLAGS).expect(200))).toMatchObject({ quota: 3, left: 0 });
    const refused = await agent.get(FLAGS).expect(429);
    expect(refused.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(refused.body).toMatchObject({ code: 'rate_limited', status: 429, type: '/problems/rate_limited' });
    expect(Number(refused.headers['retry-after'])).toBe(limitOf(refused).seconds);
    expect(limitOf(refused)).toMatchObject({ left: 0, quota: 3 });
    await limit('user', 50);
    expect(limitOf(await agent.get(FLAGS).expect(200))).toMatchObject({ quota: 50, left: 45 });
    await limit('user', 100);
  });

  it('C4: callers do not share a budget, sessions of one account do', async () => {
    const { agent, user } = await signedIn(t, 'viewer');
    const { agent: other } = await signedIn(t, 'viewer');
    await agent.get(FLAGS).expect(200);
    expect(limitOf(await other.get(FLAGS)).left).toBe(99);
    const again = withToken(t, (await signIn(t, user)).accessToken);
    expect(limitOf(await again.get(FLAGS)).left).toBe(98);
  });

  it('C4: an export counts ten times, a search from a budget of its own', async () => {
    const { agent } = await signedIn(t, 'operator');
    expect(limitOf(await agent.get('/api/v1/ipam/exports/vrfs.csv').expect(200))).toMatchObject({ policy: 'user', left: 90 });
    expect(limitOf(await agent.get('/api/v1/ipam/search').query({ q: '10.0.0.1' }).expect(200))).toMatchObject({
      policy: 'search',
      quota: 60,
      left: 59,
    });
    expect(limitOf(await agent.get(FLAGS).expect(200)).left).toBe(89);
    await limit('user', 30);
    expect(limitOf(await agent.get('/api/v1/ipam/search').query({ q: '10.0.0.1' }).expect(200))).toMatchObject({ quota: 30, left: 28 });
    await limit('user', 5);
    // However small the quota, one export fits.
    const { agent: fresh } = await signedIn(t, 'operator');
    expect(limitOf(await fresh.get('/api/v1/ipam/exports/vrfs.csv').expect(200))).toMatchObject({ quota: 5, left: 0 });
    await limit('user', 100);
  });

  it('C4: an import counts twenty times', async () => {
    const { agent } = await signedIn(t, 'admin');
    const before = limitOf(await agent.get(FLAGS)).left;
    await agent.post('/api/v1/ipam/imports?dryRun=true').attach('vrfs', Buffer.from('name\nlimited\n'), 'vrfs.csv').expect(200);
    expect(before - limitOf(await agent.get(FLAGS)).left).toBe(21);
  });

  it('C4: probes, figures and the documentation are not counted; refused credentials are, wherever', async () => {
    await limit('anonymous', 3);
    for (let i = 0; i < 10; i++)
      for (const path of ['/health/live', '/health/ready', '/docs', '/docs/openapi.json']) {
        const answer = await t.anonymous.get(path).expect(200);
        expect(answer.headers).not.toHaveProperty('ratelimit');
      }
    expect((await admin.get('/metrics').expect(200)).headers).not.toHaveProperty('ratelimit');
    for (let i = 0; i < 3; i++) await t.anonymous.get('/metrics').expect(401);
    await t.anonymous.get('/metrics').expect(429);
    await admin.get('/metrics').expect(200);
    await limit('anonymous', 1000);
  });

  it('C4: logins have a budget by address, and whoever is in is not kept out by it', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    const login = (password: string): Promise<Response> =>
      t.anonymous
        .post('/api/v1/auth/login')
        .send({ username: user.username, password })
        .then((answer) => answer);
    const { left } = limitOf(await login(PASSWORD));
    await limit('login', 31 - left);
    const second = await login('not the password');
    expect([second.status, limitOf(second)]).toMatchObject([401, { policy: 'login', left: 0 }]);
    expect((await login(PASSWORD)).status).toBe(429);
    await admin.get(FLAGS).expect(200);
    await limit('login', 1000);
    expect((await login(PASSWORD)).status).toBe(200);
  });

  it('C4: pages of another origin may read the fields', async () => {
    const answer = await admin.get(FLAGS).set('origin', 'https://console.example.net').expect(200);
    expect(String(answer.headers['access-control-expose-headers']).toLowerCase()).toMatch(/ratelimit\b.*ratelimit-policy/);
  });
});

describe('whose address counts', () => {
  /** A call from another address of this machine, with headers that claim more. */
  async function callFrom(t: TestApp, localAddress: string, headers: Record<string, string>): Promise<IncomingMessage> {
    const sent = request(`${t.url}${FLAGS}`, { localAddress, headers, agent: false });
    sent.end();
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    answer.resume();
    await once(answer, 'end');
    return answer;
  }

  const claims = (n: number): Record<string, string>[] => [
    { 'x-forwarded-for': `6.6.6.${n}` },
    { 'x-real-ip': `6.6.6.${n}` },
    { forwarded: `for=6.6.6.${n}` },
    { 'x-forwarded-for': `6.6.6.${n}, 127.0.0.1` },
    { 'x-client-ip': `6.6.6.${n}`, 'true-client-ip': `6.6.6.${n}` },
  ];

  it.each([
    ['no proxy is trusted', '127.0.0.1', ''],
    ['no proxy is trusted', '127.0.0.2', ''],
    ['only 127.0.0.1 is, and the client is another', '127.0.0.2', '127.0.0.1'],
  ])('C4, ASVS 4.1.3, ASVS 15.3.4: %s: an address that is claimed has no budget of its own (%s)', async (_what, from, trusted) => {
    const t = await startTestApp({ CADASTRE_JOBS: 'false', CADASTRE_PINNED_SETTINGS: realLimits, CADASTRE_TRUSTED_PROXIES: trusted });
    const left: number[] = [];
    for (const [n, headers] of [1, 2, 3, 4].flatMap(claims).entries()) {
      const answer = await callFrom(t, from, headers);
      expect([n, answer.statusCode]).toEqual([n, 401]);
      left.push(limitOf(answer as unknown as Response).left);
    }
    expect(left).toEqual(Array.from({ length: 20 }, (_, i) => 19 - i));
    expect((await callFrom(t, from, { 'x-forwarded-for': '7.7.7.7' })).statusCode).toBe(429);
    // Another real address does.
    expect((await callFrom(t, '127.0.0.3', {})).statusCode).toBe(401);
    await t.close();
  });

  it('C4, ASVS 15.3.4: behind a trusted proxy the address it saw counts, and not what the client put before it', async () => {
    const t = await startTestApp({ CADASTRE_JOBS: 'false', CADASTRE_PINNED_SETTINGS: realLimits, CADASTRE_TRUSTED_PROXIES: '127.0.0.1' });
    const through = async (forwarded: string): Promise<number> =>
      limitOf((await callFrom(t, '127.0.0.1', { 'x-forwarded-for': forwarded })) as unknown as Response).left;
    expect(await through('198.51.100.7')).toBe(19);
    expect(await through('6.6.6.6, 198.51.100.7')).toBe(18);
    expect(await through('198.51.100.8, 6.6.6.7, 198.51.100.7')).toBe(17);
    expect(await through('198.51.100.8')).toBe(19);
    // A subscriber has a whole /64 of IPv6.
    expect(await through('2001:db8:1:2::1')).toBe(19);
    expect(await through('2001:db8:1:2:aaaa::1')).toBe(18);
    expect(await through('2001:db8:1:3::1')).toBe(19);
    expect(await through('::ffff:198.51.100.8')).toBe(18);
    await t.close();
  });
});
