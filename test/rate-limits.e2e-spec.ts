import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { type Agent, type Response, type Test } from 'supertest';
import { Builders } from './support/builders.js';
import { eventually } from './support/eventually.js';
import { aKeyOf, aKeyOfKind, withKey } from './support/examples/keys.js';
import { limitOf, served } from './support/rate-limit.js';
import { describeWith, type RedisServer, startRedis } from './support/redis-server.js';
import { createUser, PASSWORD, signIn, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { createTestDatabase, type TestDatabase } from './support/test-database.js';
import { realLimits } from './support/test-pins.js';

const FLAGS = '/api/v1/feature-flags';
const AUTH = '/api/v1/auth';
const POOLS = '/api/v1/ipam/pools';
const SEARCH = '/api/v1/search';

/** Undefined when it took longer than the window that is counted in. */
async function withinAMinute<T>(work: () => Promise<T>): Promise<T | undefined> {
  const began = performance.now();
  const result = await work();
  return performance.now() - began < 58_000 ? result : undefined;
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
    // So many a minute that an hour's can be spent within one.
    const pins = JSON.stringify({ ...(JSON.parse(realLimits) as object), 'limits.publicKeyPerMinute': 1000 });
    const variables = {
      CADASTRE_JOBS: 'false',
      CADASTRE_REDIS_URL: redis.url,
      CADASTRE_PEPPER_KEYS: `a:${'QUFB'.repeat(11)}`,
      CADASTRE_PINNED_SETTINGS: pins,
    };
    a = await startTestApp(variables, database);
    b = await startTestApp(variables, database);
    // On a busy machine the first connection may take more than one attempt.
    for (const instance of [a, b]) {
      const { agent } = await signedIn(instance, 'admin');
      await eventually(async () => (await shared(agent)) === '1');
    }
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

  it('C4: the public has exactly 20 a minute from one address, whichever instance is called', async () => {
    const calls = [
      () => a.anonymous.post(`${AUTH}/password-reset`).send({ token: 'nothing' }),
      () => b.anonymous.post(`${AUTH}/password-reset`).send({ token: 'nothing' }),
      () => a.anonymous.get(FLAGS),
      () => b.anonymous.get(FLAGS),
    ];
    const result = await served(40, (n) => calls[n % 4]!());
    expect(Math.abs(result.served - 20)).toBeLessThanOrEqual(1);
    expect(limitOf(await b.anonymous.get(FLAGS).expect(429))).toMatchObject({ policy: 'anonymous', quota: 20, left: 0 });
  });

  it('K2, C4: a public key has exactly 100 an hour, whichever instance is called and whatever it asks for', async () => {
    const { secret } = await aKeyOfKind(await Builders.of(a), 'public', { permissions: ['pool:read', 'search:read'] });
    const agents = [withKey(a, secret), withKey(b, secret)] as const;
    const { served: allowed } = await served(120, (n) => {
      const agent = agents[n % 2]!;
      return n % 4 === 0 ? agent.get(SEARCH).query({ q: '10.0.0.1' }) : agent.get(POOLS);
    });
    expect(Math.abs(allowed - 100)).toBeLessThanOrEqual(1);
    const refused = await agents[1].get(POOLS).expect(429);
    expect(refused.body).toMatchObject({ code: 'rate_limited', status: 429 });
    expect((refused.body as { detail: string }).detail).toMatch(/^More than 100 requests an hour /);
    expect(limitOf(refused)).toMatchObject({ policy: 'public_key_hour', quota: 100, window: 3600, left: 0 });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(3500);
    expect(Number(refused.headers['retry-after'])).toBe(limitOf(refused).seconds);
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

  async function limit(name: string, value: number, window = 'Minute'): Promise<void> {
    await admin.put(`/api/v1/settings/limits.${name}Per${window}`).send({ value }).expect(200);
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

  it('K9, C4: the search over everything has the budget of searches, which keys have too', async () => {
    const { agent } = await signedIn(t, 'operator');
    const find = (by: Agent): Promise<Response> =>
      by
        .get(SEARCH)
        .query({ q: '10.0.0.1' })
        .expect(200)
        .then((answer) => answer);
    expect(limitOf(await find(agent))).toMatchObject({ policy: 'search', quota: 60, left: 59 });
    expect(limitOf(await agent.get('/api/v1/ipam/search').query({ q: '10.0.0.1' }).expect(200)).left).toBe(58);
    expect(limitOf(await agent.get(FLAGS).expect(200))).toMatchObject({ policy: 'user', left: 99 });
    const key = withKey(t, (await aKeyOf(agent, { permissions: ['pool:read', 'search:read'] })).secret);
    expect(limitOf(await find(key))).toMatchObject({ policy: 'search', quota: 60, left: 59 });
    expect(await served(70, () => key.get(SEARCH).query({ q: 'a' }))).toEqual({ served: 59, refused: 11 });
    await key.get(POOLS).expect(200);
  });

  it('C4: a key counts as a key, and a public one as a public key', async () => {
    const make = await Builders.of(t);
    const { agent } = await signedIn(t, 'operator');
    const own = withKey(t, (await aKeyOf(agent)).secret);
    expect(limitOf(await own.get(POOLS).expect(200))).toMatchObject({ policy: 'key', quota: 600, window: 60, left: 599 });
    const open = withKey(t, (await aKeyOfKind(make, 'public')).secret);
    expect(limitOf(await open.get(POOLS).expect(200))).toMatchObject({ policy: 'public_key', quota: 20, window: 60, left: 19 });
    expect(await served(30, () => open.get(POOLS))).toEqual({ served: 19, refused: 11 });
    expect(limitOf(await open.get(POOLS).expect(429))).toMatchObject({ policy: 'public_key', window: 60, left: 0 });
  });

  it('K2, C4: the hour of a public key is told once it is the tighter of the two, and what its minute refuses costs nothing of it', async () => {
    const open = withKey(t, (await aKeyOfKind(await Builders.of(t), 'public')).secret);
    await limit('publicKey', 1);
    expect(limitOf(await open.get(POOLS).expect(200))).toMatchObject({ policy: 'public_key', left: 0 });
    expect(await served(5, () => open.get(POOLS))).toEqual({ served: 0, refused: 5 });
    await limit('publicKey', 20);
    await limit('publicKey', 3, 'Hour');
    expect(limitOf(await open.get(POOLS).expect(200))).toMatchObject({ policy: 'public_key_hour', quota: 3, window: 3600, left: 1 });
    expect(limitOf(await open.get(POOLS).expect(200)).left).toBe(0);
    const refused = await open.get(POOLS).expect(429);
    expect(limitOf(refused)).toMatchObject({ policy: 'public_key_hour', window: 3600, left: 0 });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(3500);
    await limit('publicKey', 100, 'Hour');
    expect(limitOf(await open.get(POOLS).expect(200))).toMatchObject({ policy: 'public_key', quota: 20, left: 10 });
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

  it('C4: credentials that are refused have a budget of their own: an office whose tokens have expired is told so', async () => {
    await limit('refused', 3);
    const expired = (): Test => t.anonymous.get(FLAGS).set('authorization', 'Bearer a.b.c');
    expect(await served(5, expired)).toEqual({ served: 3, refused: 2 });
    expect(limitOf(await expired().expect(429))).toMatchObject({ policy: 'refused', quota: 3, left: 0 });
    expect(limitOf(await t.anonymous.get(FLAGS).expect(401))).toMatchObject({ policy: 'anonymous' });
    await limit('refused', 600);
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

  it('C4: an office behind one address refreshes its tokens, whatever strangers there have used up', async () => {
    const people = await Promise.all(Array.from({ length: 3 }, async () => signIn(t, await createUser(t, { roles: ['viewer'] }))));
    await limit('anonymous', 1);
    await served(3, () => t.anonymous.get(FLAGS));
    await t.anonymous.get(FLAGS).expect(429);
    const refresh = (refreshToken: string): Promise<Response> =>
      t.anonymous
        .post(`${AUTH}/refresh`)
        .send({ refreshToken })
        .then((answer) => answer);
    for (const [n, { refreshToken }] of people.entries()) {
      const answer = await refresh(refreshToken);
      expect([answer.status, limitOf(answer)]).toMatchObject([200, { policy: 'refresh', quota: 600, left: 599 - n }]);
    }
    await limit('refresh', 4);
    expect((await refresh('nothing')).status).toBe(401);
    expect((await refresh('nothing')).status).toBe(429);
    await limit('refresh', 600);
    await limit('anonymous', 1000);
  });

  it.each([
    ['second-factor', 'sign_in_step', 120],
    ['passkey-options', 'sign_in_step', 120],
    ['passkey', 'login', 1000],
    ['providers/nobody/start', 'sign_in_step', 120],
    ['providers/nobody/acs', 'sign_in_step', 120],
    ['providers/nobody/logout-token', 'sign_in_step', 120],
    ['exchange', 'login', 1000],
    ['password-reset', 'anonymous', 1000],
    ['invitations/accept', 'anonymous', 1000],
  ])('C4: POST /auth/%s counts as %s', async (route, policy, quota) => {
    const form = /acs|logout-token/.test(route);
    const answer = await t.anonymous
      .post(`${AUTH}/${route}`)
      .type(form ? 'form' : 'json')
      .send({});
    expect([answer.status < 500, limitOf(answer)]).toMatchObject([true, { policy, quota, window: 60 }]);
  });

  it('C4: the ways to sign in and the way back from a provider count as steps of signing in', async () => {
    const before = limitOf(await t.anonymous.get(`${AUTH}/providers`).expect(200));
    expect(before).toMatchObject({ policy: 'sign_in_step', quota: 120 });
    expect(limitOf(await t.anonymous.get(`${AUTH}/providers/nobody/callback?state=x`).expect(404))).toMatchObject({
      policy: 'sign_in_step',
      left: before.left - 1,
    });
  });

  it('C4: pages of another origin may read the fields', async () => {
    const answer = await admin.get(FLAGS).set('origin', 'https://console.example.net').expect(200);
    expect(String(answer.headers['access-control-expose-headers']).toLowerCase()).toMatch(/ratelimit\b.*ratelimit-policy/);
  });
});

/** A call from another address of this machine. */
async function callFrom(
  t: TestApp,
  localAddress: string,
  headers: Record<string, string>,
  { path = FLAGS, method = 'GET', body = '' } = {},
): Promise<IncomingMessage & { text: string }> {
  const sent = request(`${t.url}${path}`, { localAddress, method, headers, agent: false });
  sent.end(body);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  return Object.assign(answer, { text: await text(answer) });
}

describe('a flood from one address', () => {
  const QUOTA = 5;
  let t: TestApp;

  beforeAll(async () => {
    const pins = JSON.stringify({ 'limits.addressPerMinute': QUOTA });
    t = await startTestApp({
      CADASTRE_JOBS: 'false',
      CADASTRE_PINNED_SETTINGS: pins,
      CADASTRE_CORS_ORIGINS: 'https://console.example.net',
    });
  });

  afterAll(() => t.close());

  const json = { 'content-type': 'application/json' };
  const console = { cookie: '__Host-cadastre=x', 'sec-fetch-site': 'cross-site' };
  const preflight = { origin: 'https://console.example.net', 'access-control-request-method': 'GET' };

  it.each([
    ['an unknown route', '127.0.0.11', 404, {}, { path: '/nowhere' }],
    ['a body that is no JSON', '127.0.0.12', 400, json, { path: `${AUTH}/login`, method: 'POST', body: '{"username":' }],
    [
      'a body of a type that is not taken',
      '127.0.0.13',
      415,
      { 'content-type': 'text/plain' },
      { path: `${AUTH}/login`, method: 'POST', body: 'a' },
    ],
    ['two credentials', '127.0.0.14', 400, { authorization: 'Bearer a.b.c', 'x-api-key': 'cdst_o_x' }, {}],
    ['a page of another site', '127.0.0.15', 403, console, { path: POOLS, method: 'POST' }],
    ['a preflight', '127.0.0.16', 204, preflight, { method: 'OPTIONS' }],
    ['the documentation', '127.0.0.17', 200, {}, { path: '/docs' }],
  ])('C4, ASVS 2.4.1: a flood ends in 429 with Retry-After, whatever it asks for: %s', async (_what, from, status, headers, call) => {
    const statuses: unknown[] = [];
    for (let i = 0; i < QUOTA; i++) statuses.push((await callFrom(t, from, headers, call)).statusCode);
    expect(statuses).toEqual(Array.from({ length: QUOTA }, () => status));
    const refused = await callFrom(t, from, headers, call);
    expect(refused).toMatchObject({ statusCode: 429, headers: { 'content-type': 'application/problem+json; charset=utf-8' } });
    expect(JSON.parse(refused.text)).toMatchObject({ code: 'rate_limited', status: 429, requestId: refused.headers['x-request-id'] });
    const standing = limitOf(refused as unknown as Response);
    expect(standing).toMatchObject({ policy: 'address', quota: QUOTA, window: 60, left: 0 });
    expect(Number(refused.headers['retry-after'])).toBe(standing.seconds);
    // Probes and figures are served nevertheless, and so are other addresses.
    expect((await callFrom(t, from, {}, { path: '/health/ready' })).statusCode).toBe(200);
    expect((await callFrom(t, from, {}, { path: '/metrics' })).statusCode).toBe(401);
    expect((await callFrom(t, from.replace('0.0.', '0.1.'), headers, call)).statusCode).toBe(status);
  });
});

describe('whose address counts', () => {
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
