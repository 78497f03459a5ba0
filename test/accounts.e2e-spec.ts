import { type Agent } from 'supertest';
import { type AuditEventView } from '../src/audit/log/audit-event.dto.js';
import { DemoUsers } from '../src/users/setup/demo-users.js';
import { eventsOf } from './support/audit-events.js';
import { createTestDatabase } from './support/test-database.js';
import { runCadastre } from './support/run-cadastre.js';
import { asRole, createUser, PASSWORD, signIn, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const USERS = '/api/v1/users';
const KEYS = '/api/v1/keys';
const FIRST_PASSWORD = 'an otter slid down the bank';

interface UserBody {
  id: string;
  username: string;
  uidNumber: number;
  version: number;
  [member: string]: unknown;
}

let t: TestApp;
let admin: Agent;
let names = 0;

beforeAll(async () => {
  t = await startTestApp();
  admin = await asRole(t, 'superuser');
});

afterAll(() => t.close());

const aName = (noun = 'user'): string => `${noun}-${++names}`;

async function aUser(more: object = {}): Promise<UserBody> {
  const answer = await admin
    .post(USERS)
    .send({ username: aName(), password: FIRST_PASSWORD, ...more })
    .expect(201);
  return answer.body as UserBody;
}

async function aService(more: object = {}): Promise<UserBody> {
  const answer = await admin
    .post(USERS)
    .send({ kind: 'service', username: aName('svc-robot'), ...more })
    .expect(201);
  return answer.body as UserBody;
}

function eventsAbout(id: string): Promise<AuditEventView[]> {
  return eventsOf(t, 'resource_id = $1', id);
}

const actionsAbout = async (id: string): Promise<string[]> => (await eventsAbout(id)).map(({ action }) => action);

describe('POSIX attributes', () => {
  it('U2: 100 parallel creations get 100 distinct numbers of the range of services, 60 those of persons', async () => {
    const services = await Promise.all(Array.from({ length: 100 }, () => aService()));
    const persons = await Promise.all(Array.from({ length: 60 }, () => aUser()));
    const numbers = (users: UserBody[]): number[] => users.map(({ uidNumber }) => uidNumber).sort((a, b) => a - b);
    expect(new Set(numbers(services)).size).toBe(100);
    expect(numbers(services)[0]).toBeGreaterThanOrEqual(60_000);
    expect(numbers(services)[99]).toBeLessThan(65_000);
    expect(new Set(numbers(persons)).size).toBe(60);
    expect(numbers(persons)[0]).toBeGreaterThanOrEqual(10_000);
    expect(numbers(persons)[59]).toBeLessThan(60_000);
  });

  it('U2: a number is never given twice: not after its account is gone, not when a creation failed, not one that was asked for', async () => {
    const first = await aUser();
    await admin.delete(`${USERS}/${first.id}`).expect(204);
    const next = await aUser();
    expect(next.uidNumber).toBe(first.uidNumber + 1);
    const again = await admin.post(USERS).send({ username: aName(), password: FIRST_PASSWORD, uidNumber: first.uidNumber }).expect(409);
    expect(again.body).toMatchObject({ code: 'uid_number_taken', errors: [{ pointer: '/uidNumber' }] });
    await admin.post(USERS).send({ username: next.username, password: FIRST_PASSWORD }).expect(409);
    const ahead = await aUser({ uidNumber: next.uidNumber + 1 });
    expect(ahead.uidNumber).toBe(next.uidNumber + 1);
    await admin.delete(`${USERS}/${ahead.id}`).expect(204);
    expect((await aUser()).uidNumber).toBe(next.uidNumber + 2);
  });

  it('U2: of callers who ask for one number at once, one gets it', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => admin.post(USERS).send({ kind: 'service', username: aName('svc-racer'), uidNumber: 64_500 })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409, 409, 409, 409]);
  });

  it('U2: an exhausted range is said, and nothing is made', async () => {
    const [before] = await t.sql<{ next: number }>(`UPDATE posix_counters SET next = 65000 WHERE counter = 'service' RETURNING old.next`);
    const answer = await admin
      .post(USERS)
      .send({ kind: 'service', username: aName('svc-late') })
      .expect(409);
    expect(answer.body).toMatchObject({ code: 'uid_numbers_exhausted' });
    await t.sql(`UPDATE posix_counters SET next = $1 WHERE counter = 'service'`, [before?.next]);
    await aService();
  });

  it('U2, U4: a number that is named lies in the range of the account’s kind; what an account has it keeps', async () => {
    const person = { username: aName(), password: FIRST_PASSWORD };
    const service = { kind: 'service', username: aName('svc-ranged') };
    const refusals: [object, string, string][] = [
      [person, '9999', 'must be a number of the range of people, 10000 to 59999'],
      [person, '60000', 'must be a number of the range of people, 10000 to 59999'],
      [service, '59999', 'must be a number of the range of service accounts, 60000 to 64999'],
      [service, '65000', 'must be a number of the range of service accounts, 60000 to 64999'],
    ];
    for (const [account, number, detail] of refusals)
      expect(
        (
          await admin
            .post(USERS)
            .send({ ...account, uidNumber: Number(number) })
            .expect(422)
        ).body,
      ).toMatchObject({
        code: 'uid_outside_range',
        errors: [{ pointer: '/uidNumber', code: 'uid_outside_range', detail }],
      });
    const { id, uidNumber } = await aUser({ uidNumber: 59_999 });
    expect((await admin.patch(`${USERS}/${id}`).send({ uidNumber: 60_001 }).expect(422)).body).toMatchObject({ code: 'uid_outside_range' });
    const { id: robot } = await aService({ uidNumber: 64_999 });
    await admin.patch(`${USERS}/${robot}`).send({ uidNumber: 10_500 }).expect(422);
    await admin.put('/api/v1/settings/posix.personLast').send({ value: 50_000 }).expect(200);
    const patched = await admin.patch(`${USERS}/${id}`).send({ uidNumber, displayName: 'Kept' }).expect(200);
    expect(patched.body).toMatchObject({ uidNumber: 59_999, displayName: 'Kept' });
    await admin.delete('/api/v1/settings/posix.personLast').expect(204);
  });

  it('U2: attributes have defaults, are changed and cleared; the numbers and paths of others and of the system are refused', async () => {
    const group = (await admin.post('/api/v1/groups').send({ name: 'staff' }).expect(201)).body as { gidNumber: number };
    const user = await aUser({ gidNumber: group.gidNumber });
    const path = `${USERS}/${user.id}`;
    expect(user).toMatchObject({ gidNumber: group.gidNumber, loginShell: '/bin/bash', homeDirectory: `/home/${user.username}` });
    const taken = (await aUser()).uidNumber;
    const patched = await admin
      .patch(path)
      .send({ loginShell: '/bin/zsh', gidNumber: null, homeDirectory: null, uidNumber: 50_001 })
      .expect(200);
    expect(patched.body).toMatchObject({ loginShell: '/bin/zsh', gidNumber: null, homeDirectory: null, uidNumber: 50_001 });
    const back = await admin.patch(path).send({ uidNumber: user.uidNumber }).expect(200);
    expect(back.body).toMatchObject({ uidNumber: user.uidNumber });
    expect((await admin.patch(path).send({ uidNumber: taken }).expect(409)).body).toMatchObject({ code: 'uid_number_taken' });
    expect((await admin.patch(path).send({ gidNumber: 4242 }).expect(422)).body).toMatchObject({ code: 'unknown_gid_number' });
    for (const body of [
      { uidNumber: 0 },
      { uidNumber: 999 },
      { loginShell: 'bash' },
      { homeDirectory: '/home/a:b' },
      { homeDirectory: '/home/a\nroot:x' },
    ])
      await admin.patch(path).send(body).expect(422);
  });
});

describe('service accounts', () => {
  it('U4: have the prefix, their own range, an owner, and no password', async () => {
    const owner = await createUser(t, { roles: ['viewer'] });
    const service = await aService({ ownerId: owner.id });
    expect(service).toMatchObject({ kind: 'service', ownerId: owner.id, mustChangePassword: false, loginShell: '/usr/sbin/nologin' });
    const refused = async (body: object): Promise<unknown> => (await admin.post(USERS).send(body).expect(422)).body;
    expect(await refused({ kind: 'service', username: 'robot' })).toMatchObject({ code: 'service_prefix' });
    expect(await refused({ username: 'svc-person', password: FIRST_PASSWORD })).toMatchObject({ code: 'service_prefix' });
    expect(await refused({ kind: 'service', username: 'svc-secret', password: FIRST_PASSWORD })).toMatchObject({
      code: 'service_has_no_password',
    });
    expect(await refused({ kind: 'service', username: 'svc-orphan', ownerId: service.id })).toMatchObject({ code: 'unknown_owner' });
    expect(await refused({ username: aName(), password: FIRST_PASSWORD, ownerId: owner.id })).toMatchObject({ code: 'owner_of_person' });
    await admin.patch(`${USERS}/${owner.id}`).send({ ownerId: owner.id }).expect(422);
    expect(await refused({ username: aName() })).toMatchObject({
      code: 'invalid_body',
      errors: [{ pointer: '/password', code: 'required', detail: 'is required' }],
    });
    await expect(t.sql(`UPDATE users SET password_hash = 'x' WHERE id = $1`, [service.id])).rejects.toMatchObject({
      constraint: 'users_service_has_no_password',
    });
  });

  it('U4: their secret is shown once, and one that replaces it revokes the old one', async () => {
    const { id: ownerId } = await aService({ roles: ['viewer'] });
    const terms = { kind: 'tenant', name: 'robot', ownerId, permissions: ['pool:read'], networks: ['10.0.0.0/8'] };
    const made = (await admin.post(KEYS).send(terms).expect(201)).body as { id: string; secret: string };
    const readsWith = async (secret: string): Promise<number> => (await withToken(t, secret).get('/api/v1/ipam/pools')).status;
    expect(await readsWith(made.secret)).toBe(200);
    for (const path of [`${KEYS}/${made.id}`, `${KEYS}?ownerId=${ownerId}`])
      expect((await admin.get(path).expect(200)).text).not.toContain(made.secret.split('_')[3]);
    const next = (await admin.post(`${KEYS}/${made.id}/rotate`).send({ graceSeconds: 0 }).expect(201)).body as typeof made;
    expect([await readsWith(made.secret), await readsWith(next.secret)]).toEqual([401, 200]);
    await admin.delete(`${KEYS}/${next.id}`).expect(204);
    expect(await readsWith(next.secret)).toBe(401);
  });

  it('U4, ASVS 6.3.8: cannot sign in, and the answer is that of a wrong password', async () => {
    const { username } = await aService();
    const person = await createUser(t);
    const login = (name: string, password: string): Promise<{ status: number; body: object }> =>
      t.anonymous.post('/api/v1/auth/login').send({ username: name, password });
    const [service, wrong] = [await login(username, PASSWORD), await login(person.username, 'a wrong password of some length')];
    const said = ({ status, body }: { status: number; body: object }): object => ({ status, ...body, requestId: undefined });
    expect(said(service)).toEqual(said(wrong));
    expect(service.status).toBe(401);
  });
});

describe('finding accounts', () => {
  it('U1, ASVS 15.3.1: filters by kind, status and group, and no answer ever has a hash', async () => {
    const group = (await admin.post('/api/v1/groups').send({ name: 'searched' }).expect(201)).body as { id: string };
    const [person, service] = [await aUser({ displayName: 'wren of the filter' }), await aService({ displayName: 'wren of the filter' })];
    await admin.put(`/api/v1/groups/${group.id}/members/${service.id}`).expect(204);
    await admin.patch(`${USERS}/${person.id}`).send({ active: false }).expect(200);
    const texts: string[] = [];
    const found = async (query: string): Promise<string[]> => {
      const answer = await admin.get(`${USERS}?q=wren+of+the&${query}`).expect(200);
      texts.push(answer.text);
      return (answer.body as { items: UserBody[] }).items.map(({ id }) => id);
    };
    expect(await found('kind=service')).toEqual([service.id]);
    expect(await found('kind=person')).toEqual([person.id]);
    expect(await found('status=inactive')).toEqual([person.id]);
    expect(await found('status=active')).toEqual([service.id]);
    expect(await found('status=pending')).toEqual([]);
    expect(await found(`group=${group.id}`)).toEqual([service.id]);
    await admin.get(`${USERS}?status=unheard`).expect(400);
    for (const path of [
      USERS,
      `${USERS}/${person.id}`,
      `${USERS}/${person.id}/roles`,
      `${USERS}/${service.id}/groups`,
      '/api/v1/invitations',
    ])
      texts.push((await admin.get(path).expect(200)).text);
    texts.push((await admin.get(`/api/v1/groups/${group.id}/members`).expect(200)).text);
    for (const text of texts) expect(text).not.toMatch(/argon2|password_?hash|token_?hash/i);
  });

  it('U1, ASVS 15.3.3, ASVS 8.2.3: fields that are not the caller’s to set are refused, not ignored', async () => {
    const user = await aUser();
    const forged = {
      id: user.id,
      passwordHash: 'x',
      password: FIRST_PASSWORD,
      username: 'else',
      kind: 'service',
      version: 9,
      createdBy: 'x',
    };
    for (const [field, value] of Object.entries({
      ...forged,
      emailVerified: true,
      status: 'active',
      pending: false,
      roles: ['superuser'],
    })) {
      const answer = await admin
        .patch(`${USERS}/${user.id}`)
        .send({ [field]: value })
        .expect(422);
      expect(answer.body).toMatchObject({ errors: [{ pointer: `/${field}`, code: 'unknown_field' }] });
    }
    for (const field of ['id', 'passwordHash', 'emailVerified', 'active', 'mustChangePassword', 'version'])
      await admin
        .post(USERS)
        .send({ username: aName(), password: FIRST_PASSWORD, [field]: true })
        .expect(422);
    expect((await admin.get(`${USERS}/${user.id}`).expect(200)).body).toEqual(user);
  });

  it('U1, ASVS 8.2.2: whoever has no right to accounts reaches none, neither their own nor another’s, by any route', async () => {
    const me = await createUser(t, { roles: ['operator'] });
    const mine = withToken(t, (await signIn(t, me)).accessToken);
    const other = await aUser();
    const assignment = ((await admin.get(`${USERS}/${other.id}/roles`).expect(200)).body as { items: { id: string }[] }).items[0]!;
    const versions = await t.sql('SELECT id, version FROM users ORDER BY id');
    for (const { id } of [me, other]) {
      await mine.get(`${USERS}/${id}`).expect(403);
      await mine.get(`${USERS}/${id}/roles`).expect(403);
      await mine.get(`${USERS}/${id}/groups`).expect(403);
      await mine.patch(`${USERS}/${id}`).send({ displayName: 'Mallory' }).expect(403);
      await mine
        .put(`${USERS}/${id}/roles`)
        .send({ roles: ['admin'] })
        .expect(403);
      await mine.post(`${USERS}/${id}/roles`).send({ role: 'admin' }).expect(403);
      await mine.delete(`${USERS}/${id}`).expect(403);
      await mine.post(`${USERS}/${id}/anonymise`).expect(403);
      await mine
        .post(`${USERS}/bulk`)
        .send({ operation: 'delete', ids: [id], dryRun: true })
        .expect(403);
    }
    // An assignment is reached through its own user alone.
    await admin.delete(`${USERS}/${me.id}/roles/${assignment.id}`).expect(404);
    expect(await t.sql('SELECT id, version FROM users ORDER BY id')).toEqual(versions);
  });
});

describe('the end of an account', () => {
  it('U12: deleting takes sessions, roles and memberships along, leaves one event, and the trail keeps who did what', async () => {
    const user = await createUser(t, { roles: ['admin'] });
    const { accessToken } = await signIn(t, user);
    const agent = withToken(t, accessToken);
    const vrf = (
      await agent
        .post('/api/v1/ipam/vrfs')
        .send({ name: aName('vrf') })
        .expect(201)
    ).body as { id: string };
    const [before] = await t.sql<{ n: number }>(`SELECT count(*)::int AS n FROM audit_events WHERE action LIKE 'user.%'`);
    await admin.delete(`${USERS}/${user.id}`).set('if-match', '"99"').expect(412);
    await admin.delete(`${USERS}/${user.id}`).expect(204);
    await agent.get('/api/v1/me').expect(401);
    await admin.get(`${USERS}/${user.id}`).expect(404);
    await admin.delete(`${USERS}/${user.id}`).expect(404);
    const [after] = await t.sql<{ n: number }>(`SELECT count(*)::int AS n FROM audit_events WHERE action LIKE 'user.%'`);
    expect((after?.n ?? 0) - (before?.n ?? 0)).toBe(1);
    expect(await eventsAbout(user.id)).toMatchObject([
      {
        action: 'user.deleted',
        resource: { name: user.username },
        before: { username: user.username, roles: ['admin'] },
        detail: { endedSessions: 1 },
      },
    ]);
    expect(await eventsAbout(vrf.id)).toMatchObject([{ action: 'vrf.created', actor: { id: user.id, name: user.username } }]);
  });

  it('U12: an owner cannot be deleted: the answer names what they own and offers what can be done instead', async () => {
    const owner = await aUser();
    const services = [await aService({ ownerId: owner.id }), await aService({ ownerId: owner.id })];
    const refused = await admin.delete(`${USERS}/${owner.id}`).expect(409);
    expect(refused.body).toMatchObject({
      code: 'user_owns_things',
      owns: { serviceAccounts: 2 },
      instead: ['deactivate', 'anonymise'],
      detail: expect.stringContaining('2 serviceAccounts') as string,
    });
    await admin.patch(`${USERS}/${owner.id}`).send({ active: false }).expect(200);
    for (const { id } of services) await admin.patch(`${USERS}/${id}`).send({ ownerId: null }).expect(200);
    await admin.delete(`${USERS}/${owner.id}`).expect(204);
  });

  it('U12: anonymising clears what is personal for good, and the event does not tell what it was', async () => {
    const email = 'forget.me@example.net';
    const user = await aUser({ username: 'forget.me', email, displayName: 'Forget Me' });
    await aService({ ownerId: user.id });
    const { accessToken } = await signIn(t, { id: user.id, username: user.username, password: FIRST_PASSWORD });
    const answer = await admin.post(`${USERS}/${user.id}/anonymise`).expect(200);
    expect(answer.body).toMatchObject({
      username: `anonymised-${user.id.slice(-12)}`,
      status: 'anonymised',
      email: null,
      displayName: '',
      homeDirectory: null,
      uidNumber: user.uidNumber,
      active: false,
      roles: [],
    });
    await withToken(t, accessToken).get('/api/v1/me').expect(401);
    const [row] = await t.sql('SELECT to_jsonb(u)::text AS text FROM users u WHERE id = $1', [user.id]);
    expect(JSON.stringify(row)).not.toMatch(/forget|argon2/i);
    expect(await t.sql('SELECT FROM auth_sessions WHERE user_id = $1', [user.id])).toEqual([]);
    const events = await eventsAbout(user.id);
    expect(events.map(({ action }) => action)).toEqual(['user.created', 'user.anonymised']);
    expect(JSON.stringify(events[1])).not.toMatch(/forget/i);
    expect(events[0]).toMatchObject({ after: { email } });
    for (const attempt of [
      admin.patch(`${USERS}/${user.id}`).send({ active: true }),
      admin.put(`${USERS}/${user.id}/roles`).send({ roles: ['viewer'] }),
      admin.post(`${USERS}/${user.id}/approve`),
      admin.post(`${USERS}/${user.id}/anonymise`),
    ])
      expect((await attempt.expect(409)).body).toMatchObject({ code: 'user_anonymised' });
    // The name and the address are free again.
    await aUser({ username: 'forget.me', email });
  });
});

describe('protection of rights', () => {
  it('U13: nobody closes their own account, and the last administrator cannot be removed', async () => {
    const boss = await createUser(t, { roles: ['admin'] });
    const mine = withToken(t, (await signIn(t, boss)).accessToken);
    const path = `${USERS}/${boss.id}`;
    expect((await mine.delete(path).expect(409)).body).toMatchObject({ code: 'own_admin_right' });
    expect((await mine.post(`${path}/anonymise`).expect(409)).body).toMatchObject({ code: 'own_admin_right' });
    expect((await mine.patch(path).send({ active: false }).expect(409)).body).toMatchObject({ code: 'own_admin_right' });
    await admin
      .post('/api/v1/roles')
      .send({ name: 'helpdesk', permissions: ['user:read', 'user:write'] })
      .expect(201);
    const helper = await createUser(t, { roles: ['helpdesk'] });
    const helping = withToken(t, (await signIn(t, helper)).accessToken);
    for (const attempt of [
      helping.delete(`${USERS}/${helper.id}`),
      helping.post(`${USERS}/${helper.id}/anonymise`),
      helping.patch(`${USERS}/${helper.id}`).send({ active: false }),
    ])
      expect((await attempt.expect(409)).body).toMatchObject({ code: 'own_account' });
    expect(await actionsAbout(helper.id)).toEqual([]);
  });

  it('U13, ASVS 8.2.1: an account with more rights is out of reach of who has fewer', async () => {
    const helping = await asRole(t, 'helpdesk');
    const operator = await createUser(t, { roles: ['operator'] });
    const path = `${USERS}/${operator.id}`;
    for (const attempt of [
      helping.patch(path).send({ displayName: 'mine now' }),
      helping.patch(path).send({ email: 'mine@example.net' }),
      helping.patch(path).send({ active: false }),
      helping.delete(path),
      helping.post(`${path}/anonymise`),
    ])
      expect((await attempt.expect(403)).body).toMatchObject({ code: 'target_exceeds_you' });
    const below = await createUser(t);
    await helping.patch(`${USERS}/${below.id}`).send({ displayName: 'helped' }).expect(200);
    // Default roles give more than this helper has; naming roles needs a permission of its own.
    const body = { username: aName(), password: FIRST_PASSWORD };
    expect((await helping.post(USERS).send(body).expect(403)).body).toMatchObject({ code: 'rights_exceeded' });
    expect(
      (
        await helping
          .post(USERS)
          .send({ ...body, roles: ['helpdesk'] })
          .expect(403)
      ).body,
    ).toMatchObject({ permission: 'role:assign' });
  });

  it('U13: rights taken a moment ago give nothing any more, whatever the request was let in with', async () => {
    const boss = await createUser(t, { roles: ['admin'] });
    const mine = withToken(t, (await signIn(t, boss)).accessToken);
    const target = await createUser(t);
    await mine.get('/api/v1/me').expect(200);
    // Past the application, so that what this process remembers for a second still says admin.
    await t.sql('DELETE FROM user_roles WHERE user_id = $1', [boss.id]);
    const answer = await mine.put(`${USERS}/${target.id}/roles`).send({ roles: ['operator'] });
    expect(answer.status).toBe(403);
  });
});

describe('many accounts at once', () => {
  async function bulker(): Promise<{ id: string; run: (body: object) => ReturnType<Agent['post']> }> {
    const user = await createUser(t, { roles: ['superuser'] });
    const agent = withToken(t, (await signIn(t, user)).accessToken);
    return { id: user.id, run: (body) => agent.post(`${USERS}/bulk`).send(body) };
  }

  it('U16: each account has its own result, and the caller’s own is skipped and said so', async () => {
    const { id: me, run } = await bulker();
    const [a, b] = [await aUser(), await aUser()];
    await admin.patch(`${USERS}/${b.id}`).send({ active: false }).expect(200);
    const nobody = '00000000-0000-7000-8000-000000000000';
    const answer = await run({ operation: 'deactivate', ids: [a.id, b.id, nobody, me] }).expect(200);
    expect(answer.body).toMatchObject({
      done: 1,
      dryRun: false,
      items: [
        { id: a.id, outcome: 'done' },
        { id: b.id, outcome: 'unchanged' },
        { id: nobody, outcome: 'refused', code: 'user_not_found' },
        { id: me, outcome: 'skipped', code: 'own_account' },
      ],
    });
    expect(await actionsAbout(a.id)).toEqual(['user.created', 'user.deactivated']);
  });

  it('U16, A5: many at once leave an event for each that changed and one for the whole, all under the request’s id; a dry run leaves none', async () => {
    const { id: me, run } = await bulker();
    const [a, b, c] = [await aUser(), await aUser(), await aUser()];
    await admin.patch(`${USERS}/${c.id}`).send({ active: false }).expect(200);
    const body = { operation: 'deactivate', ids: [a.id, b.id, c.id, '00000000-0000-7000-8000-000000000000', me] };
    await run({ ...body, dryRun: true })
      .set('x-request-id', 'batch-rehearsed')
      .expect(200);
    expect(await eventsOf(t, 'correlation_id = $1', 'batch-rehearsed')).toEqual([]);
    await run(body).set('x-request-id', 'batch-of-accounts').expect(200);
    const [started, ...events] = await eventsOf(t, 'correlation_id = $1', 'batch-of-accounts');
    expect(started).toMatchObject({ action: 'user.batch_started', outcome: 'unknown', detail: { operation: 'deactivate', count: 5 } });
    expect(events.map(({ action, resource }) => [action, resource?.id])).toEqual([
      ['user.deactivated', a.id],
      ['user.deactivated', b.id],
      ['user.batch_completed', started!.resource?.id],
    ]);
    expect(events[2]!.detail).toEqual({ attempt: started!.id, operation: 'deactivate', done: 2, unchanged: 1, refused: 1, skipped: 1 });
  });

  it('U16: gives and takes roles and groups, through the same rules as a single call', async () => {
    const { run } = await bulker();
    const users = [await aUser(), await aUser()];
    const ids = users.map(({ id }) => id);
    const group = (
      await admin
        .post('/api/v1/groups')
        .send({ name: aName('bulk') })
        .expect(201)
    ).body as { id: string };
    const outcomes = async (body: object): Promise<string[]> =>
      ((await run({ ids, ...body }).expect(200)).body as { items: { outcome: string }[] }).items.map(({ outcome }) => outcome);
    expect(await outcomes({ operation: 'add-role', role: 'operator' })).toEqual(['done', 'done']);
    expect(await outcomes({ operation: 'add-role', role: 'operator' })).toEqual(['unchanged', 'unchanged']);
    expect(await outcomes({ operation: 'remove-role', role: 'operator' })).toEqual(['done', 'done']);
    expect(await outcomes({ operation: 'remove-role', role: 'operator' })).toEqual(['unchanged', 'unchanged']);
    expect(await outcomes({ operation: 'add-group', group: group.id })).toEqual(['done', 'done']);
    expect(await outcomes({ operation: 'add-group', group: group.id })).toEqual(['unchanged', 'unchanged']);
    expect(await outcomes({ operation: 'remove-group', group: group.id })).toEqual(['done', 'done']);
    expect((await run({ ids, operation: 'add-role', role: 'king' }).expect(422)).body).toMatchObject({ code: 'unknown_role' });
    expect((await run({ ids, operation: 'add-group', group: ids[0] }).expect(422)).body).toMatchObject({ code: 'unknown_group' });
    const helping = await asRole(t, 'helpdesk');
    const denied = await helping.post(`${USERS}/bulk`).send({ ids, operation: 'add-role', role: 'operator' }).expect(403);
    expect(denied.body).toMatchObject({ permission: 'role:assign' });
  });

  it('U16: a dry run changes nothing; deleting needs its token, which is for one caller and exactly those accounts', async () => {
    const { run } = await bulker();
    const { run: another } = await bulker();
    const [a, b] = [await aUser(), await aUser()];
    await aService({ ownerId: b.id });
    const ids = [a.id, b.id];
    const rehearsal = await run({ operation: 'delete', ids, dryRun: true }).expect(200);
    const { confirmToken } = rehearsal.body as { confirmToken: string };
    expect(rehearsal.body).toMatchObject({ dryRun: true, items: [{ outcome: 'done' }, { outcome: 'refused', code: 'user_owns_things' }] });
    expect(await actionsAbout(a.id)).toEqual(['user.created']);
    for (const [who, body] of [
      [run, { operation: 'delete', ids }],
      [run, { operation: 'delete', ids: [a.id], confirmToken }],
      [run, { operation: 'delete', ids, confirmToken: `${confirmToken.slice(0, -2)}AA` }],
      [another, { operation: 'delete', ids, confirmToken }],
    ] as const)
      expect((await who(body).expect(409)).body).toMatchObject({ code: 'confirmation_required' });
    await admin.get(`${USERS}/${a.id}`).expect(200);
    const answer = await run({ operation: 'delete', ids: [b.id, a.id], confirmToken }).expect(200);
    expect(answer.body).toMatchObject({ done: 1, items: [{ outcome: 'refused' }, { id: a.id, outcome: 'done' }] });
    await admin.get(`${USERS}/${a.id}`).expect(404);
  });

  it('U16: ten batches an hour and user, however many come at once; the eleventh waits', async () => {
    const { id, run } = await bulker();
    const { id: user } = await aUser();
    const body = { operation: 'activate', ids: [user] };
    const answers = await Promise.all(Array.from({ length: 13 }, () => run(body)));
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array.from({ length: 10 }, () => 200), 429, 429, 429]);
    const refused = await run(body).expect(429);
    expect(refused.body).toMatchObject({ code: 'bulk_limit' });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(3500);
    await t.sql(`UPDATE user_bulk_runs SET begun_at = begun_at - interval '1 hour' WHERE user_id = $1`, [id]);
    await run(body).expect(200);
  });

  it('U16: a batch has at most a thousand accounts, each once', async () => {
    const { run } = await bulker();
    const ids = (n: number): string[] => Array.from({ length: n }, (_, i) => `00000000-0000-7000-8000-${String(i).padStart(12, '0')}`);
    await run({ operation: 'activate', ids: ids(1001) }).expect(422);
    await run({ operation: 'activate', ids: [...ids(1), ...ids(1)] }).expect(422);
    const answer = await run({ operation: 'activate', ids: ids(1000), dryRun: true }).expect(200);
    expect((answer.body as { items: unknown[] }).items).toHaveLength(1000);
  });
});

describe('demonstration users', () => {
  it('U11: are made once, one for each role, with passwords that must be changed', async () => {
    const made = await t.app.get(DemoUsers).seed();
    expect(made.length).toBeGreaterThan(5);
    const count = (): Promise<unknown[]> => t.sql(`SELECT username FROM users ORDER BY 1`);
    const before = await count();
    expect(await t.app.get(DemoUsers).seed()).toEqual([]);
    expect(await count()).toEqual(before);
    const { username, password } = made.find(({ role }) => role === 'auditor')!;
    const answer = await t.anonymous.post('/api/v1/auth/login').send({ username, password }).expect(200);
    expect(answer.body).toMatchObject({ mustChangePassword: true });
  });

  it('U11: are seeded from the command line with passwords printed once, and refused in production', async () => {
    const database = await createTestDatabase();
    const variables = { DATABASE_URL: database.url, DATABASE_DIRECT_URL: database.ownerUrl };
    const first = await runCadastre(['seed', '--demo'], variables);
    expect([first.code, first.output]).toEqual([0, expect.stringMatching(/^demo-superuser +[a-z2-9-]{27}$/m)]);
    const again = await runCadastre(['seed', '--demo'], variables);
    expect([again.code, again.output]).toEqual([0, expect.not.stringMatching(/[a-z2-9]{6}-[a-z2-9]{6}/)]);
    const production = await runCadastre(['seed', '--demo'], { ...variables, CADASTRE_ENV: 'production' });
    expect([production.code, production.output]).toEqual([1, expect.stringContaining('production')]);
    expect((await runCadastre(['seed'], variables)).code).toBe(2);
    await database.drop();
  });
});
