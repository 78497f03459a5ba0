import { createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { type FastifyRequest } from 'fastify';
import passport from 'passport';
import { createApp } from '../src/app.setup.js';
import { loadConfig } from '../src/config/app-config.js';
import { CredentialChecks } from '../src/platform/auth/credential-checks.js';
import { runInContext } from '../src/platform/context/request-context.js';
import { KeyStore } from '../src/platform/crypto/key-store.js';
import { type Crowd, type CrowdAnswers } from './crowd.js';
import { httpLoad, tailLatency } from './load.js';
import { atMost, compare, cpuEach, medianOf } from './measure.js';
import { PASSWORD, signIn } from './people.js';
import { startRedis } from './redis.js';
import { seedPool, type Stage } from './stage.js';

const CONNECTIONS = 32;
const STORM = 200;

/** What it costs to know who calls and whether they may. */
export async function benchIdentity(stage: Stage, bearer: string, app: string, floor: string): Promise<void> {
  const pool = await seedPool(stage, '17.0.0.0/16', 20_000n, true);
  const rows = await stage.sql('SELECT id FROM allocations WHERE pool_id = $1 ORDER BY random() LIMIT 500', [pool]);
  const ours = rows.map(({ id = '' }) => `/api/v1/ipam/allocations/${id}`);
  const theirs = rows.map(({ id = '' }) => `/allocations/${id}`);
  const key = await aKey(app, bearer);
  for (const [name, authorization] of [
    ['access token', bearer],
    ['API key', `Bearer ${key}`],
  ] as const)
    await guardedRead(stage, `an ${name}, permission and limiter`, { app, floor, ours, theirs, authorization });
  await sharedCounting(stage, { floor, ours, theirs, authorization: bearer });
  await checks(stage);
  await storm(stage, app, bearer, ours);
}

/** With credential, permission check and rate limit, against a server that has none of them. */
async function guardedRead(
  stage: Stage,
  name: string,
  { app, floor, ours, theirs, authorization }: { app: string; floor: string; ours: string[]; theirs: string[]; authorization: string },
): Promise<void> {
  const load = { connections: CONNECTIONS };
  const contenders = [
    { name: 'cadastre', round: (ms: number) => httpLoad({ ...load, url: app, ms, paths: ours, headers: { authorization } }) },
    { name: 'node:http + pg', round: (ms: number) => httpLoad({ ...load, url: floor, ms, paths: theirs }) },
  ] as const;
  await compare({ title: `GET by id with ${name}, ${CONNECTIONS} connections`, aim: 0.45, contenders });
  await atMost(
    `the same in CPU a request`,
    2.3,
    'µs',
    contenders.map((contender, i) => ({ name: contender.name, round: cpuEach(contender, () => stage.cpuOf(i === 0 ? app : floor)) })),
  );
}

/** The same on an instance that counts in a Redis, as several of them would. */
async function sharedCounting(
  stage: Stage,
  reading: { floor: string; ours: string[]; theirs: string[]; authorization: string },
): Promise<void> {
  const redis = await startRedis();
  if (!redis) {
    console.log(' NOT MEASURED: redis-server is not installed, so nothing is known here of reads that are counted in Redis');
    return;
  }
  try {
    const app = await stage.start('app', { CADASTRE_REDIS_URL: redis.url, CADASTRE_LOG_LEVEL: 'error' });
    await guardedRead(stage, 'an access token, permission and a limiter that counts in Redis', { ...reading, app });
  } finally {
    await redis.stop();
  }
}

async function aKey(app: string, authorization: string): Promise<string> {
  const answer = await fetch(`${app}/api/v1/me/keys`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'bench', permissions: ['allocation:read'] }),
  });
  if (answer.status !== 201) throw new Error(`a key was answered ${answer.status}: ${await answer.text()}`);
  return ((await answer.json()) as { secret: string }).secret;
}

/** The checks alone, in this process, beside one HMAC of the same length. */
async function checks(stage: Stage): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'cadastre-bench-'));
  const application = await createApp(
    loadConfig({ ...stage.variables, CADASTRE_VAR_DIR: folder, CADASTRE_LOG_LEVEL: 'silent', CADASTRE_JOBS: 'false' }),
  );
  try {
    await application.listen(0, '127.0.0.1');
    const url = await application.getUrl();
    const bearer = await signIn(url, 'bench');
    const token = bearer.replace('Bearer ', '');
    const key = await aKey(url, bearer);
    const known = application.get(CredentialChecks);
    const { key: signing } = application.get(KeyStore).jwt.signing;
    const request = { headers: {}, server: application.getHttpAdapter().getInstance() as object } as unknown as FastifyRequest;
    const secret = Buffer.alloc(40, 's');
    const digest = createHmac('sha256', signing).update(secret).digest();
    const inRequest = <T>(work: () => T): T => runInContext({ requestId: 'bench', clientAddress: '127.0.0.1' }, work);
    const costs: [string, () => unknown][] = [
      ['an HMAC and a comparison, the floor', () => timingSafeEqual(createHmac('sha256', signing).update(secret).digest(), digest)],
      ['an access token, the first time', () => inRequest(() => judgedByPassport({ ...request, headers: { authorization: bearer } }))],
      ['an access token, seen before', () => inRequest(() => known.principalOf({ kind: 'token', value: token }, request))],
      ['an API key', () => inRequest(() => known.principalOf({ kind: 'key', value: key }, request))],
    ];
    console.log('        CPU of a check, µs, medians of 5 rounds of 20,000');
    for (const [name, work] of costs)
      console.log(`              ${(await medianOf(5, () => cpuOfEach(20_000, work))).toFixed(1).padStart(8)}  ${name}`);
  } finally {
    await application.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** As the guard asks about a token that it has not seen. */
function judgedByPassport(request: FastifyRequest): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const judge = passport.authenticate('jwt', { session: false }, (error: unknown, user: unknown) => {
      if (user) resolve(user);
      else reject(error instanceof Error ? error : new Error('The token was refused.'));
    }) as (request: FastifyRequest, response: object, next: (error: unknown) => void) => void;
    judge(request, {}, reject);
  });
}

async function cpuOfEach(times: number, work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < times; i++) await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}

/** Reads while two hundred people sign in at once, again and again, waiting when they are told to, against reads in peace. */
async function storm(stage: Stage, app: string, authorization: string, paths: string[]): Promise<void> {
  await stage.sql(
    `INSERT INTO users (username, password_hash) SELECT 'storm-' || n, (SELECT password_hash FROM users WHERE username = 'bench') FROM generate_series(1, $1::int) n`,
    [STORM],
  );
  const reads = (ms: number): Promise<number> => tailLatency({ url: app, connections: 8, ms, paths, headers: { authorization } });
  const answers = { in: 0, busy: 0, other: 0 };
  const during = async (ms: number): Promise<number> => {
    const crowd: Crowd = { url: app, people: STORM, prefix: 'storm-', password: PASSWORD };
    const thread = new Worker(new URL('crowd.js', import.meta.url), { workerData: crowd });
    await once(thread, 'online');
    const latency = await reads(ms);
    thread.postMessage('over');
    const [counted] = (await once(thread, 'message')) as [CrowdAnswers];
    for (const kind of ['in', 'busy', 'other'] as const) answers[kind] += counted[kind];
    return latency;
  };
  await atMost(`p99 of a read while ${STORM} sign in at once, against its quiet value`, 5, 'ms', [
    { name: 'in the storm', round: during },
    { name: 'in peace', round: reads },
  ]);
  console.log(`              ${answers.in} signed in, ${answers.busy} were told to come back, ${answers.other} something else`);
}
