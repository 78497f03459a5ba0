import fc from 'fast-check';
import { type Agent } from 'supertest';
import { type AuditEventView } from '../src/audit/log/audit-event.dto.js';
import { permissions } from '../src/platform/auth/permissions.js';
import { covers, type Grant, rightsOf } from '../src/users/roles/rights.js';
import { systemRoles } from '../src/users/roles/system-roles.js';
import { eventsOf } from './support/audit-events.js';
import { eventually } from './support/eventually.js';
import { assignedByProvider } from './support/examples/accounts.js';
import { asRole, createUser, signIn, type TestUser, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const ROLES = '/api/v1/roles';
const SOME_VRF = '01890000-0000-7000-8000-00000000000a';

interface RoleBody {
  id: string;
  name: string;
  version: number;
  permissions: string[];
}

interface AssignmentBody {
  id: string;
  role: string;
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

const rolesOf = (id: string): string => `/api/v1/users/${id}/roles`;
const eventsAbout = (id: string): Promise<AuditEventView[]> => eventsOf(t, `resource_id = $1 AND category <> 'reads'`, id);

async function aRole(...held: string[]): Promise<RoleBody> {
  const answer = await admin
    .post(ROLES)
    .send({ name: `role-${++names}`, permissions: held })
    .expect(201);
  return answer.body as RoleBody;
}

async function somebody(...roles: string[]): Promise<{ user: TestUser; agent: Agent }> {
  const user = await createUser(t, { roles });
  return { user, agent: withToken(t, (await signIn(t, user)).accessToken) };
}

async function assignmentsOf(id: string): Promise<AssignmentBody[]> {
  return ((await admin.get(rolesOf(id)).expect(200)).body as { items: AssignmentBody[] }).items;
}

describe('roles', () => {
  it('U5: are made of known permissions, changed under their version, and removed when nobody has them', async () => {
    const created = await admin
      .post(ROLES)
      .send({ name: 'site-operator', description: 'Runs a site', permissions: ['pool:read', 'allocation:write'] })
      .expect(201);
    const role = created.body as RoleBody;
    const path = `${ROLES}/${role.id}`;
    expect([created.headers.location, role]).toMatchObject([path, { system: false, permissions: ['allocation:write', 'pool:read'] }]);
    expect((await admin.post(ROLES).send({ name: 'site-operator', permissions: [] }).expect(409)).body).toMatchObject({
      code: 'role_name_taken',
    });
    const unknown = await admin
      .post(ROLES)
      .send({ name: 'king', permissions: ['pool:read', 'crown:wear'] })
      .expect(422);
    expect(unknown.body).toMatchObject({ code: 'unknown_permission', errors: [{ pointer: '/permissions/1' }] });
    await admin.post(ROLES).send({ name: 'Upper', permissions: [] }).expect(422);
    await admin.patch(path).set('if-match', '"99"').send({ description: 'x' }).expect(412);
    const changed = await admin
      .patch(path)
      .set('if-match', '"1"')
      .send({ permissions: ['pool:read'] })
      .expect(200);
    expect([changed.headers.etag, changed.body]).toMatchObject(['"2"', { permissions: ['pool:read'], description: 'Runs a site' }]);
    const user = await createUser(t, { roles: ['site-operator'] });
    expect((await admin.delete(path).expect(409)).body).toMatchObject({ code: 'role_assigned', holders: 1 });
    await admin.delete(`/api/v1/users/${user.id}`).expect(204);
    await admin.delete(path).expect(204);
    await admin.get(path).expect(404);
    expect((await eventsAbout(role.id)).map(({ action, changes }) => [action, changes])).toEqual([
      ['role.created', undefined],
      ['role.updated', [{ field: 'permissions', before: ['allocation:write', 'pool:read'], after: ['pool:read'] }]],
      ['role.deleted', undefined],
    ]);
  });

  it('U5: those of the program stay as they are', async () => {
    const { items } = (await admin.get(ROLES).expect(200)).body as { items: (RoleBody & { system: boolean })[] };
    const viewer = items.find(({ name }) => name === 'viewer')!;
    expect(viewer.system).toBe(true);
    for (const attempt of [
      admin.patch(`${ROLES}/${viewer.id}`).send({ permissions: ['user:write'] }),
      admin.patch(`${ROLES}/${viewer.id}`).send({ name: 'watcher' }),
      admin.delete(`${ROLES}/${viewer.id}`),
    ])
      expect((await attempt.expect(409)).body).toMatchObject({ code: 'system_role' });
    expect((await admin.get(`${ROLES}/${viewer.id}`).expect(200)).body).toEqual(viewer);
  });

  it('U5, ASVS 8.3.2: a change of a role counts from the next request of everybody who has it', async () => {
    const role = await aRole('profile:read');
    const holders = [await somebody(role.name), await somebody(role.name)];
    for (const { agent } of holders) await agent.get('/api/v1/ipam/vrfs').expect(403);
    await admin
      .patch(`${ROLES}/${role.id}`)
      .send({ permissions: ['profile:read', 'vrf:read'] })
      .expect(200);
    for (const { agent } of holders) await agent.get('/api/v1/ipam/vrfs').expect(200);
    await admin
      .patch(`${ROLES}/${role.id}`)
      .send({ permissions: ['profile:read'] })
      .expect(200);
    for (const { agent } of holders) await agent.get('/api/v1/ipam/vrfs').expect(403);
  });

  it('U13: nobody makes, widens, narrows or removes a role beyond their own rights', async () => {
    const maker = await aRole('role:read', 'role:write', 'pool:read');
    const { agent } = await somebody(maker.name);
    const refused = await agent
      .post(ROLES)
      .send({ name: 'beyond', permissions: ['pool:read', 'pool:write', 'user:write'] })
      .expect(403);
    expect(refused.body).toMatchObject({ code: 'rights_exceeded', permissions: ['pool:write', 'user:write'] });
    const mine = (
      await agent
        .post(ROLES)
        .send({ name: 'within', permissions: ['pool:read'] })
        .expect(201)
    ).body as RoleBody;
    await agent
      .patch(`${ROLES}/${mine.id}`)
      .send({ permissions: ['pool:write'] })
      .expect(403);
    await agent
      .patch(`${ROLES}/${maker.id}`)
      .send({ permissions: [...maker.permissions, 'user:write'] })
      .expect(403);
    const above = await aRole('pool:write');
    await agent.patch(`${ROLES}/${above.id}`).send({ permissions: [] }).expect(403);
    await agent.delete(`${ROLES}/${above.id}`).expect(403);
    await agent.delete(`${ROLES}/${mine.id}`).expect(204);
  });
});

describe('assignments', () => {
  it('U5: tell who made them, their limits and their end, and are taken away one by one', async () => {
    const { user: boss, agent } = await somebody('admin');
    const user = await createUser(t, { roles: ['viewer'] });
    const body = { role: 'operator', networks: ['10.0.0.0/8', '2001:db8::/32'], vrfIds: [SOME_VRF], expiresAt: '2099-01-01T00:00:00Z' };
    const answer = await agent.post(rolesOf(user.id)).send(body).expect(201);
    const made = answer.body as AssignmentBody;
    expect(answer.headers.location).toBe(`${rolesOf(user.id)}/${made.id}`);
    expect(made).toMatchObject({
      ...body,
      expiresAt: '2099-01-01T00:00:00.000Z',
      source: 'manual',
      assignedBy: boss.username,
      providerId: null,
    });
    expect(await assignmentsOf(user.id)).toMatchObject([
      made,
      { role: 'viewer', networks: null, vrfIds: null, expiresAt: null, assignedBy: 'test' },
    ]);
    const twice = await agent.post(rolesOf(user.id)).send({ role: 'operator' }).expect(409);
    expect(twice.body).toMatchObject({ code: 'role_already_assigned' });
    await agent.delete(`${rolesOf(user.id)}/${made.id}`).expect(204);
    await agent.delete(`${rolesOf(user.id)}/${made.id}`).expect(404);
    expect(await eventsAbout(user.id)).toMatchObject([
      { action: 'user.role_assigned', actor: { id: boss.id }, after: { role: 'operator', networks: body.networks } },
      { action: 'user.role_removed', actor: { id: boss.id }, before: { role: 'operator' } },
    ]);
  });

  it('U5: what makes no sense is refused', async () => {
    const user = await createUser(t);
    const refused = async (body: object): Promise<unknown> => (await admin.post(rolesOf(user.id)).send(body).expect(422)).body;
    expect(await refused({ role: 'king' })).toMatchObject({ code: 'unknown_role', errors: [{ pointer: '/role' }] });
    expect(await refused({ role: 'viewer', expiresAt: '2001-01-01T00:00:00Z' })).toMatchObject({ code: 'expiry_past' });
    expect(await refused({ role: 'admin', networks: ['10.0.0.0/8'] })).toMatchObject({ code: 'role_not_limitable' });
    for (const body of [
      { networks: ['10.0.0.1/8'] },
      { networks: [] },
      { vrfIds: ['x'] },
      { expiresAt: 'tomorrow' },
      { source: 'identity_provider' },
    ])
      expect(await refused({ role: 'viewer', ...body })).toMatchObject({ code: 'invalid_body' });
  });

  it('U5, ASVS 8.3.2: one that is given or taken counts from the next request, one that ends ends by itself', async () => {
    const { user, agent } = await somebody();
    await agent.get('/api/v1/ipam/vrfs').expect(403);
    const given = (await admin.post(rolesOf(user.id)).send({ role: 'viewer' }).expect(201)).body as AssignmentBody;
    await agent.get('/api/v1/ipam/vrfs').expect(200);
    await admin.delete(`${rolesOf(user.id)}/${given.id}`).expect(204);
    await agent.get('/api/v1/ipam/vrfs').expect(403);
    const soon = new Date(Date.now() + 1500).toISOString();
    await admin.post(rolesOf(user.id)).send({ role: 'viewer', expiresAt: soon }).expect(201);
    expect((await admin.get(`/api/v1/users/${user.id}`).expect(200)).body).toMatchObject({ roles: ['viewer'] });
    await eventually(async () => ((await admin.get(`/api/v1/users/${user.id}`)).body as { roles: string[] }).roles.length === 0);
    // What expired is in nobody's way.
    await admin.post(rolesOf(user.id)).send({ role: 'viewer' }).expect(201);
  });

  it('U5: what an identity provider assigned is not changed by hand, also when all roles by hand are replaced', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    const managed = await assignedByProvider(t, user.id, 'operator');
    expect((await admin.delete(`${rolesOf(user.id)}/${managed}`).expect(409)).body).toMatchObject({ code: 'assignment_managed' });
    await admin
      .put(rolesOf(user.id))
      .send({ roles: ['analyst'] })
      .expect(200);
    expect((await assignmentsOf(user.id)).map(({ role, source }) => [role, source])).toEqual([
      ['analyst', 'manual'],
      ['operator', 'identity_provider'],
    ]);
    await admin
      .put(rolesOf(user.id))
      .send({ roles: ['operator'] })
      .expect(200);
    expect((await assignmentsOf(user.id)).map(({ role, source }) => [role, source]).sort()).toEqual([
      ['operator', 'identity_provider'],
      ['operator', 'manual'],
    ]);
    expect((await admin.get(`/api/v1/users/${user.id}`).expect(200)).body).toMatchObject({ roles: ['operator'] });
  });

  it('U5: replacing all roles lifts the limits of those that stay, as an event tells', async () => {
    const user = await createUser(t);
    await admin
      .post(rolesOf(user.id))
      .send({ role: 'operator', networks: ['10.0.0.0/8'] })
      .expect(201);
    await admin
      .put(rolesOf(user.id))
      .send({ roles: ['operator'] })
      .expect(200);
    expect(await assignmentsOf(user.id)).toMatchObject([{ role: 'operator', networks: null }]);
    expect(await eventsAbout(user.id)).toMatchObject([
      { action: 'user.role_assigned' },
      { action: 'user.roles_changed', changes: [{ field: 'limited', after: [] }] },
    ]);
  });

  it('U13: a role that ends counts for nobody’s safety: the last administrator for good stays', async () => {
    await t.sql(`DELETE FROM user_roles USING roles r WHERE r.id = role_id AND r.name IN ('admin', 'superuser')`);
    const { user: lasting, agent: asLasting } = await somebody('superuser');
    const { user: passing, agent: asPassing } = await somebody();
    await asLasting.post(rolesOf(passing.id)).send({ role: 'superuser', expiresAt: '2099-01-01T00:00:00Z' }).expect(201);
    const demoted = await asPassing
      .put(rolesOf(lasting.id))
      .send({ roles: ['viewer'] })
      .expect(409);
    expect(demoted.body).toMatchObject({ code: 'last_administrator' });
    await asPassing.delete(`/api/v1/users/${lasting.id}`).expect(409);
    await asLasting.delete(`/api/v1/users/${passing.id}`).expect(204);
    admin = asLasting;
  });
});

describe('nobody gives what they do not have', () => {
  const NETWORKS = ['10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', '192.0.2.0/24'];
  const GIVABLE = ['pool:read', 'pool:write', 'allocation:read'];

  async function grantsOf(id: string): Promise<Grant[]> {
    return t.sql<Grant & Record<string, unknown>>(
      `SELECT ARRAY (SELECT rp.permission FROM role_permissions rp WHERE rp.role_id = ur.role_id) AS permissions,
              ur.vrf_ids::text[] AS "vrfIds", ur.networks::text[] AS networks
         FROM user_roles ur WHERE ur.user_id = $1`,
      [id],
    );
  }

  it('U13, ASVS 8.2.1: whatever anybody grants, however they ask, is part of what they hold', async () => {
    const roles = await Promise.all(
      [['pool:read'], ['pool:write'], ['pool:read', 'pool:write'], GIVABLE, ['user:read'], []].map((held) => aRole(...held)),
    );
    const assigner = await aRole('role:assign', 'user:read', 'user:write');
    const limits = fc.option(fc.subarray(NETWORKS, { minLength: 1 }), { nil: undefined });
    const grant = fc.record({ role: fc.constantFrom(...roles.map(({ name }) => name)), networks: limits }, { requiredKeys: ['role'] });
    const given: boolean[] = [];
    await fc.assert(
      fc.asyncProperty(fc.array(grant, { maxLength: 3 }), fc.array(grant, { minLength: 1, maxLength: 4 }), async (held, wanted) => {
        const { user: actor, agent } = await somebody(assigner.name);
        for (const one of held) await admin.post(rolesOf(actor.id)).send(one);
        const mine = rightsOf(await grantsOf(actor.id));
        const target = await createUser(t);
        for (const one of wanted) {
          const before = await grantsOf(target.id);
          const { status } = await agent.post(rolesOf(target.id)).send(one);
          given.push(status === 201);
          expect([201, 403, 409]).toContain(status);
          expect((await grantsOf(target.id)).length).toBe(before.length + (status === 201 ? 1 : 0));
        }
        await agent.put(rolesOf(target.id)).send({ roles: [...new Set(wanted.map(({ role }) => role))] });
        expect(covers(mine, rightsOf(await grantsOf(target.id)))).toBe(true);
        expect(rightsOf(await grantsOf(actor.id))).toEqual(mine);
      }),
      { numRuns: 25 },
    );
    // Neither all nor nothing was let through, or this would prove nothing.
    expect(new Set(given)).toEqual(new Set([true, false]));
  });

  it('U13: nobody widens their own rights', async () => {
    const assigner = await aRole('role:assign', 'user:read', 'user:write', 'role:write');
    const { user, agent } = await somebody(assigner.name);
    for (const role of ['admin', 'operator', 'auditor', 'viewer'])
      expect((await agent.post(rolesOf(user.id)).send({ role }).expect(403)).body).toMatchObject({ code: 'rights_exceeded' });
    expect((await agent.post(rolesOf(user.id)).send({ role: 'superuser' }).expect(403)).body).toMatchObject({ code: 'superuser_required' });
    await agent
      .put(rolesOf(user.id))
      .send({ roles: [assigner.name, 'operator'] })
      .expect(403);
    await agent
      .post('/api/v1/invitations')
      .send({ email: 'me.again@example.net', roles: ['operator'] })
      .expect(403);
    expect((await assignmentsOf(user.id)).map(({ role }) => role)).toEqual([assigner.name]);
  });
});

describe('the catalogue of rights', () => {
  it('U6: shows every permission, the program’s roles, every route, and what the caller may do where', async () => {
    const { user, agent } = await somebody('requestor');
    await admin
      .post(rolesOf(user.id))
      .send({ role: 'operator', networks: ['10.0.0.0/8'] })
      .expect(201);
    const { body } = (await agent.get('/api/v1/permissions').expect(200)) as {
      body: { permissions: string[]; roles: { name: string }[]; routes: object[]; mine: { permission: string }[] };
    };
    expect(body.permissions).toEqual(permissions);
    expect(body.roles.map(({ name }) => name)).toEqual(systemRoles.map(({ name }) => name));
    expect(body.routes).toContainEqual({
      method: 'PUT',
      path: '/api/v1/users/:id/roles',
      permission: 'role:assign',
      roles: ['superuser', 'admin'],
    });
    const mine = (wanted: string): unknown => body.mine.find(({ permission }) => permission === wanted);
    expect(mine('pool:read')).toEqual({ permission: 'pool:read', everywhere: true, limits: [] });
    expect(mine('allocation:write')).toEqual({
      permission: 'allocation:write',
      everywhere: false,
      limits: [{ vrfIds: null, networks: ['10.0.0.0/8'] }],
    });
    expect(mine('user:write')).toBeUndefined();
  });

  it('U6, U5: what a limited role gives of its holder alone is shown to hold everywhere, as it does, and what it does not give is not shown', async () => {
    const { user, agent } = await somebody();
    await admin
      .post(rolesOf(user.id))
      .send({ role: 'operator', networks: ['10.0.0.0/8'] })
      .expect(201);
    const { mine } = (await agent.get('/api/v1/permissions').expect(200)).body as { mine: { permission: string; everywhere: boolean }[] };
    const where = new Map(mine.map(({ permission, everywhere }) => [permission, everywhere]));
    for (const own of ['profile:read', 'profile:write', 'key:read-own', 'work-session:read'])
      expect([own, where.get(own)]).toEqual([own, true]);
    expect(where.get('pool:read')).toBe(false);
    expect(where.has('ipam:import')).toBe(false);
  });
});
