import { hash } from '@node-rs/argon2';
import { type Agent, type Response } from 'supertest';
import { createHash } from 'node:crypto';
import { eventsOf } from './support/audit-events.js';
import { createUserWithTotp } from './support/second-factor.js';
import { asRole, createUser, PASSWORD, signIn, type TestUser, withToken } from './support/sign-in.js';
import { tuneSignIn, withoutThrottle } from './support/sign-in-settings.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const NEXT = 'a heron stands where the river bends';
let t: TestApp;
let admin: Agent;

const login = async (username: string, password: string): Promise<Response> =>
  t.anonymous.post('/api/v1/auth/login').send({ username, password });
const redeem = async (token: string, newPassword: string): Promise<Response> =>
  t.anonymous.post('/api/v1/auth/password-reset').send({ token, newPassword });

async function issue(user: TestUser): Promise<string> {
  const answer = await admin.post(`/api/v1/users/${user.id}/password-reset`).expect(201);
  return (answer.body as { token: string }).token;
}

beforeAll(async () => {
  t = await startTestApp({ CADASTRE_JOBS: 'false' });
  admin = await asRole(t, 'admin');
});

afterAll(() => t.close());

describe('a reset link', () => {
  let user: TestUser;

  beforeEach(async () => {
    user = await createUser(t, { roles: ['viewer'] });
  });

  it('U10, ASVS 6.4.1: sets a password once, ends every session and opens none', async () => {
    const { accessToken, refreshToken } = await signIn(t, user);
    const issued = await admin.post(`/api/v1/users/${user.id}/password-reset`).expect(201);
    expect(issued.headers['cache-control']).toBe('no-store');
    const { token, expiresAt } = issued.body as { token: string; expiresAt: string };
    const seconds = (new Date(expiresAt).getTime() - Date.now()) / 1000;
    expect(Math.abs(seconds - 3600)).toBeLessThan(60);
    // Until it is used, all is as it was.
    expect((await login(user.username, PASSWORD)).status).toBe(200);

    const done = await redeem(token, NEXT);
    expect([done.status, done.text, done.headers['set-cookie'], done.headers['cache-control']]).toEqual([204, '', undefined, 'no-store']);
    await withToken(t, accessToken).get('/api/v1/me').expect(401);
    await t.anonymous.post('/api/v1/auth/refresh').send({ refreshToken }).expect(401);
    expect((await login(user.username, PASSWORD)).status).toBe(401);
    expect((await login(user.username, NEXT)).body).toMatchObject({ mustChangePassword: false });
    const again = await redeem(token, 'yet another one of these sentences');
    expect([again.status, (again.body as { code: string }).code]).toEqual([401, 'reset_refused']);
    expect(await eventsOf(t, `action = 'user.password_reset_issued' AND resource_id = $1`, user.id)).toHaveLength(1);
    expect(await eventsOf(t, `action = 'user.password_reset' AND resource_id = $1`, user.id)).toMatchObject([
      { category: 'governance', actor: { id: user.id }, detail: { endedSessions: 2 } },
    ]);
  });

  it('U10: of twenty who redeem it at once, one does', async () => {
    const token = await issue(user);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => redeem(token, `${NEXT} number ${i}`)));
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(19);
    const winner = answers.findIndex(({ status }) => status === 204);
    expect((await login(user.username, `${NEXT} number ${winner}`)).status).toBe(200);
  });

  it('U10, ASVS 6.4.1: is void after an hour, and when a newer one was made', async () => {
    const [first, second] = [await issue(user), await issue(user)];
    expect((await redeem(first, NEXT)).status).toBe(401);
    await t.sql(`UPDATE one_time_tokens SET expires_at = expires_at - interval '1 hour' WHERE user_id = $1`, [user.id]);
    expect((await redeem(second, NEXT)).status).toBe(401);
    expect((await redeem('x'.repeat(43), NEXT)).status).toBe(401);
    expect((await redeem('short', NEXT)).status).toBe(401);
  });

  it('U10: survives a password that is refused, which is told why', async () => {
    const token = await issue(user);
    for (const [password, code] of [
      ['too short', 'password_too_short'],
      ['administrator!2026', 'password_common'],
      [`this is ${user.username} again`, 'password_has_username'],
    ]) {
      const refused = await redeem(token, password!);
      expect(refused.status).toBe(422);
      expect(refused.body).toMatchObject({ code, errors: [{ pointer: '/newPassword' }] });
    }
    expect((await redeem(token, NEXT)).status).toBe(204);
  });

  it('U10: the database has its hash alone', async () => {
    const token = await issue(user);
    const [row] = await t.sql<{ row: string; hash: string }>(
      `SELECT to_jsonb(o)::text AS row, encode(token_hash, 'hex') AS hash FROM one_time_tokens o WHERE user_id = $1`,
      [user.id],
    );
    expect(row?.hash).toBe(createHash('sha256').update(token).digest('hex'));
    expect(row?.row).not.toContain(token);
    const events = await t.sql<{ payload: string }>('SELECT payload FROM audit_events');
    expect(events.filter(({ payload }) => payload.includes(token))).toEqual([]);
  });

  it('U10, ASVS 6.4.3: leads past no second factor', async () => {
    const { user: guarded } = await createUserWithTotp(t, { roles: ['viewer'] });
    expect((await redeem(await issue(guarded), NEXT)).status).toBe(204);
    const answer = await login(guarded.username, NEXT);
    expect(answer.body).toMatchObject({ secondFactorRequired: true, methods: ['code', 'recoveryCode'] });
    expect(answer.body).not.toHaveProperty('accessToken');
  });

  it('U10: frees a name that was locked', async () => {
    for (let i = 0; i < 5; i++) await login(user.username, 'not the password at all');
    expect((await login(user.username, PASSWORD)).status).toBe(423);
    expect((await redeem(await issue(user), NEXT)).status).toBe(204);
    expect((await login(user.username, NEXT)).status).toBe(200);
  });

  it('U10, U12: is not for everybody to make, nor for every account', async () => {
    const path = (id: string): string => `/api/v1/users/${id}/password-reset`;
    await (await asRole(t, 'operator')).post(path(user.id)).expect(403);
    const superuser = await createUser(t, { roles: ['superuser'] });
    expect((await admin.post(path(superuser.id)).expect(403)).body).toMatchObject({ code: 'superuser_required' });
    await (await asRole(t, 'superuser')).post(path(superuser.id)).expect(201);
    const inactive = await createUser(t, { roles: ['viewer'], active: false });
    expect((await admin.post(path(inactive.id)).expect(409)).body).toMatchObject({ code: 'user_inactive' });
    await t.sql('UPDATE users SET password_hash = NULL WHERE id = $1', [user.id]);
    expect((await admin.post(path(user.id)).expect(409)).body).toMatchObject({ code: 'no_password' });
    await admin.post(path('01890000-0000-7000-8000-000000000000')).expect(404);
  });

  it('U10: of an account that was deactivated since is refused', async () => {
    const token = await issue(user);
    await admin.patch(`/api/v1/users/${user.id}`).send({ active: false }).expect(200);
    expect((await redeem(token, NEXT)).status).toBe(401);
  });
});

describe('passwords', () => {
  beforeAll(() => {
    withoutThrottle(t);
  });

  const change = async (agent: Agent, currentPassword: string, newPassword: string): Promise<Response> =>
    agent.post('/api/v1/me/password').send({ currentPassword, newPassword });

  it('U10, ASVS 6.2.8: are compared as they are: no cut, no change of case', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    for (const near of [PASSWORD.toUpperCase(), PASSWORD.slice(0, -1), `${PASSWORD} `, ` ${PASSWORD}`, `${PASSWORD}x`])
      expect([near, (await login(user.username, near)).status]).toEqual([near, 401]);
    const long = 'a very long sentence about herons, '.repeat(8).slice(0, 256);
    expect((await change(withToken(t, (await signIn(t, user)).accessToken), PASSWORD, long)).status).toBe(204);
    expect((await login(user.username, long)).status).toBe(200);
    expect((await login(user.username, long.slice(0, 255))).status).toBe(401);
  });

  it('U10, ASVS 6.2.10: stay good until their owner changes them, however old', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    await t.sql(
      `UPDATE users SET password_changed_at = now() - interval '10 years', created_at = now() - interval '10 years' WHERE id = $1`,
      [user.id],
    );
    expect((await login(user.username, PASSWORD)).body).toMatchObject({ mustChangePassword: false });
  });

  it('U10, ASVS 6.2.11: must not be made of the account, the organisation or the product', async () => {
    tuneSignIn(t, { passwordContextWords: ['Example Works'] });
    const user = await createUser(t, { roles: ['viewer'] });
    await t.sql(`UPDATE users SET email = 'g.lovegood@example.net', display_name = 'Grace Montgomery' WHERE id = $1`, [user.id]);
    const agent = withToken(t, (await signIn(t, user)).accessToken);
    for (const bad of ['by g.lovegood herself', 'the montgomery sisters', 'gates of example works', 'in the cadastre of old']) {
      const answer = await change(agent, PASSWORD, bad);
      expect([bad, answer.status, (answer.body as { code: string }).code]).toEqual([bad, 422, 'password_has_context']);
    }
    const made = await admin
      .post('/api/v1/users')
      .send({ username: 'a.montgomery', email: 'x@example.net', displayName: 'Ada Lovelace', password: 'lovelace is the first' })
      .expect(422);
    expect(made.body).toMatchObject({ code: 'password_has_context', errors: [{ pointer: '/password' }] });
    expect((await change(agent, PASSWORD, NEXT)).status).toBe(204);
  });

  it('U10: are as long as the setting says', async () => {
    tuneSignIn(t, { passwordShortest: 20 });
    try {
      const agent = await asRole(t, 'viewer');
      expect((await change(agent, PASSWORD, 'nineteen characters')).body).toMatchObject({ code: 'password_too_short' });
      expect((await change(agent, PASSWORD, 'twenty characters it')).status).toBe(204);
    } finally {
      tuneSignIn(t, { passwordShortest: 15 });
    }
  });

  it('U10, ASVS 11.4.2: stored at less than today’s cost are stored anew at the next login', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    const weak = await hash(PASSWORD, { memoryCost: 8192, timeCost: 1, parallelism: 1 });
    await t.sql('UPDATE users SET password_hash = $2 WHERE id = $1', [user.id, weak]);
    const stored = async (): Promise<string> =>
      (await t.sql<{ hash: string }>('SELECT password_hash AS hash FROM users WHERE id = $1', [user.id]))[0]!.hash;
    expect((await login(user.username, 'not the password at all')).status).toBe(401);
    expect(await stored()).toBe(weak);
    expect((await login(user.username, PASSWORD)).status).toBe(200);
    const strong = await stored();
    expect(strong).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect((await login(user.username, PASSWORD)).status).toBe(200);
    expect(await stored()).toBe(strong);
  });

  it('U10, ASVS 6.2.3: are not guessed at a machine somebody left: the change of a password is throttled like a login', async () => {
    tuneSignIn(t, { lockFailures: 5 });
    const user = await createUser(t, { roles: ['viewer'] });
    const agent = withToken(t, (await signIn(t, user)).accessToken);
    for (let i = 0; i < 5; i++) expect((await change(agent, 'a guess at the password', NEXT)).status).toBe(422);
    const locked = await change(agent, PASSWORD, NEXT);
    expect([locked.status, (locked.body as { code: string }).code]).toEqual([423, 'login_locked']);
    expect(await eventsOf(t, `action = 'login.locked' AND resource_id = $1`, user.id)).toHaveLength(1);
    withoutThrottle(t);
  });
});
