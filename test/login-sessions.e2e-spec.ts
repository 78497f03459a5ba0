import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import jwt from 'jsonwebtoken';
import supertest, { type Agent, type Response, type Test } from 'supertest';
import { ExpiryRuns } from '../src/audit/expiry/expiry-runs.js';
import { CONSOLE_COOKIE } from '../src/platform/auth/credentials.js';
import { type Permission } from '../src/platform/auth/permissions.js';
import { UnitOfWork } from '../src/platform/database/unit-of-work.js';
import { Jobs } from '../src/platform/jobs/jobs.js';
import { SessionSweeper } from '../src/users/sessions/session-sweeper.js';
import { signInSettings } from '../src/users/sessions/sign-in-settings.js';
import { type SignInMode, SignIns } from '../src/users/sessions/sign-ins.js';
import { eventsOf } from './support/audit-events.js';
import { eventually } from './support/eventually.js';
import { operations } from './support/openapi-document.js';
import { codeOf, codesRest, createUserWithTotp, ticketFor } from './support/second-factor.js';
import { asRole, createUser, PASSWORD, signIn, type TestUser, withToken } from './support/sign-in.js';
import { tuneSignIn } from './support/sign-in-settings.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const AUTH = '/api/v1/auth';
const MINE = '/api/v1/me/sessions';
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0';
const COOKIE = /^__Host-cadastre=([\w-]{43}); Path=\/; HttpOnly; Secure; SameSite=Strict$/;
const KEYS = { CADASTRE_JWT_KEYS: `shared:${randomBytes(32).toString('base64url')}` };
let t: TestApp;

interface Session {
  id: string;
  current: boolean;
  methods: string[];
}

const sidOf = (accessToken: string): string => (jwt.decode(accessToken) as { sid: string }).sid;
const codeIn = ({ body }: Response): unknown => (body as { code: string }).code;
const login = async (user: TestUser, more: object = {}): Promise<Response> =>
  t.anonymous.post(`${AUTH}/login`).send({ username: user.username, password: PASSWORD, ...more });
const statusOf = async (accessToken: string, on = t): Promise<number> => (await withToken(on, accessToken).get('/api/v1/me')).status;
const endings = (id: string): Promise<object[]> => eventsOf(t, `action = 'session.ended' AND resource_id = $1`, id);
const cookieIn = ({ headers }: Response): string => String((headers['set-cookie'] as unknown as string[])[0]);

/** As if this session had last been used, or last proven, so long ago; what the instance remembers of it is stale by then. */
async function sessionRests(sid: string, column: 'last_seen_at' | 'authenticated_at' | 'expires_at', interval: string): Promise<void> {
  await t.sql(`UPDATE auth_sessions SET ${column} = ${column} - $2::interval WHERE id = $1`, [sid, interval]);
}

const sessionRow = async (sid: string): Promise<Record<string, unknown>> =>
  (await t.sql(`SELECT *, encode(secret_hash, 'hex') AS secret FROM auth_sessions WHERE id = $1`, [sid]))[0]!;

beforeAll(async () => {
  t = await startTestApp({ ...KEYS, CADASTRE_JOBS: 'false' });
});

afterAll(() => t.close());

describe('login sessions', () => {
  it('S1, ASVS 7.5.2: are listed to their owner with device, address and last use', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    const { accessToken } = await signIn(t, user);
    await t.anonymous.post(`${AUTH}/login`).set('user-agent', FIREFOX).send({ username: user.username, password: PASSWORD }).expect(200);
    await signIn(t, await createUser(t));
    const { items, total } = (await withToken(t, accessToken).get(MINE).expect(200)).body as { items: Session[]; total: number };
    expect(total).toBe(2);
    expect(items).toMatchObject([
      { device: 'Firefox on Linux', userAgent: FIREFOX, clientIp: '127.0.0.1', current: false, kind: 'token', methods: ['pwd'] },
      { id: sidOf(accessToken), current: true },
    ]);
    for (const time of ['createdAt', 'lastSeenAt', 'authenticatedAt', 'expiresAt'])
      expect(items[0]).toHaveProperty(time, expect.stringMatching(/^\d{4}-.*Z$/));
  });

  it('S1: remember their last use to the minute', async () => {
    const { accessToken } = await signIn(t, await createUser(t, { roles: ['viewer'] }));
    await sessionRests(sidOf(accessToken), 'last_seen_at', '10 minutes');
    await eventually(async () => (await statusOf(accessToken)) === 200);
    const [row] = await t.sql(`SELECT last_seen_at > now() - interval '1 minute' AS noted FROM auth_sessions WHERE id = $1`, [
      sidOf(accessToken),
    ]);
    expect(row).toEqual({ noted: true });
  });

  it('S1, ASVS 7.4.1, ASVS 7.5.2: end at a word of their owner, one or all others, on the next request', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    const [here, there, elsewhere] = [await signIn(t, user), await signIn(t, user), await signIn(t, user)];
    const stranger = await signIn(t, await createUser(t, { roles: ['viewer'] }));
    const agent = withToken(t, here.accessToken);
    expect(codeIn(await agent.delete(`${MINE}/${sidOf(stranger.accessToken)}`).expect(404))).toBe('session_not_found');
    expect(await statusOf(there.accessToken)).toBe(200);
    await agent.delete(`${MINE}/${sidOf(there.accessToken)}`).expect(204);
    expect(await statusOf(there.accessToken)).toBe(401);
    await t.anonymous.post(`${AUTH}/refresh`).send({ refreshToken: there.refreshToken }).expect(401);
    await agent.delete(`${MINE}/${sidOf(there.accessToken)}`).expect(404);
    expect((await agent.delete(MINE).expect(200)).body).toEqual({ ended: 1 });
    expect([await statusOf(elsewhere.accessToken), await statusOf(here.accessToken), await statusOf(stranger.accessToken)]).toEqual([
      401, 200, 200,
    ]);
    expect(await endings(sidOf(there.accessToken))).toMatchObject([{ detail: { reason: 'revoked' }, actor: { id: user.id } }]);
  });

  it('S1, ASVS 7.4.5: are listed to administrators and ended by them, one or all of a user', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    const [one, two, three] = [await signIn(t, user), await signIn(t, user), await signIn(t, user)];
    const admin = await asRole(t, 'admin');
    await (await asRole(t, 'operator')).get('/api/v1/sessions').expect(403);
    const listed = (await admin.get('/api/v1/sessions').query({ userId: user.id }).expect(200)).body as { items: Session[]; total: number };
    expect([listed.total, listed.items.map(({ id }) => id)]).toEqual([3, [three, two, one].map(({ accessToken }) => sidOf(accessToken))]);
    expect(((await admin.get('/api/v1/sessions').expect(200)).body as { total: number }).total).toBeGreaterThan(3);
    await admin.delete(`/api/v1/sessions/${sidOf(one.accessToken)}`).expect(204);
    expect([await statusOf(one.accessToken), await statusOf(two.accessToken)]).toEqual([401, 200]);
    await admin.delete(`/api/v1/sessions/${sidOf(one.accessToken)}`).expect(404);
    expect((await admin.delete(`/api/v1/users/${user.id}/sessions`).expect(200)).body).toEqual({ ended: 2 });
    expect([await statusOf(two.accessToken), await statusOf(three.accessToken)]).toEqual([401, 401]);
    expect((await admin.get('/api/v1/sessions').query({ userId: user.id })).body).toEqual({ items: [], total: 0 });
  });

  it('S1, ASVS 7.2.4: have an id and secrets of their own at each login', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    const logins = [await signIn(t, user), await signIn(t, user)];
    expect(new Set(logins.flatMap(({ accessToken, refreshToken }) => [sidOf(accessToken), refreshToken])).size).toBe(4);
  });
});

describe('time', () => {
  let user: TestUser;
  let accessToken: string;
  let refreshToken: string;

  beforeEach(async () => {
    user = await createUser(t, { roles: ['viewer'] });
    ({ accessToken, refreshToken } = await signIn(t, user));
  });

  it('S4, ASVS 7.3.1: a session idle for half an hour is refused at once, also its refresh token', async () => {
    await sessionRests(sidOf(accessToken), 'last_seen_at', '29 minutes');
    expect(await statusOf(accessToken)).toBe(200);
    // That it was used is noted beside the answer, and must not come after what follows.
    const seen = (): Promise<unknown[]> =>
      t.sql(`SELECT FROM auth_sessions WHERE id = $1 AND last_seen_at > now() - interval '20 minutes'`, [sidOf(accessToken)]);
    await eventually(async () => (await seen()).length === 1);
    await sessionRests(sidOf(accessToken), 'last_seen_at', '31 minutes');
    await eventually(async () => (await statusOf(accessToken)) === 401);
    await t.anonymous.post(`${AUTH}/refresh`).send({ refreshToken }).expect(401);
  });

  it('S4, U18: an administrator’s is after a quarter of an hour', async () => {
    const admin = await signIn(t, await createUser(t, { roles: ['admin'] }));
    for (const token of [accessToken, admin.accessToken]) await sessionRests(sidOf(token), 'last_seen_at', '16 minutes');
    expect([await statusOf(accessToken), await statusOf(admin.accessToken)]).toEqual([200, 401]);
  });

  it('S4, ASVS 7.3.2: none lasts longer than twelve hours, however it is used', async () => {
    expect(
      (
        await t.sql<{ s: number }>('SELECT extract(epoch FROM expires_at - created_at)::int AS s FROM auth_sessions WHERE id = $1', [
          sidOf(accessToken),
        ])
      )[0]?.s,
    ).toBe(43_200);
    await sessionRests(sidOf(accessToken), 'expires_at', '12 hours');
    expect(await statusOf(accessToken)).toBe(401);
  });

  it('S4: three sweepers at once end what is over with its reason and exactly one event each', async () => {
    const two = await startTestApp(KEYS, t.database);
    const three = await startTestApp({ ...KEYS, CADASTRE_JOBS: 'false' }, t.database);
    try {
      const sessions = await Promise.all(Array.from({ length: 9 }, () => signIn(t, user)));
      const sids = sessions.map((session) => sidOf(session.accessToken));
      for (const sid of sids.slice(0, 4)) await sessionRests(sid, 'last_seen_at', '31 minutes');
      for (const sid of sids.slice(4, 8)) await sessionRests(sid, 'expires_at', '13 hours');
      await Promise.all([t, two, three].map((app) => app.app.get(SessionSweeper).sweep()));
      const reasons = await Promise.all(
        sids.map(async (sid) => (await endings(sid)).map((event) => (event as { detail: unknown }).detail)),
      );
      expect(reasons).toEqual([
        ...Array.from({ length: 4 }, () => [{ reason: 'idle', user: user.username }]),
        ...Array.from({ length: 4 }, () => [{ reason: 'expired', user: user.username }]),
        [],
      ]);
      expect((await endings(sids[0]!))[0]).toMatchObject({ actor: { kind: 'system' } });
      expect((await sessionRow(sids[0]!)).end_reason).toBe('idle');
      // The job, which a schedule sends every minute, does the same.
      await sessionRests(sids[8]!, 'last_seen_at', '31 minutes');
      await t.app.get(Jobs).send('users.sweep-sessions');
      await eventually(async () => (await endings(sids[8]!)).length === 1);
    } finally {
      await three.close();
      await two.close();
    }
  });

  it('S4: sessions are forgotten ninety days after their end, and their tokens with them', async () => {
    const sid = sidOf(accessToken);
    await withToken(t, accessToken).post(`${AUTH}/logout`).expect(204);
    const forgetOld = (): Promise<object> => t.app.get(ExpiryRuns).run(randomUUID());
    await t.sql(`UPDATE auth_sessions SET ended_at = now() - interval '89 days' WHERE id = $1`, [sid]);
    await forgetOld();
    expect(await t.sql('SELECT FROM auth_sessions WHERE id = $1', [sid])).toHaveLength(1);
    await t.sql(`UPDATE auth_sessions SET ended_at = now() - interval '91 days' WHERE id = $1`, [sid]);
    expect(await forgetOld()).toMatchObject({ sessions: 1 });
    expect(await t.sql('SELECT FROM refresh_tokens WHERE session_id = $1', [sid])).toEqual([]);
  });
});

describe('how many at once', () => {
  it('U18, ASVS 7.1.2: a fourth login of an administrator ends the oldest session', async () => {
    const user = await createUser(t, { roles: ['admin'] });
    const logins: string[] = [];
    for (let i = 0; i < 4; i++) logins.push((await signIn(t, user)).accessToken);
    expect(await Promise.all(logins.map((token) => statusOf(token)))).toEqual([401, 200, 200, 200]);
    expect(await endings(sidOf(logins[0]!))).toMatchObject([{ detail: { reason: 'limit' }, actor: { id: user.id, name: user.username } }]);
  });

  it('U18: an eleventh of anybody else does', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    const logins: string[] = [];
    for (let i = 0; i < 11; i++) logins.push((await signIn(t, user)).accessToken);
    expect([await statusOf(logins[0]!), await statusOf(logins[1]!), await statusOf(logins[10]!)]).toEqual([401, 200, 200]);
  });

  it('U18: ten logins at the same moment leave three, and one event for each that ended', async () => {
    const user = await createUser(t, { roles: ['admin'] });
    const work = t.app.get(UnitOfWork);
    const open = (): Promise<unknown> =>
      work.run(() => t.app.get(SignIns).open({ userId: user.id, mustChangePassword: false, mode: 'tokens', methods: ['oidc'] }));
    await Promise.all(Array.from({ length: 10 }, open));
    const rows = await t.sql<{ id: string; end_reason: string | null }>('SELECT id, end_reason FROM auth_sessions WHERE user_id = $1', [
      user.id,
    ]);
    expect(rows.filter(({ end_reason }) => end_reason === null)).toHaveLength(3);
    const ended = rows.filter(({ end_reason }) => end_reason === 'limit');
    expect(ended).toHaveLength(7);
    for (const { id } of ended) expect(await endings(id)).toHaveLength(1);
  });

  it('U18: what is idle or over takes nobody’s place', async () => {
    const user = await createUser(t, { roles: ['admin'] });
    const [idle, good] = [await signIn(t, user), await signIn(t, user)];
    await sessionRests(sidOf(idle.accessToken), 'last_seen_at', '16 minutes');
    await signIn(t, user);
    await signIn(t, user);
    expect(await statusOf(good.accessToken)).toBe(200);
  });
});

describe('the console', () => {
  const SIGN_IN: { mode: SignInMode } = { mode: 'console' };

  it('U9, ASVS 3.3.1, 7.2.2: gets a cookie no script can read, and no token; the database has its hash', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    const answer = await login(user, SIGN_IN);
    expect([answer.status, answer.headers['cache-control'], Object.keys(answer.body as object).sort()]).toEqual([
      200,
      'no-store',
      ['mustChangePassword', 'sessionExpiresAt'],
    ]);
    const [, secret = ''] = COOKIE.exec(cookieIn(answer)) ?? [];
    expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
    const rows = await t.sql<{ id: string; kind: string; secret: string }>(
      `SELECT id, kind, encode(secret_hash, 'hex') AS secret FROM auth_sessions WHERE user_id = $1`,
      [user.id],
    );
    expect(rows).toEqual([
      { id: expect.any(String) as string, kind: 'console', secret: createHash('sha256').update(secret).digest('hex') },
    ]);
    expect(await t.sql('SELECT FROM refresh_tokens WHERE session_id = $1', [rows[0]!.id])).toEqual([]);
    expect(await eventsOf(t, `action = 'login.succeeded' AND actor_id = $1`, user.id)).toMatchObject([{ detail: { mode: 'console' } }]);
  });

  it('U9, U18: gets it after the second factor too', async () => {
    const { user, secret } = await createUserWithTotp(t, { roles: ['viewer'] });
    const ticket = await ticketFor(t, user, SIGN_IN);
    const answer = await t.anonymous.post(`${AUTH}/second-factor`).send({ ticket, code: codeOf(secret) });
    expect([answer.status, COOKIE.test(cookieIn(answer))]).toEqual([200, true]);
    expect(answer.body).not.toHaveProperty('accessToken');
  });

  /** Calls as the console does: with its cookie, from its own page. */
  async function aConsole(): Promise<{
    user: TestUser;
    secret: string;
    call: (method: 'get' | 'post', path: string, headers?: object) => Test;
  }> {
    const user = await createUser(t, { roles: ['viewer'] });
    const [, secret = ''] = COOKIE.exec(cookieIn(await login(user, SIGN_IN))) ?? [];
    const call = (method: 'get' | 'post', path: string, headers: object = { 'sec-fetch-site': 'same-origin' }): Test =>
      supertest(t.url)
        [method](path)
        .set({ cookie: `${CONSOLE_COOKIE}=${secret}`, ...headers });
    return { user, secret, call };
  }

  it('U9, ASVS 3.3.2, 3.3.3, 3.3.4: the cookie is a credential like a token, and says for whom and for where it is', async () => {
    const { user, call } = await aConsole();
    expect((await call('get', '/api/v1/me').expect(200)).body).toMatchObject({ id: user.id });
    await call('get', '/api/v1/users').expect(403);
    const { headers } = await login(user, SIGN_IN);
    expect(String(headers['set-cookie'])).toMatch(/^__Host-cadastre=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Strict$/);
  });

  it('U9, ASVS 3.5.1: a page of another site changes nothing with it, an own page and one on the list do', async () => {
    const { call } = await aConsole();
    const begin = (headers: object): Test => call('post', '/api/v1/work-sessions', headers).send({ title: 'Plan' });
    const own = new URL(t.url).host;
    for (const headers of [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'https://evil.example' },
      { origin: `https://${own}.evil.example` },
      { origin: 'null' },
      {},
    ]) {
      const answer = await begin(headers);
      expect({ headers, status: answer.status, code: (answer.body as { code: string }).code }).toEqual({
        headers,
        status: 403,
        code: 'cross_site',
      });
    }
    for (const headers of [{ 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-site': 'none' }, { origin: `http://${own}` }])
      expect({ headers, status: (await begin(headers)).status }).toEqual({ headers, status: 201 });
    await call('get', '/api/v1/me', { 'sec-fetch-site': 'cross-site' }).expect(200);
  });

  it('U9, ASVS 7.4.1: logging out clears it and ends the session', async () => {
    const { call } = await aConsole();
    const answer = await call('post', `${AUTH}/logout`).expect(204);
    expect(cookieIn(answer)).toMatch(/^__Host-cadastre=; Max-Age=0; Path=\/; HttpOnly; Secure; SameSite=Strict$/);
    await call('get', '/api/v1/me').expect(401);
  });

  it('U9, ASVS 7.5.1: a fresh proof gives a console another cookie, and the old one is of no use', async () => {
    const { call, secret: before } = await aConsole();
    const answer = await call('post', `${AUTH}/step-up`).send({ password: PASSWORD }).expect(200);
    const [, secret = ''] = COOKIE.exec(cookieIn(answer)) ?? [];
    expect(answer.body).toEqual({ sessionExpiresAt: expect.any(String) as string, mustChangePassword: false });
    expect(secret).not.toBe(before);
    await call('get', '/api/v1/me', { cookie: `${CONSOLE_COOKIE}=${secret}` }).expect(200);
    await call('get', '/api/v1/me').expect(401);
  });
});

/** With these somebody could stay in, let others in, or make evidence go. */
const DELICATE_RIGHTS = new Set<string>([
  'audit-erasure:write',
  'audit-hold:write',
  'audit-retention:write',
  'audit:archive',
  'identity-provider:write',
  'key:write',
  'key:write-own',
  'role:assign',
  'role:write',
  'setting:write',
  'user:write',
] satisfies Permission[]);

/** What asks for such a right and not for a proof, and why. */
const HARMLESS: Record<string, string> = {
  'DELETE /api/v1/audit/archive/periods/:log/:period/rehydrate': 'takes a copy away',
  'DELETE /api/v1/invitations/:id': 'lets nobody in',
  'DELETE /api/v1/keys/:id': 'lets nobody in',
  'DELETE /api/v1/me/keys/:id': 'lets nobody in',
  'POST /api/v1/audit/archive/periods/:log/:period/rehydrate': 'makes a copy',
  'POST /api/v1/audit/holds': 'keeps evidence',
  'POST /api/v1/identity-providers/:id/test': 'changes nothing',
  'POST /api/v1/identity-providers/ldif': 'changes nothing',
  'POST /api/v1/users/:id/unlock': 'gives another try, and no way in',
};

describe('a recent proof', () => {
  const DELICATE = '/api/v1/me/second-factors/totp';
  let user: TestUser;
  let accessToken: string;
  let refreshToken: string;
  let agent: Agent;

  beforeEach(async () => {
    user = await createUser(t, { roles: ['viewer'] });
    ({ accessToken, refreshToken } = await signIn(t, user));
    agent = withToken(t, accessToken);
  });

  it('U18, ASVS 7.5.1: is asked for by every route that says so, whatever one may do', async () => {
    const administrator = await createUser(t, { roles: ['superuser'] });
    const { accessToken: stale } = await signIn(t, administrator);
    await sessionRests(sidOf(stale), 'authenticated_at', '11 minutes');
    const delicate = Object.entries(operations).filter(([, operation]) => operation['x-recent-proof'] === true);
    expect(delicate.length).toBeGreaterThan(20);
    for (const [name] of delicate) {
      const [method = '', path = ''] = name.split(' ');
      const verb = method.toLowerCase() as 'post' | 'put' | 'patch' | 'delete';
      const answer = await withToken(t, stale)[verb](path.replaceAll(/:\w+/g, '01890000-0000-7000-8000-000000000000'));
      expect({ name, status: answer.status, code: codeIn(answer) }).toEqual({ name, status: 403, code: 'recent_proof_required' });
    }
  });

  it('U18, ASVS 7.5.1: is asked for wherever rights, credentials or evidence are given out or taken away', () => {
    const undeclared = Object.entries(operations)
      .filter(([name, operation]) => !name.startsWith('GET ') && DELICATE_RIGHTS.has(String(operation['x-permission'])))
      .filter(([name, operation]) => operation['x-recent-proof'] !== true && !(name in HARMLESS))
      .map(([name]) => name);
    expect(undeclared).toEqual([]);
    expect(Object.keys(HARMLESS).filter((name) => operations[name]?.['x-recent-proof'] !== undefined || !operations[name])).toEqual([]);
  });

  it('U18, ASVS 7.5.1: is asked for by delicate routes ten minutes after the login', async () => {
    await agent.post(DELICATE).expect(201);
    await sessionRests(sidOf(accessToken), 'authenticated_at', '11 minutes');
    const refused = await eventually(async () => {
      const answer = await agent.post(DELICATE);
      return answer.status === 403 && answer;
    });
    expect(refused.body).toMatchObject({ code: 'recent_proof_required', maxAgeSeconds: 600 });
    expect(refused.headers['www-authenticate']).toBe('Bearer error="insufficient_user_authentication", max_age=600');
    const proven = await agent.post(`${AUTH}/step-up`).send({ password: PASSWORD }).expect(200);
    await withToken(t, (proven.body as { accessToken: string }).accessToken)
      .post(DELICATE)
      .expect(201);
  });

  it('U18, ASVS 7.2.4, ASVS 7.5.1: gives the session a new id and new secrets, and no longer life', async () => {
    const used = (await t.anonymous.post(`${AUTH}/refresh`).send({ refreshToken }).expect(200)).body as { refreshToken: string };
    const answer = await agent.post(`${AUTH}/step-up`).send({ password: PASSWORD }).expect(200);
    expect(answer.headers['cache-control']).toBe('no-store');
    const next = answer.body as { accessToken: string; refreshToken: string };
    expect(sidOf(next.accessToken)).not.toBe(sidOf(accessToken));
    expect([await statusOf(accessToken), await statusOf(next.accessToken)]).toEqual([401, 200]);
    const [old, present] = [await sessionRow(sidOf(accessToken)), await sessionRow(sidOf(next.accessToken))];
    expect(old.end_reason).toBe('replaced');
    expect([present.expires_at, present.created_at]).toEqual([old.expires_at, old.created_at]);
    expect(await eventsOf(t, `action = 'session.proven' AND resource_id = $1`, sidOf(next.accessToken))).toMatchObject([
      { detail: { replaces: sidOf(accessToken), methods: ['pwd'] }, actor: { id: user.id } },
    ]);
    // The family goes on: what was live is void, and what was used long ago gives a thief away.
    await t.anonymous.post(`${AUTH}/refresh`).send({ refreshToken: used.refreshToken }).expect(401);
    expect(await statusOf(next.accessToken)).toBe(200);
    await t.sql(`UPDATE refresh_tokens SET used_at = used_at - interval '11 seconds' WHERE used_at IS NOT NULL`);
    await t.anonymous.post(`${AUTH}/refresh`).send({ refreshToken }).expect(401);
    expect(await statusOf(next.accessToken)).toBe(401);
  });

  it('U18, ASVS 6.3.1: is refused for a wrong password, which counts like one at the login', async () => {
    for (let i = 0; i < 5; i++)
      expect(codeIn(await agent.post(`${AUTH}/step-up`).send({ password: 'a guess at the password' }).expect(422))).toBe('wrong_password');
    expect(codeIn(await agent.post(`${AUTH}/step-up`).send({ password: PASSWORD }).expect(423))).toBe('login_locked');
    expect(await eventsOf(t, `action = 'session.proof_refused' AND resource_id = $1`, sidOf(accessToken))).toHaveLength(5);
    expect(await eventsOf(t, `action = 'login.locked' AND resource_id = $1`, user.id)).toHaveLength(1);
    expect(await statusOf(accessToken)).toBe(200);
  });

  it('U18: is the second factor of those who have one', async () => {
    const guarded = await createUserWithTotp(t, { roles: ['viewer'] });
    const byPassword = await guarded.agent.post(`${AUTH}/step-up`).send({ password: PASSWORD }).expect(422);
    expect(codeIn(byPassword)).toBe('second_factor_expected');
    expect(codeIn(await guarded.agent.post(`${AUTH}/step-up`).send({ code: '000000' }).expect(422))).toBe('wrong_proof');
    await codesRest(t, guarded.user.id);
    const answer = await guarded.agent
      .post(`${AUTH}/step-up`)
      .send({ code: codeOf(guarded.secret) })
      .expect(200);
    expect((await sessionRow(sidOf((answer.body as { accessToken: string }).accessToken))).methods).toEqual(['pwd', 'otp']);
    expect(codeIn(await agent.post(`${AUTH}/step-up`).send({}).expect(422))).toBe('one_proof');
  });

  it('U18: two at the same moment give one session', async () => {
    const race = await Promise.all([1, 2].map(() => agent.post(`${AUTH}/step-up`).send({ password: PASSWORD })));
    expect(race.map(({ status }) => status).sort()).toEqual([200, 401]);
  });
});

describe('where administrators may sign in from', () => {
  let proxied: TestApp;

  beforeAll(async () => {
    proxied = await startTestApp({ CADASTRE_TRUSTED_PROXIES: '127.0.0.1', CADASTRE_JOBS: 'false' });
  });

  afterAll(() => proxied.close());

  const from = (address: string, { username }: TestUser): Promise<Response> =>
    proxied.anonymous
      .post(`${AUTH}/login`)
      .set('x-forwarded-for', address)
      .send({ username, password: PASSWORD })
      .then((answer) => answer);

  it('U18: outside of the permitted networks, or inside of a denied one, they are refused and it is noted', async () => {
    const [admin, viewer] = [await createUser(proxied, { roles: ['admin'] }), await createUser(proxied, { roles: ['viewer'] })];
    expect((await from('198.18.0.1', admin)).status).toBe(200);
    tuneSignIn(proxied, { administratorNetworks: ['10.1.0.0/16', '2001:db8::/32'], administratorNetworksDenied: ['10.1.66.0/24'] });
    const outcomes = await Promise.all(
      ['10.1.2.3', '2001:db8::5', '10.2.0.1', '2001:dead::1', '10.1.66.7'].map(async (address) => (await from(address, admin)).status),
    );
    expect(outcomes).toEqual([200, 200, 403, 403, 403]);
    expect(codeIn(await from('10.2.0.1', admin))).toBe('network_refused');
    expect((await from('10.2.0.1', viewer)).status).toBe(200);
    // Nor does who is in work on from elsewhere.
    const { accessToken } = (await from('10.1.2.3', admin)).body as { accessToken: string };
    const workFrom = (address: string): Promise<Response> =>
      withToken(proxied, accessToken)
        .get('/api/v1/me')
        .set('x-forwarded-for', address)
        .then((answer) => answer);
    expect((await workFrom('10.1.2.3')).status).toBe(200);
    expect(codeIn(await workFrom('10.2.0.1'))).toBe('network_refused');
    expect(await eventsOf(proxied, `action = 'request.denied' AND actor_id = $1`, admin.id)).toMatchObject([
      { detail: { code: 'network_refused' }, request: { clientIp: '10.2.0.1' } },
    ]);
    const refusals = await eventsOf(proxied, `action = 'login.network_refused' AND resource_id = $1`, admin.id);
    expect(refusals).toHaveLength(4);
    expect(refusals.at(-1)).toMatchObject({ category: 'access', outcome: 'denied', severity: 'high', request: { clientIp: '10.2.0.1' } });
    // Who does not know the password is not told.
    const guess = await proxied.anonymous
      .post(`${AUTH}/login`)
      .set('x-forwarded-for', '10.3.0.1')
      .send({ username: admin.username, password: 'not the password at all' });
    expect([guess.status, codeIn(guess)]).toEqual([401, 'login_failed']);
  });
});

describe('the manual of signing in', () => {
  it('U8, ASVS 6.1.1, ASVS 7.1.1: has every setting with its default and its limits', () => {
    const page = readFileSync(new URL('../docs/sign-in.md', import.meta.url), 'utf8');
    const rows = page.split('\n').filter((line) => /^\| `(password|login|session)\./.test(line));
    const written = rows.map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
    expect(written).toEqual(
      Object.values(signInSettings).map(({ key, rule }) => [
        `\`${key}\``,
        rule.type === 'integer' ? `${rule.default} ${rule.unit ?? ''}` : 'empty',
        rule.type === 'integer' ? `${rule.min} to ${rule.max}` : '',
        rule.text,
      ]),
    );
  });
});
