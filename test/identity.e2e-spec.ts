import { jest } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import jwt from 'jsonwebtoken';
import { type Response } from 'supertest';
import { type AuditEventView } from '../src/audit/log/audit-event.dto.js';
import { KeyStore } from '../src/platform/crypto/key-store.js';
import { LoginThrottle } from '../src/users/sessions/login-throttle.js';
import { SessionDirectory } from '../src/users/sessions/session-directory.js';
import { eventually } from './support/eventually.js';
import { eventsOf } from './support/audit-events.js';
import { asRole, createUser, PASSWORD, signIn, type TestUser, withToken } from './support/sign-in.js';
import { withoutThrottle } from './support/sign-in-settings.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const NEXT_PASSWORD = 'a heron stands where the river bends';
let t: TestApp;

function eventsAbout(id: string, action: string): Promise<AuditEventView[]> {
  return eventsOf(t, 'action = $1 AND $2 IN (resource_id, actor_id)', action, id);
}

async function login(username: string, password: string): Promise<Response> {
  return t.anonymous.post('/api/v1/auth/login').send({ username, password });
}

async function refresh(refreshToken: string): Promise<Response> {
  return t.anonymous.post('/api/v1/auth/refresh').send({ refreshToken });
}

async function me(accessToken: string): Promise<Response> {
  return withToken(t, accessToken).get('/api/v1/me');
}

/** What the token says, unverified. */
function claims(accessToken: string): { sub: string; sid: string; exp: number; iat: number } {
  return jwt.decode(accessToken) as unknown as { sub: string; sid: string; exp: number; iat: number };
}

/** The body without what differs from answer to answer. */
function withoutRequestId({ body }: Response): Record<string, unknown> {
  const { requestId, ...rest } = body as Record<string, unknown>;
  expect(requestId).toBeDefined();
  return rest;
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

beforeAll(async () => {
  t = await startTestApp();
  // What keeps people from guessing would keep these tests from it: login-throttle has it.
  withoutThrottle(t);
});

afterAll(async () => {
  await t.close();
});

describe('signing in', () => {
  it('U7, ASVS 6.3.8: answers the same, and about as fast, whether the password is wrong, the user unknown or inactive', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    const inactive = await createUser(t, { roles: ['viewer'], active: false });
    const attempts: Record<string, [string, string]> = {
      wrong: [user.username, 'not the password at all'],
      unknown: ['nobody-of-this-name', PASSWORD],
      inactive: [inactive.username, PASSWORD],
    };
    const times: Record<string, number[]> = { wrong: [], unknown: [], inactive: [] };
    const bodies = new Set<string>();
    for (let round = 0; round < 15; round++) {
      for (const [kind, [username, password]] of Object.entries(attempts)) {
        const began = performance.now();
        const answer = await login(username, password);
        times[kind]!.push(performance.now() - began);
        expect(answer.status).toBe(401);
        bodies.add(JSON.stringify(withoutRequestId(answer)));
      }
    }
    expect([...bodies].map((body) => JSON.parse(body) as unknown)).toEqual([
      expect.objectContaining({ code: 'login_failed', status: 401 }),
    ]);
    const medians = Object.values(times).map(median);
    // Without a dummy hash an unknown name is answered several times faster.
    expect(Math.max(...medians) / Math.min(...medians)).toBeLessThan(2);

    const failures = await eventsAbout(user.id, 'login.failed');
    expect(failures).toHaveLength(15);
    expect(failures[0]).toMatchObject({ category: 'access', outcome: 'failure', detail: { reason: 'wrong_password' } });
    expect((await eventsAbout(inactive.id, 'login.failed'))[0]).toMatchObject({ detail: { reason: 'inactive' } });
    const [unknown] = await eventsAbout('unknown', 'login.failed');
    expect(unknown).toMatchObject({
      detail: { reason: 'unknown_user', usernameBegins: 'no', usernameDigest: expect.any(String) as unknown },
    });
    expect(JSON.stringify(unknown)).not.toContain('nobody-of-this-name');

    const answer = await login(user.username.toUpperCase(), user.password);
    expect(answer.status).toBe(200);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.body).toMatchObject({ tokenType: 'Bearer', expiresIn: 900, mustChangePassword: false });
    const [success] = await eventsAbout(user.id, 'login.succeeded');
    expect(success).toMatchObject({ category: 'access', outcome: 'success', actor: { kind: 'user', id: user.id, name: user.username } });
    const [row] = await t.sql(`SELECT last_login_at > now() - interval '1 minute' AS noted FROM users WHERE id = $1`, [user.id]);
    expect(row).toEqual({ noted: true });
  });

  it('U7: refuses a flood of logins at once instead of letting everything wait', async () => {
    const attempts = jest.spyOn(t.app.get(LoginThrottle), 'attempt');
    // So many that more arrive than are served, however slowly they do on a busy machine.
    const answers = await Promise.all(
      Array.from({ length: availableParallelism() + 400 }, (_, i) => login(`flood-${i}`, 'whatever it may be')),
    );
    const busy = answers.filter(({ status }) => status === 503);
    expect(busy.length).toBeGreaterThan(0);
    expect(answers.filter(({ status }) => status === 401).length).toBeGreaterThanOrEqual(64);
    expect(busy[0]!.body).toMatchObject({ code: 'login_busy' });
    // Who is told to come back has cost the database nothing.
    expect(attempts).toHaveBeenCalledTimes(answers.length - busy.length);
    attempts.mockRestore();
    expect(busy[0]!.headers['retry-after']).toBe('1');
  });

  it('U6, ASVS 7.2.1, 9.1.1, 9.1.2, 9.1.3, 9.2.1, 9.2.2, 9.2.3: tokens that are not exactly ours are 401, before the database is asked', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    const { accessToken, refreshToken } = await signIn(t, user);
    const { sub, sid, exp, iat } = claims(accessToken);
    const { kid, key } = t.app.get(KeyStore).jwt.signing;
    const [head, body, signature] = accessToken.split('.') as [string, string, string];
    expect(JSON.parse(Buffer.from(head, 'base64url').toString())).toEqual({ alg: 'HS256', typ: 'at+jwt', kid });
    expect(Object.keys(jwt.decode(accessToken) as object).sort()).toEqual(['aud', 'exp', 'iat', 'iss', 'jti', 'sid', 'sub']);

    const payload = { iss: 'cadastre', aud: 'cadastre-api', sub, sid, iat, exp };
    const forge = (header: object = {}, changes: object = {}, secret: jwt.Secret = key, algorithm: jwt.Algorithm = 'HS256'): string =>
      jwt.sign(JSON.parse(JSON.stringify({ ...payload, ...changes })) as object, secret, {
        algorithm,
        header: { alg: algorithm, typ: 'at+jwt', kid, ...header },
      });
    const forged: Record<string, string> = {
      'another payload under the signature': `${head}.${Buffer.from(JSON.stringify({ ...payload, sub: sid })).toString('base64url')}.${signature}`,
      'no algorithm': `${Buffer.from(JSON.stringify({ alg: 'none', typ: 'at+jwt', kid })).toString('base64url')}.${body}.`,
      'another algorithm': forge({}, {}, key, 'HS512'),
      expired: forge({}, { iat: iat - 2000, exp: iat - 1000 }),
      'an unknown kid': forge({ kid: 'other' }),
      'a kid of the prototype': forge({ kid: 'constructor' }),
      'no kid': forge({ kid: undefined }),
      'a foreign key under our kid': forge({}, {}, randomBytes(32)),
      'no typ': forge({ typ: undefined }),
      'an ID token’s typ': forge({ typ: 'JWT' }),
      'critical extensions': forge({ crit: ['b64'] }),
      'no expiry': forge({}, { exp: undefined }),
      'no session': forge({}, { sid: undefined }),
      'no subject': forge({}, { sub: undefined }),
      'a subject that is no id': forge({}, { sub: 'admin' }),
      'another issuer': forge({}, { iss: 'elsewhere' }),
      'another audience': forge({}, { aud: 'elsewhere' }),
      'a refresh token': refreshToken,
      garbage: 'a.b.c',
    };
    const asked = jest.spyOn(t.app.get(SessionDirectory), 'principalOf');
    try {
      const statuses: Record<string, number> = {};
      for (const [kind, token] of Object.entries(forged)) statuses[kind] = (await me(token)).status;
      expect(statuses).toEqual(Object.fromEntries(Object.keys(forged).map((kind) => [kind, 401])));
      expect(asked).not.toHaveBeenCalled();
      expect((await me(forge())).status).toBe(200);
      expect(asked).toHaveBeenCalledTimes(1);
    } finally {
      asked.mockRestore();
    }
    // Genuine, but the session is somebody else's.
    const other = await createUser(t, { roles: ['viewer'] });
    expect((await me(forge({}, { sub: other.id }))).status).toBe(401);
  });

  it('U9, ASVS 7.4.1, 10.4.9: logging out ends the session on the next request, and its refresh token', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    const { accessToken, refreshToken } = await signIn(t, user);
    const elsewhere = await signIn(t, user);
    expect((await me(accessToken)).body).toMatchObject({ username: user.username, roles: ['viewer'] });
    await withToken(t, accessToken).post('/api/v1/auth/logout').expect(204);
    expect((await me(accessToken)).status).toBe(401);
    expect((await refresh(refreshToken)).status).toBe(401);
    expect((await me(elsewhere.accessToken)).status).toBe(200);
    expect(await eventsAbout(claims(accessToken).sid, 'session.ended')).toMatchObject([
      { detail: { reason: 'logout' }, actor: { id: user.id } },
    ]);
  });
});

describe('refresh tokens', () => {
  let user: TestUser;

  /** As if the tokens used so far had been used eleven seconds ago. */
  const graceEnds = (sid: string): Promise<unknown> =>
    t.sql(`UPDATE refresh_tokens SET used_at = used_at - interval '11 seconds' WHERE session_id = $1 AND used_at IS NOT NULL`, [sid]);

  beforeAll(async () => {
    user = await createUser(t, { roles: ['viewer'] });
  });

  it('U9, ASVS 10.4.5: rotate; a used one gets the same successor for ten seconds and then ends the session', async () => {
    const first = await signIn(t, user);
    const { sid } = claims(first.accessToken);
    const second = await refresh(first.refreshToken);
    expect(second.status).toBe(200);
    expect(second.headers['cache-control']).toBe('no-store');
    const { accessToken, refreshToken } = second.body as { accessToken: string; refreshToken: string };
    expect(refreshToken).not.toBe(first.refreshToken);
    expect(claims(accessToken).sid).toBe(sid);
    expect((await refresh(first.refreshToken)).body).toMatchObject({ refreshToken });
    const third = (await refresh(refreshToken)).body as { refreshToken: string };

    await graceEnds(sid);
    expect((await refresh(third.refreshToken)).status).toBe(200);
    const stolen = await refresh(first.refreshToken);
    expect(stolen.status).toBe(401);
    expect(stolen.body).toMatchObject({ code: 'refresh_refused' });
    expect((await me(accessToken)).status).toBe(401);
    expect((await refresh(third.refreshToken)).status).toBe(401);
    expect(await t.sql('SELECT end_reason FROM auth_sessions WHERE id = $1', [sid])).toEqual([{ end_reason: 'refresh_reused' }]);
    expect(await eventsAbout(sid, 'session.refresh_reused')).toMatchObject([
      { severity: 'high', outcome: 'denied', actor: { id: user.id } },
    ]);
    expect(await eventsAbout(sid, 'session.refreshed')).toHaveLength(3);
  });

  it('U9: fifty callers with one token get one successor', async () => {
    const { accessToken, refreshToken } = await signIn(t, user);
    const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(refreshToken)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ body }) => (body as { refreshToken: string }).refreshToken)).size).toBe(1);
    expect(await t.sql('SELECT count(*)::int AS tokens FROM refresh_tokens WHERE session_id = $1', [claims(accessToken).sid])).toEqual([
      { tokens: 2 },
    ]);
  });

  it('U9, ASVS 7.2.3, 11.5.1: the database has hashes only', async () => {
    const { accessToken, refreshToken } = await signIn(t, user);
    const { refreshToken: successor } = (await refresh(refreshToken)).body as { refreshToken: string };
    const rows = await t.sql<{ row: string; hash: string }>(
      `SELECT to_jsonb(r)::text AS row, encode(token_hash, 'hex') AS hash FROM refresh_tokens r WHERE session_id = $1`,
      [claims(accessToken).sid],
    );
    const digests = [refreshToken, successor].map((token) => createHash('sha256').update(token).digest('hex'));
    expect(rows.map(({ hash }) => hash).sort()).toEqual(digests.sort());
    const hidden = [refreshToken, successor].flatMap((token) => [token, Buffer.from(token).toString('hex')]);
    for (const { row } of rows) for (const secret of hidden) expect(row).not.toContain(secret);
  });

  it('U9, ASVS 7.3.2, 10.4.8: none outlives its session, nor does an access token', async () => {
    const { accessToken, refreshToken } = await signIn(t, user);
    const { sid } = claims(accessToken);
    await t.sql(`UPDATE auth_sessions SET expires_at = now() + interval '100 seconds' WHERE id = $1`, [sid]);
    const pair = (await refresh(refreshToken)).body as { accessToken: string; refreshToken: string; expiresIn: number };
    expect(pair.expiresIn).toBeLessThanOrEqual(100);
    await t.sql(`UPDATE auth_sessions SET expires_at = now() WHERE id = $1`, [sid]);
    expect((await refresh(pair.refreshToken)).status).toBe(401);
    expect((await me(pair.accessToken)).status).toBe(401);
    expect((await refresh('x'.repeat(43))).status).toBe(401);
    expect((await refresh('short')).status).toBe(401);
  });
});

describe('passwords', () => {
  it('U11, ASVS 6.4.1: a one-time password permits nothing but changing it', async () => {
    const user = await createUser(t, { roles: ['admin'], mustChangePassword: true });
    const { accessToken } = await signIn(t, user);
    const agent = withToken(t, accessToken);
    const refused = await agent.get('/api/v1/users').expect(403);
    expect(refused.body).toMatchObject({ code: 'password_change_required' });
    expect((await agent.get('/api/v1/me').expect(200)).body).toMatchObject({
      mustChangePassword: true,
      permissions: ['profile:read', 'profile:write'],
    });
    await agent.post('/api/v1/me/password').send({ currentPassword: PASSWORD, newPassword: NEXT_PASSWORD }).expect(204);
    await agent.get('/api/v1/users').expect(200);
    expect((await login(user.username, NEXT_PASSWORD)).body).toMatchObject({ mustChangePassword: false });
  });

  it('U7, U10, ASVS 6.2.2, 6.2.3, 7.4.3: changing one needs the present one, ends the other sessions and keeps this one', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    const [here, there] = [await signIn(t, user), await signIn(t, user)];
    const agent = withToken(t, here.accessToken);
    const change = async (currentPassword: string, newPassword: string): Promise<Record<string, unknown>> => {
      const answer = await agent.post('/api/v1/me/password').send({ currentPassword, newPassword }).expect(422);
      return answer.body as Record<string, unknown>;
    };
    expect(await change(PASSWORD, 'short')).toMatchObject({ code: 'password_too_short', errors: [{ pointer: '/newPassword' }] });
    expect(await change(PASSWORD, PASSWORD)).toMatchObject({ code: 'password_unchanged' });
    expect(await change('a guess at the password', NEXT_PASSWORD)).toMatchObject({
      code: 'wrong_password',
      errors: [{ pointer: '/currentPassword' }],
    });
    expect(await eventsAbout(user.id, 'user.password_change_refused')).toMatchObject([{ outcome: 'denied' }]);
    expect((await me(there.accessToken)).status).toBe(200);

    await agent.post('/api/v1/me/password').send({ currentPassword: PASSWORD, newPassword: NEXT_PASSWORD }).expect(204);
    expect((await me(here.accessToken)).status).toBe(200);
    expect((await me(there.accessToken)).status).toBe(401);
    expect((await login(user.username, PASSWORD)).status).toBe(401);
    expect((await login(user.username, NEXT_PASSWORD)).status).toBe(200);
    expect(await eventsAbout(user.id, 'user.password_changed')).toMatchObject([{ category: 'governance', detail: { endedSessions: 1 } }]);
  });
});

describe('two instances on one database', () => {
  it('U9, ASVS 7.4.1, 8.3.2: a session ended at one is refused by the other as soon as its short-lived copy is stale', async () => {
    const shared = { CADASTRE_JWT_KEYS: `shared:${randomBytes(32).toString('base64url')}` };
    const one = await startTestApp(shared, t.database);
    const two = await startTestApp(shared, t.database);
    withoutThrottle(one);
    try {
      const { accessToken } = await signIn(one, await createUser(one, { roles: ['viewer'] }));
      await withToken(two, accessToken).get('/api/v1/me').expect(200);
      await withToken(t, accessToken).get('/api/v1/me').expect(401);
      await withToken(one, accessToken).post('/api/v1/auth/logout').expect(204);
      await withToken(one, accessToken).get('/api/v1/me').expect(401);
      await eventually(async () => (await withToken(two, accessToken).get('/api/v1/me')).status === 401);
    } finally {
      await two.close();
      await one.close();
    }
    // The one that stays is served by its own strategy still.
    await (await asRole(t, 'viewer')).get('/api/v1/me').expect(200);
  });
});
