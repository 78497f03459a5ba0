import { jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { type Response } from 'supertest';
import { PasswordHasher } from '../src/users/passwords/password-hasher.js';
import { LoginThrottle } from '../src/users/sessions/login-throttle.js';
import { eventsOf } from './support/audit-events.js';
import { asRole, createUser, PASSWORD, type TestUser } from './support/sign-in.js';
import { tuneSignIn } from './support/sign-in-settings.js';
import { startTestApp, type TestApp } from './support/test-app.js';

/** Instances know a name by its digest: they have to share the key. */
const PROXY = {
  CADASTRE_TRUSTED_PROXIES: '127.0.0.1',
  CADASTRE_JOBS: 'false',
  CADASTRE_AUDIT_KEY: randomBytes(32).toString('base64url'),
};
const WRONG = 'not the password at all';
let t: TestApp;
let networks = 0;

/** An address nobody called from before. */
function newAddress(): string {
  const n = ++networks;
  return `198.18.${Math.floor(n / 250)}.${(n % 250) + 1}`;
}

async function login(username: string, password: string, from: string, on = t): Promise<Response> {
  return on.anonymous.post('/api/v1/auth/login').set('x-forwarded-for', from).send({ username, password });
}

async function failTimes(times: number, username: string, from: string): Promise<number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < times; i++) statuses.push((await login(username, WRONG, from)).status);
  return statuses;
}

/** As if all that was tried had been tried so much earlier. */
async function timePasses(interval: string): Promise<void> {
  await t.sql('UPDATE login_attempts SET at = at - $1::interval', [interval]);
  await t.sql(
    `UPDATE login_networks SET locked_until = locked_until - $1::interval, last_failure_at = last_failure_at - $1::interval,
            last_success_at = last_success_at - $1::interval`,
    [interval],
  );
}

/** What tells one answer from another. */
function told({ status, body, headers }: Response): object {
  const { requestId, ...rest } = body as Record<string, unknown>;
  expect(requestId).toBeDefined();
  return { status, rest, type: headers['content-type'] as unknown, cache: headers['cache-control'] as unknown };
}

beforeAll(async () => {
  t = await startTestApp(PROXY);
});

afterAll(() => t.close());

// Each test has the hour for itself.
afterEach(() => t.sql('TRUNCATE login_attempts, login_networks'));

describe('a name that fails from one network', () => {
  let user: TestUser;
  let here: string;

  beforeEach(async () => {
    user = await createUser(t, { roles: ['viewer'] });
    here = newAddress();
  });

  it('U8, ASVS 6.3.1: is locked there for half an hour after five failures, and nowhere else', async () => {
    expect(await failTimes(5, user.username, here)).toEqual([401, 401, 401, 401, 401]);
    const locked = await login(user.username, PASSWORD, here);
    expect(locked.status).toBe(423);
    expect(locked.body).toMatchObject({ code: 'login_locked' });
    expect(locked.headers['cache-control']).toBe('no-store');
    const retryAfter = Number(locked.headers['retry-after']);
    expect(retryAfter).toBeGreaterThan(1790);
    expect(retryAfter).toBeLessThanOrEqual(1800);
    // Nobody locks out somebody elsewhere.
    expect((await login(user.username, PASSWORD, newAddress())).status).toBe(200);
    expect((await login(user.username, PASSWORD, here)).status).toBe(423);

    await timePasses('1790 seconds');
    expect((await login(user.username, PASSWORD, here)).status).toBe(423);
    await timePasses('11 seconds');
    expect((await login(user.username, PASSWORD, here)).status).toBe(200);
  });

  it('U8: leaves an event for each failure and one for each lock, and what is tried while it holds counts for nothing', async () => {
    await failTimes(9, user.username, here);
    expect(await eventsOf(t, `action = 'login.failed' AND resource_id = $1`, user.id)).toHaveLength(5);
    expect(await eventsOf(t, `action = 'login.locked' AND resource_id = $1`, user.id)).toMatchObject([
      { category: 'access', outcome: 'denied', severity: 'medium', detail: { network: `${here}/32`, lockedSeconds: 1800 } },
    ]);
    await timePasses('1801 seconds');
    await failTimes(5, user.username, here);
    const locked = await eventsOf(t, `action = 'login.locked' AND resource_id = $1`, user.id);
    expect(locked).toMatchObject([{ detail: { lockedSeconds: 1800 } }, { detail: { lockedSeconds: 3600 } }]);
  });

  it('U8: begins anew after a success', async () => {
    for (let round = 0; round < 3; round++) {
      expect(await failTimes(4, user.username, here)).toEqual([401, 401, 401, 401]);
      expect((await login(user.username, PASSWORD, here)).status).toBe(200);
    }
  });

  it('U8: begins anew after half an hour without a failure', async () => {
    await failTimes(4, user.username, here);
    await timePasses('31 minutes');
    expect(await failTimes(4, user.username, here)).toEqual([401, 401, 401, 401]);
  });

  it('U8: may try again at once when an administrator unlocks it', async () => {
    await failTimes(5, user.username, here);
    const unlock = `/api/v1/users/${user.id}/unlock`;
    await (await asRole(t, 'operator')).post(unlock).expect(403);
    expect((await login(user.username, PASSWORD, here)).status).toBe(423);
    const admin = await asRole(t, 'admin');
    await admin.post(unlock).expect(204);
    expect((await login(user.username, PASSWORD, here)).status).toBe(200);
    expect(await eventsOf(t, `action = 'user.unlocked' AND resource_id = $1`, user.id)).toMatchObject([
      { category: 'governance', detail: { networks: 1 } },
    ]);
    await admin.post('/api/v1/users/01890000-0000-7000-8000-000000000000/unlock').expect(404);
  });

  it('U8: counts a /64 of IPv6 as one network', async () => {
    for (let i = 1; i <= 5; i++) await login(user.username, WRONG, `2001:db8:0:${networks}::${i}`);
    expect((await login(user.username, PASSWORD, `2001:db8:0:${networks}:ffff::1`)).status).toBe(423);
    expect((await login(user.username, PASSWORD, `2001:db8:1:${networks}::1`)).status).toBe(200);
  });

  it('U8: a settings change holds from the next attempt on', async () => {
    tuneSignIn(t, { lockFailures: 3, lockSeconds: 60 });
    try {
      expect(await failTimes(3, user.username, here)).toEqual([401, 401, 401]);
      const locked = await login(user.username, PASSWORD, here);
      expect([locked.status, Number(locked.headers['retry-after']) <= 60]).toEqual([423, true]);
    } finally {
      tuneSignIn(t, { lockFailures: 5, lockSeconds: 1800 });
    }
  });

  it('U8: signs in from several tabs at once', async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => login(user.username, PASSWORD, here)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  });
});

describe('fifty wrong attempts at once', () => {
  it('U8, ASVS 2.4.1: get at most five secrets compared beyond the limit, on two instances together, and one lock', async () => {
    const two = await startTestApp(PROXY, t.database);
    try {
      const user = await createUser(t, { roles: ['viewer'] });
      const here = newAddress();
      const compared = [t, two].map((app) => jest.spyOn(app.app.get(PasswordHasher), 'verify'));
      const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => login(user.username, WRONG, here, i % 2 === 0 ? t : two)));
      const comparisons = compared.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
      for (const spy of compared) spy.mockRestore();
      expect(comparisons).toBeGreaterThanOrEqual(5);
      expect(comparisons).toBeLessThanOrEqual(10);
      expect(answers.filter(({ status }) => status === 401)).toHaveLength(comparisons);
      expect(answers.filter(({ status }) => ![401, 423, 429].includes(status))).toEqual([]);
      const kept = answers.filter(({ status }) => status !== 401);
      expect(kept.filter(({ headers }) => !(Number(headers['retry-after']) > 0))).toEqual([]);
      expect((await login(user.username, PASSWORD, here, two)).status).toBe(423);
      expect(await eventsOf(t, `action = 'login.locked' AND resource_id = $1`, user.id)).toHaveLength(1);
    } finally {
      await two.close();
    }
  });
});

describe('a name that fails from everywhere', () => {
  it('U8: is slowed from one second to a minute, but not where it signed in before', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    const home = newAddress();
    expect((await login(user.username, PASSWORD, home)).status).toBe(200);
    for (let i = 0; i < 20; i++) expect((await login(user.username, WRONG, newAddress())).status).toBe(401);
    const slowed = await login(user.username, PASSWORD, newAddress());
    expect(slowed.status).toBe(429);
    expect(slowed.body).toMatchObject({ code: 'login_delayed' });
    expect(slowed.headers['retry-after']).toBe('1');
    expect((await login(user.username, PASSWORD, home)).status).toBe(200);

    // The next attempt is let through once the delay is over; each failure doubles it.
    const delays: unknown[] = [];
    for (let i = 0; i < 8; i++) {
      await timePasses('61 seconds');
      expect((await login(user.username, WRONG, newAddress())).status).toBe(401);
      delays.push((await login(user.username, PASSWORD, newAddress())).headers['retry-after']);
    }
    expect(delays).toEqual(['2', '4', '8', '16', '32', '60', '60', '60']);
    await timePasses('1 hour');
    expect((await login(user.username, PASSWORD, newAddress())).status).toBe(200);
  });

  it('U8: is known in a network for thirty days', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    const home = newAddress();
    expect((await login(user.username, PASSWORD, home)).status).toBe(200);
    await timePasses('31 days');
    for (let i = 0; i < 20; i++) await login(user.username, WRONG, newAddress());
    expect((await login(user.username, PASSWORD, home)).status).toBe(429);
  });
});

describe('a network that tries one name after the other', () => {
  it('U8, ASVS 2.4.1: is refused after a hundred failures in a quarter of an hour, but not to those known there', async () => {
    tuneSignIn(t, { networkFailures: 10 });
    try {
      const [known, unknown] = [await createUser(t, { roles: ['viewer'] }), await createUser(t, { roles: ['viewer'] })];
      const office = newAddress();
      expect((await login(known.username, PASSWORD, office)).status).toBe(200);
      for (let i = 0; i < 10; i++) expect((await login(`nobody-${i}`, WRONG, office)).status).toBe(401);
      const refused = await login(unknown.username, PASSWORD, office);
      expect([refused.status, (refused.body as { code: string }).code]).toEqual([429, 'login_delayed']);
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(890);
      expect((await login(known.username, PASSWORD, office)).status).toBe(200);
      expect((await login(unknown.username, PASSWORD, newAddress())).status).toBe(200);
      await timePasses('15 minutes');
      expect((await login(unknown.username, PASSWORD, office)).status).toBe(200);
    } finally {
      tuneSignIn(t, { networkFailures: 100 });
    }
  });
});

describe('names that nobody has', () => {
  it('U7, U8, ASVS 6.3.8: get answer for answer what a real one gets, whatever is tried from wherever', async () => {
    const addresses = [newAddress(), newAddress(), '2001:db8:99::1'];
    const step = fc.record({ from: fc.constantFrom(...addresses), wait: fc.constantFrom('0 seconds', '2 seconds', '31 minutes') });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 14 }), async (steps) => {
        await t.sql('TRUNCATE login_attempts, login_networks');
        const active = await createUser(t, { roles: ['viewer'] });
        const inactive = await createUser(t, { roles: ['viewer'], active: false });
        const nobody = `nobody-${randomBytes(4).toString('hex')}`;
        for (const { from, wait } of steps) {
          await timePasses(wait);
          const answers = [
            await login(active.username, WRONG, from),
            await login(nobody, WRONG, from),
            await login(inactive.username, PASSWORD, from),
          ];
          const [first, ...others] = answers.map(told);
          for (const other of others) expect(other).toEqual(first);
          const waits = answers.map(({ headers }) => Number(headers['retry-after'] ?? 0));
          expect(Math.max(...waits) - Math.min(...waits)).toBeLessThanOrEqual(2);
        }
      }),
      { numRuns: 6 },
    );
  }, 120_000);

  it('U8: are kept as digests', async () => {
    const typed = `secret typed as a name ${randomBytes(4).toString('hex')}`;
    await login(typed, WRONG, newAddress());
    for (const table of ['login_attempts', 'login_networks']) {
      const rows = await t.sql<{ row: string }>(`SELECT to_jsonb(x)::text AS row FROM ${table} x`);
      expect(rows.length).toBeGreaterThan(0);
      for (const { row } of rows) expect([row.includes(typed), row.includes(Buffer.from(typed).toString('hex'))]).toEqual([false, false]);
    }
  });
});

describe('what is kept of attempts', () => {
  it('U8: is no attempt when nobody looked at its secret', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    const here = newAddress();
    const down = jest.spyOn(t.app.get(PasswordHasher), 'verify').mockRejectedValue(new Error('broken'));
    for (let i = 0; i < 20; i++) expect((await login(user.username, WRONG, here)).status).toBe(500);
    down.mockRestore();
    expect((await login(user.username, PASSWORD, here)).status).toBe(200);
  });

  it('U8: goes when no rule looks at it any more', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    await failTimes(5, user.username, newAddress());
    await login(user.username, PASSWORD, newAddress());
    const rows = async (): Promise<number> =>
      (await t.sql(`SELECT at FROM login_attempts UNION ALL SELECT last_failure_at FROM login_networks`)).length;
    const before = await rows();
    await t.app.get(LoginThrottle).forgetOld();
    expect(await rows()).toBe(before);
    await timePasses('31 days');
    await t.app.get(LoginThrottle).forgetOld();
    expect(await rows()).toBe(0);
  });
});
