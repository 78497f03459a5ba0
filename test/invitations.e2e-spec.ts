import { type Agent, type Response } from 'supertest';
import { type AuditEventView } from '../src/audit/log/audit-event.dto.js';
import { eventsOf } from './support/audit-events.js';
import { asRole, createUser, signIn, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const INVITATIONS = '/api/v1/invitations';
const ACCEPT = '/api/v1/auth/invitations/accept';
const REGISTER = '/api/v1/auth/register';
const PASSWORD = 'a marten in the hollow beech';

interface Invited {
  id: string;
  userId: string;
  link: string | null;
  token: string;
  email: string;
}

let t: TestApp;
let admin: Agent;
let names = 0;

beforeAll(async () => {
  t = await startTestApp();
  admin = await asRole(t, 'admin');
});

afterAll(() => t.close());

const aName = (): string => `guest-${++names}`;
const eventsAbout = (id: string): Promise<AuditEventView[]> => eventsOf(t, 'resource_id = $1', id);
const login = (username: string): Promise<Response> =>
  t.anonymous
    .post('/api/v1/auth/login')
    .send({ username, password: PASSWORD })
    .then((a) => a);

async function invited(more: object = {}, by: Agent = admin): Promise<Invited> {
  const answer = await by
    .post(INVITATIONS)
    .send({ email: `${aName()}@example.net`, ...more })
    .expect(201);
  return answer.body as Invited;
}

function accept(token: string, more: object = {}): Promise<Response> {
  return t.anonymous
    .post(ACCEPT)
    .send({ token, username: aName(), password: PASSWORD, ...more })
    .then((answer) => answer);
}

describe('invitations', () => {
  it('U15: are said once with an honest word about delivery, listed without their token, and make one verified account', async () => {
    const answer = await admin
      .post(INVITATIONS)
      .send({ email: 'Ada@Example.net', roles: ['operator'] })
      .expect(201);
    const body = answer.body as Invited;
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(body).toMatchObject({ email: 'Ada@Example.net', roles: ['operator'], link: null, delivery: 'manual' });
    const { token } = body;
    expect(token).toMatch(/^[\w-]{43}$/);
    const listed = await admin.get(INVITATIONS).expect(200);
    expect(listed.body).toMatchObject({ items: [{ id: body.id, email: 'Ada@Example.net' }], total: 1 });
    expect(listed.text).not.toContain(token);
    expect(await t.sql('SELECT FROM invitations i WHERE i::text LIKE $1', [`%${token}%`])).toEqual([]);
    expect((await admin.post(INVITATIONS).send({ email: 'ADA@example.NET' }).expect(409)).body).toMatchObject({ code: 'invitation_open' });

    const accepted = await accept(token, { username: 'Ada', displayName: 'Ada Lovelace' });
    expect([accepted.status, accepted.body]).toEqual([200, { id: body.userId, username: 'ada', status: 'active' }]);
    expect((await admin.get(`/api/v1/users/${body.userId}`).expect(200)).body).toMatchObject({
      email: 'Ada@Example.net',
      emailVerified: true,
      displayName: 'Ada Lovelace',
      mustChangePassword: false,
      roles: ['operator'],
    });
    expect((await login('ada')).status).toBe(200);
    expect((await admin.get(INVITATIONS).expect(200)).body).toEqual({ items: [], total: 0 });
    expect((await admin.post(INVITATIONS).send({ email: 'ada@example.net' }).expect(409)).body).toMatchObject({ code: 'email_taken' });
    expect((await eventsAbout(body.id)).map(({ action, actor }) => [action, actor.name])).toEqual([
      ['invitation.created', expect.stringMatching(/^admin-/)],
      ['invitation.accepted', 'ada'],
    ]);
    const leaks = await t.sql('SELECT FROM audit_events WHERE payload LIKE $1 OR payload LIKE $2', [`%${token}%`, `%${PASSWORD}%`]);
    expect(leaks).toEqual([]);
    await admin.patch(`/api/v1/users/${body.userId}`).send({ email: 'other@example.net' }).expect(200);
    expect((await admin.get(`/api/v1/users/${body.userId}`).expect(200)).body).toMatchObject({ emailVerified: false });
  });

  it('U15: have a link to the console’s page where one is known, and to nowhere else', async () => {
    const setting = '/api/v1/settings/users.invitationPage';
    for (const value of ['/console/invitations', 'javascript:alert(1)', 'https://console.example.net/#top'])
      await admin.put(setting).send({ value }).expect(422);
    await admin.put(setting).send({ value: 'https://console.example.net/invitations' }).expect(200);
    const { link, token } = await invited();
    expect(link).toBe(`https://console.example.net/invitations#token=${token}`);
    await admin.delete(setting).expect(204);
    expect((await invited()).link).toBeNull();
  });

  it('U15, ASVS 6.4.1: of several who accept one invitation at once, one gets an account', async () => {
    for (let round = 0; round < 5; round++) {
      const { token } = await invited();
      const answers = await Promise.all(Array.from({ length: 4 }, () => accept(token)));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 404, 404, 404]);
    }
    expect((await accept((await invited()).token, { username: 'x' })).status).toBe(200);
  });

  it('U15: a refused acceptance uses nothing up; a bad token, an expired, revoked or used one are the same 404', async () => {
    const { id, token } = await invited();
    const taken = await createUser(t);
    expect((await accept(token, { username: taken.username })).body).toMatchObject({ code: 'username_taken' });
    expect((await accept(token, { password: 'short' })).body).toMatchObject({ code: 'password_too_short' });
    expect((await accept(token, { username: 'svc-robot' })).body).toMatchObject({ code: 'service_prefix' });
    expect((await accept(token)).status).toBe(200);
    const revoked = await invited();
    await admin.delete(`${INVITATIONS}/${revoked.id}`).expect(204);
    await admin.delete(`${INVITATIONS}/${revoked.id}`).expect(404);
    const expired = await invited();
    await t.sql(`UPDATE invitations SET expires_at = now() - interval '1 second' WHERE id = $1`, [expired.id]);
    for (const bad of [token, revoked.token, expired.token, 'nothing', 'x'.repeat(43)]) {
      const answer = await accept(bad);
      expect([answer.status, answer.body]).toMatchObject([
        404,
        { code: 'invitation_not_found', detail: expect.not.stringContaining(id) as string },
      ]);
    }
    // Expired is out of the way of a new one.
    await invited({ email: expired.email });
    const [row] = await t.sql<{ hours: number }>(
      `SELECT extract(epoch FROM expires_at - created_at)::int / 3600 AS hours FROM invitations WHERE email = $1`,
      [expired.email],
    );
    expect(row).toEqual({ hours: 72 });
  });

  it('U13, U15: give no more than their sender may give, when they are sent and when they are accepted', async () => {
    const sender = await createUser(t, { roles: ['admin'] });
    const agent = withToken(t, (await signIn(t, sender)).accessToken);
    expect(
      (
        await agent
          .post(INVITATIONS)
          .send({ email: 'a@example.net', roles: ['superuser'] })
          .expect(422)
      ).body,
    ).toMatchObject({
      code: 'role_not_invitable',
    });
    expect(
      (
        await agent
          .post(INVITATIONS)
          .send({ email: 'a@example.net', roles: ['king'] })
          .expect(422)
      ).body,
    ).toMatchObject({
      code: 'unknown_role',
    });
    const [first, second] = [await invited({ roles: ['operator'] }, agent), await invited({ roles: ['operator'] }, agent)];
    await admin
      .put(`/api/v1/users/${sender.id}/roles`)
      .send({ roles: ['viewer'] })
      .expect(200);
    expect((await accept(first.token)).status).toBe(404);
    await admin
      .put(`/api/v1/users/${sender.id}/roles`)
      .send({ roles: ['operator'] })
      .expect(200);
    // They have the role again, and not the right to make accounts.
    expect((await accept(first.token)).status).toBe(404);
    await admin
      .put(`/api/v1/users/${sender.id}/roles`)
      .send({ roles: ['admin'] })
      .expect(200);
    expect((await accept(first.token)).status).toBe(200);
    await admin.patch(`/api/v1/users/${sender.id}`).send({ active: false }).expect(200);
    expect((await accept(second.token)).status).toBe(404);
  });

  it('U15, ASVS 15.3.3: who accepts or registers sets nothing but what is asked for', async () => {
    const { token } = await invited();
    for (const more of [{ roles: ['admin'] }, { email: 'else@example.net' }, { id: 'x' }, { kind: 'service' }, { active: true }]) {
      expect((await accept(token, more)).status).toBe(422);
      await t.anonymous
        .post(REGISTER)
        .send({
          username: aName(),
          email: 'b@example.net',
          password: PASSWORD,
          ...(more.email === undefined ? more : { emailVerified: true }),
        })
        .expect(422);
    }
  });
});

describe('registration', () => {
  const register = (username: string): Promise<Response> =>
    t.anonymous
      .post(REGISTER)
      .send({ username, email: `${username}@example.net`, password: PASSWORD })
      .then((answer) => answer);

  it('U15: is closed unless it was opened', async () => {
    const answer = await register('early.bird');
    expect([answer.status, answer.body]).toMatchObject([403, { code: 'registration_closed' }]);
    expect(await t.sql(`SELECT FROM users WHERE username = 'early.bird'`)).toEqual([]);
  });

  it('U15: makes an account that waits: it cannot sign in until somebody approves it', async () => {
    await admin.put('/api/v1/settings/users.registration').send({ value: 'approval' }).expect(200);
    const answer = await register('applicant');
    const { id } = answer.body as { id: string };
    expect([answer.status, answer.body]).toMatchObject([201, { username: 'applicant', status: 'pending' }]);
    expect((await register('applicant')).body).toMatchObject({ code: 'username_taken' });
    const waiting = await login('applicant');
    expect([waiting.status, waiting.body]).toMatchObject([401, { code: 'login_failed' }]);
    const path = `/api/v1/users/${id}`;
    expect((await admin.get('/api/v1/users?status=pending').expect(200)).body).toMatchObject({
      items: [{ id, emailVerified: false, active: false }],
    });
    expect((await admin.patch(path).send({ active: true }).expect(409)).body).toMatchObject({ code: 'user_pending' });
    expect((await admin.post(`${path}/approve`).expect(200)).body).toMatchObject({ status: 'active', roles: ['requestor', 'viewer'] });
    expect((await admin.post(`${path}/approve`).expect(409)).body).toMatchObject({ code: 'user_not_pending' });
    expect((await login('applicant')).status).toBe(200);
    expect((await eventsOf(t, `resource_id = $1 AND action LIKE 'user.%'`, id)).map(({ action, actor }) => [action, actor.kind])).toEqual([
      ['user.created', 'user'],
      ['user.approved', 'user'],
    ]);
    expect((await register('refused')).status).toBe(201);
    const { items } = (await admin.get('/api/v1/users?q=refused').expect(200)).body as { items: { id: string }[] };
    await admin.delete(`/api/v1/users/${items[0]!.id}`).expect(204);
    await admin.put('/api/v1/settings/users.registration').send({ value: 'closed' }).expect(200);
  });
});
