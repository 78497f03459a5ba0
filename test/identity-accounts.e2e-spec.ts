import { type Response } from 'supertest';
import { type AuditEventView } from '../src/audit/log/audit-event.dto.js';
import { RoleSeeder } from '../src/users/roles/role-seeder.js';
import { FirstAdministrator } from '../src/users/setup/first-administrator.js';
import { eventsOf } from './support/audit-events.js';
import { asRole, createUser, PASSWORD, signIn, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const NEXT_PASSWORD = 'a heron stands where the river bends';
let t: TestApp;

function eventsAbout(id: string, action: string): Promise<AuditEventView[]> {
  return eventsOf(t, 'action = $1 AND $2 IN (resource_id, actor_id)', action, id);
}

beforeAll(async () => {
  t = await startTestApp();
});

afterAll(async () => {
  await t.close();
});

describe('accounts', () => {
  it('U1, ASVS 15.3.1, 7.4.2: are made, found, changed and deactivated; the hash is in no answer and no event', async () => {
    const admin = await asRole(t, 'admin');
    const said: string[] = [];
    const body = (answer: Response): unknown => {
      said.push(answer.text);
      return answer.body;
    };
    const password = 'an otter slid down the bank';
    const created = await admin
      .post('/api/v1/users')
      .send({ username: 'Ada.Lovelace', email: 'Ada@Example.net', displayName: 'Ada', password })
      .expect(201);
    const ada = body(created) as { id: string; version: number };
    expect(ada).toMatchObject({ username: 'ada.lovelace', roles: ['requestor', 'viewer'], active: true, mustChangePassword: true });
    expect(created.headers.location).toBe(`/api/v1/users/${ada.id}`);
    const path = `/api/v1/users/${ada.id}`;

    const taken = await admin.post('/api/v1/users').send({ username: 'ADA.lovelace', password }).expect(409);
    expect(body(taken)).toMatchObject({ code: 'username_taken', errors: [{ pointer: '/username' }] });
    const mail = await admin.post('/api/v1/users').send({ username: 'ada2', email: 'ADA@example.NET', password }).expect(409);
    expect(body(mail)).toMatchObject({ code: 'email_taken', errors: [{ pointer: '/email' }] });
    const weak = await admin.post('/api/v1/users').send({ username: 'ada2', password: 'password' }).expect(422);
    expect(body(weak)).toMatchObject({ code: 'password_too_short', errors: [{ pointer: '/password' }] });
    const unknown = await admin
      .post('/api/v1/users')
      .send({ username: 'ada2', password, roles: ['viewer', 'king'] })
      .expect(422);
    expect(body(unknown)).toMatchObject({ code: 'unknown_role', errors: [{ pointer: '/roles/1' }] });
    await admin.post('/api/v1/users').send({ username: 'no spaces', password }).expect(422);

    const found = body(await admin.get('/api/v1/users?q=LOVELACE&active=true&role=viewer').expect(200)) as {
      items: { username: string }[];
      total: number;
    };
    expect(found).toMatchObject({ items: [{ username: 'ada.lovelace' }], total: 1 });
    const page = body(await admin.get('/api/v1/users?limit=1&offset=1').expect(200)) as { items: unknown[]; total: number };
    const [{ users }] = (await t.sql<{ users: number }>('SELECT count(*)::int AS users FROM users')) as [{ users: number }];
    expect(page).toMatchObject({ items: [{}], total: users });
    await admin.get('/api/v1/users?name=ada').expect(400);

    const read = await admin.get(path).expect(200);
    const etag = read.headers.etag!;
    const changed = await admin.patch(path).set('if-match', etag).send({ displayName: 'Countess' }).expect(200);
    expect(body(changed)).toMatchObject({ displayName: 'Countess', email: 'Ada@Example.net' });
    await admin.patch(path).set('if-match', etag).send({ displayName: 'Nobody' }).expect(412);
    const same = await admin.patch(path).send({ displayName: 'Countess' }).expect(200);
    expect(same.headers.etag).toBe(changed.headers.etag);
    expect(body(await admin.patch(path).send({ email: null }).expect(200))).toMatchObject({ email: null, displayName: 'Countess' });
    await admin.patch(path).send({ displayName: null }).expect(422);
    expect((await eventsAbout(ada.id, 'user.updated')).map(({ changes }) => changes)).toEqual([
      [{ field: 'displayName', before: 'Ada', after: 'Countess' }],
      [{ field: 'email', before: 'Ada@Example.net', after: null }],
    ]);

    const { accessToken, refreshToken } = await signIn(t, { id: ada.id, username: 'ada.lovelace', password });
    await withToken(t, accessToken).get('/api/v1/me').expect(200);
    body(await admin.patch(path).send({ active: false }).expect(200));
    await withToken(t, accessToken).get('/api/v1/me').expect(401);
    await t.anonymous.post('/api/v1/auth/refresh').send({ refreshToken }).expect(401);
    await t.anonymous.post('/api/v1/auth/login').send({ username: 'ada.lovelace', password }).expect(401);
    expect(await eventsAbout(ada.id, 'user.deactivated')).toMatchObject([{ category: 'governance', detail: { endedSessions: 1 } }]);
    await admin.patch(path).send({ active: true }).expect(200);
    await withToken(t, accessToken).get('/api/v1/me').expect(401);

    said.push((await admin.get('/api/v1/users?limit=1000')).text, (await admin.get('/api/v1/me')).text);
    for (const text of said) expect(text).not.toMatch(/argon2|password_?hash/i);
    const secrets = [password, PASSWORD, NEXT_PASSWORD, '$argon2', refreshToken, accessToken];
    const leaks = await t.sql('SELECT payload FROM audit_events WHERE payload LIKE ANY ($1)', [secrets.map((secret) => `%${secret}%`)]);
    expect(leaks).toEqual([]);
    await admin.get('/api/v1/users/not-an-id').expect(404);
    await admin.get('/api/v1/users/00000000-0000-7000-8000-000000000000').expect(404);
  });

  it('U5, ASVS 8.3.2: a change of roles counts from the next request on, and says who made it', async () => {
    const boss = await createUser(t, { roles: ['admin'] });
    const admin = withToken(t, (await signIn(t, boss)).accessToken);
    const user = await createUser(t, { roles: ['viewer'] });
    const agent = withToken(t, (await signIn(t, user)).accessToken);
    await agent.get('/api/v1/roles').expect(403);
    const path = `/api/v1/users/${user.id}/roles`;
    const answer = await admin
      .put(path)
      .send({ roles: ['viewer', 'admin'] })
      .expect(200);
    expect(answer.body).toMatchObject({ roles: ['admin', 'viewer'] });
    await agent.get('/api/v1/roles').expect(200);
    expect(
      await t.sql('SELECT r.name, assigned_by FROM user_roles JOIN roles r ON r.id = role_id WHERE user_id = $1 ORDER BY 1', [user.id]),
    ).toEqual([
      { name: 'admin', assigned_by: boss.username },
      { name: 'viewer', assigned_by: 'test' },
    ]);
    await admin
      .put(path)
      .send({ roles: ['admin', 'viewer'] })
      .expect(200);
    await admin
      .put(path)
      .send({ roles: ['viewer', 'viewer'] })
      .expect(422);
    await admin.put(path).send({ roles: [] }).expect(422);
    await admin
      .put(path)
      .set('if-match', '"1"')
      .send({ roles: ['viewer'] })
      .expect(412);
    await admin
      .put(path)
      .send({ roles: ['viewer'] })
      .expect(200);
    await agent.get('/api/v1/roles').expect(403);
    expect((await eventsAbout(user.id, 'user.roles_changed')).map(({ actor, changes }) => [actor.id, changes])).toEqual([
      [boss.id, [{ field: 'roles', before: ['viewer'], after: ['admin', 'viewer'] }]],
      [boss.id, [{ field: 'roles', before: ['admin', 'viewer'], after: ['viewer'] }]],
    ]);
  });

  it('U6: only a superuser makes, unmakes or changes one', async () => {
    const admin = await asRole(t, 'admin');
    const superuser = await asRole(t, 'superuser');
    const target = await createUser(t, { roles: ['viewer'] });
    const path = `/api/v1/users/${target.id}`;
    const refused = await admin
      .put(`${path}/roles`)
      .send({ roles: ['superuser'] })
      .expect(403);
    expect(refused.body).toMatchObject({ code: 'superuser_required' });
    await admin
      .post('/api/v1/users')
      .send({ username: 'usurper', password: NEXT_PASSWORD, roles: ['superuser'] })
      .expect(403);
    await superuser
      .put(`${path}/roles`)
      .send({ roles: ['superuser'] })
      .expect(200);
    await admin
      .put(`${path}/roles`)
      .send({ roles: ['viewer'] })
      .expect(403);
    await admin.patch(path).send({ active: false }).expect(403);
    await superuser.patch(path).send({ active: false }).expect(200);
  });

  it('U6: nobody gives away their own last right to administer, and of the last two administrators one stays', async () => {
    const administrators = `SELECT u.username FROM users u JOIN user_roles ur ON ur.user_id = u.id JOIN roles r ON r.id = ur.role_id
                             WHERE u.active AND r.name IN ('admin', 'superuser')`;
    await t.sql(`DELETE FROM user_roles USING roles r WHERE r.id = role_id AND r.name IN ('admin', 'superuser')`);
    const alone = await createUser(t, { roles: ['admin', 'viewer'] });
    const agent = withToken(t, (await signIn(t, alone)).accessToken);
    const mine = await agent
      .put(`/api/v1/users/${alone.id}/roles`)
      .send({ roles: ['viewer'] })
      .expect(409);
    expect(mine.body).toMatchObject({ code: 'own_admin_right' });
    await agent.patch(`/api/v1/users/${alone.id}`).send({ active: false }).expect(409);
    expect(await t.sql(administrators)).toHaveLength(1);

    const outcomes: number[] = [];
    for (let round = 0; round < 10; round++) {
      await t.sql(`DELETE FROM user_roles USING roles r WHERE r.id = role_id AND r.name IN ('admin', 'superuser')`);
      const [a, b] = [await createUser(t, { roles: ['admin'] }), await createUser(t, { roles: ['admin'] })];
      const [asA, asB] = [withToken(t, (await signIn(t, a)).accessToken), withToken(t, (await signIn(t, b)).accessToken)];
      await Promise.all([asA.get('/api/v1/me'), asB.get('/api/v1/me')]);
      const answers = await Promise.all([
        asA.put(`/api/v1/users/${b.id}/roles`).send({ roles: ['viewer'] }),
        round % 2 === 0
          ? asB.put(`/api/v1/users/${a.id}/roles`).send({ roles: ['viewer'] })
          : asB.patch(`/api/v1/users/${a.id}`).send({ active: false }),
      ]);
      outcomes.push(...answers.map(({ status }) => status));
      expect(await t.sql(administrators)).toHaveLength(1);
    }
    expect(outcomes.filter((status) => status === 200)).toHaveLength(10);
    // At least once both were let in by the guard and the lock decided.
    expect(outcomes).toContain(409);
  });
});

describe('setting up', () => {
  it('U11, ASVS 6.3.2: of several first starts one makes the administrator, whose password has to be changed', async () => {
    await t.sql(`DELETE FROM user_roles USING roles r WHERE r.id = role_id AND r.name = 'superuser'`);
    const first = t.app.get(FirstAdministrator);
    const made = (await Promise.all(Array.from({ length: 5 }, () => first.createIfNone()))).filter(
      (invitation) => invitation !== undefined,
    );
    expect(made).toEqual([{ username: 'admin', password: expect.stringMatching(/^[a-z2-9-]{20,}$/) as unknown }]);
    expect(await first.createIfNone()).toBeUndefined();
    const { username, password } = made[0]!;
    expect((await t.anonymous.post('/api/v1/auth/login').send({ username, password })).body).toMatchObject({ mustChangePassword: true });
    const [{ id }] = (await t.sql<{ id: string }>(`SELECT id FROM users WHERE username = 'admin'`)) as [{ id: string }];
    expect(await eventsAbout(id, 'user.created')).toMatchObject([
      { actor: { kind: 'system' }, after: { roles: ['superuser'], mustChangePassword: true } },
    ]);

    await expect(first.createAdmin('Second')).resolves.toMatchObject({ username: 'second' });
    await expect(first.createAdmin('ADMIN')).rejects.toMatchObject({ code: 'username_taken' });
    await expect(first.createAdmin('no spaces')).rejects.toMatchObject({ code: 'bad_username' });
  });

  it('U11: seeding roles again changes nothing, and mends what was changed by hand', async () => {
    const seeder = t.app.get(RoleSeeder);
    const roles = (): Promise<unknown[]> =>
      t.sql(
        'SELECT r.name, r.description, r.system, p.permission FROM roles r LEFT JOIN role_permissions p ON p.role_id = r.id ORDER BY 1, 4',
      );
    const before = await roles();
    const seedings = (await eventsAbout('system', 'roles.synchronized')).length;
    await Promise.all([seeder.sync(), seeder.sync(), seeder.sync()]);
    expect(await roles()).toEqual(before);
    expect(await eventsAbout('system', 'roles.synchronized')).toHaveLength(seedings);

    await t.sql(`INSERT INTO role_permissions SELECT id, 'pool:write' FROM roles WHERE name = 'viewer'`);
    await t.sql(`DELETE FROM role_permissions USING roles r WHERE r.id = role_id AND r.name = 'auditor'`);
    await t.sql(`INSERT INTO roles (name, system) VALUES ('former', true)`);
    await Promise.all([seeder.sync(), seeder.sync()]);
    expect(await roles()).toEqual(before);
    expect(await eventsAbout('system', 'roles.synchronized')).toHaveLength(seedings + 1);
  });
});
