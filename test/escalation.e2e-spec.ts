import fc from 'fast-check';
import { type Agent, type Response } from 'supertest';
import { permissions } from '../src/platform/auth/permissions.js';
import { covers, type Grant, type Rights, rightsOf } from '../src/users/roles/rights.js';
import { eventually } from './support/eventually.js';
import { Builders } from './support/builders.js';
import { aKeyOf, aKeyOfKind, aPerson, withKey } from './support/examples/keys.js';
import { codeOf } from './support/second-factor.js';
import { createUser, signIn, type TestUser, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const USERS = '/api/v1/users';
const INVITATIONS = '/api/v1/invitations';
const PROVIDERS = '/api/v1/identity-providers';
const KEYS = '/api/v1/keys';
const PASSWORD = 'a first word to be changed';
const OIDC = { kind: 'oidc', issuer: 'https://idp.example', clientId: 'cadastre' };

let t: TestApp;
let make: Builders;
let root: Agent;
let names = 0;

beforeAll(async () => {
  t = await startTestApp({ CADASTRE_JOBS: 'false' });
  make = await Builders.of(t);
  ({ root } = make);
});

afterAll(() => t.close());

const aName = (noun: string): string => `${noun}-${++names}`;
const outcomeOf = ({ status, body }: Response): string => (status < 300 ? 'done' : (body as { code: string }).code);

async function aRole(...held: string[]): Promise<string> {
  const name = aName('role');
  await root.post('/api/v1/roles').send({ name, permissions: held }).expect(201);
  return name;
}

async function somebody(...roles: string[]): Promise<{ user: TestUser; agent: Agent }> {
  const { user, agent } = await aPerson(t, ...roles);
  return { user, agent };
}

async function grantsOf(userId: string): Promise<Rights> {
  return rightsOf(
    await t.sql<Grant & Record<string, unknown>>(
      `SELECT ARRAY (SELECT rp.permission FROM role_permissions rp WHERE rp.role_id = ur.role_id) AS permissions,
              ur.vrf_ids::text[] AS "vrfIds", ur.networks::text[] AS networks
         FROM user_roles ur WHERE ur.user_id = $1`,
      [userId],
    ),
  );
}

/** Every way in which somebody may let others have rights; what was given, or nothing when it was refused. */
const ways: Record<string, (agent: Agent, role: string) => Promise<Rights | undefined>> = {
  'a new account': async (agent, role) => {
    const made = await agent.post(USERS).send({ username: aName('new'), password: PASSWORD, roles: [role] });
    return made.status === 201 ? grantsOf((made.body as { id: string }).id) : undefined;
  },
  'an invitation': async (agent, role) => {
    const sent = await agent.post(INVITATIONS).send({ email: `${aName('guest')}@example.net`, roles: [role] });
    if (sent.status !== 201) return undefined;
    const { token, userId } = sent.body as { token: string; userId: string };
    await t.anonymous
      .post('/api/v1/auth/invitations/accept')
      .send({ token, username: aName('guest'), password: PASSWORD })
      .expect(200);
    return grantsOf(userId);
  },
  'a batch': async (agent, role) => {
    const { id } = await createUser(t);
    const answer = await agent.post(`${USERS}/bulk`).send({ operation: 'add-role', role, ids: [id] });
    return answer.status === 200 ? grantsOf(id) : undefined;
  },
  'a default of a provider': async (agent, role) => {
    const body = { slug: aName('idp'), name: 'Another', config: OIDC, createsAccounts: true, defaultRoles: [role] };
    const made = await agent.post(PROVIDERS).send(body);
    return made.status === 201 ? rightsOfRole(role) : undefined;
  },
  'a group of a provider': async (agent, role) => {
    const body = { slug: aName('idp'), name: 'Another', config: OIDC, roleMap: [{ group: 'everybody', role }] };
    const made = await agent.post(PROVIDERS).send(body);
    return made.status === 201 ? rightsOfRole(role) : undefined;
  },
  'a key of a service': async (agent, role) => {
    const owner = await createUser(t, { roles: ['superuser'] });
    const held = [...(await rightsOfRole(role)).keys()];
    const networks = ['10.0.0.0/8'];
    const made = await agent.post(KEYS).send({ kind: 'tenant', name: aName('key'), ownerId: owner.id, permissions: held, networks });
    return made.status === 201 ? rightsOf([{ permissions: held, networks, vrfIds: null }]) : undefined;
  },
  'a role of a wider name': async (agent, role) => {
    const held = [...(await rightsOfRole(role)).keys()];
    const made = await agent.post('/api/v1/roles').send({ name: aName('role'), permissions: held });
    return made.status === 201 ? rightsOfRole(role) : undefined;
  },
};

async function rightsOfRole(name: string): Promise<Rights> {
  const [row] = await t.sql<{ permissions: string[] }>(
    `SELECT ARRAY (SELECT rp.permission FROM role_permissions rp WHERE rp.role_id = r.id) AS permissions FROM roles r WHERE r.name = $1`,
    [name],
  );
  return rightsOf([{ permissions: row?.permissions ?? [], vrfIds: null, networks: null }]);
}

describe('what anybody can give is part of what they hold', () => {
  it('U13, K2, ASVS 8.2.1: by whatever way, at random', async () => {
    const manager = await aRole('user:read', 'user:write', 'role:assign', 'role:write', 'identity-provider:write', 'key:write');
    const roles = await Promise.all(
      [['pool:read'], ['pool:write', 'pool:read'], ['allocation:read'], ['ipam:export', 'pool:read']].map((held) => aRole(...held)),
    );
    const given: Record<string, Set<boolean>> = {};
    const networks = fc.option(fc.constantFrom(['10.0.0.0/8'], ['10.1.0.0/16'], ['192.0.2.0/24']), { nil: undefined });
    const held = fc.array(fc.record({ role: fc.constantFrom(...roles), networks }, { requiredKeys: ['role'] }), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(held, fc.constantFrom(...roles), async (assignments, wanted) => {
        const { user, agent } = await somebody(manager);
        for (const one of assignments) await root.post(`${USERS}/${user.id}/roles`).send(one);
        const mine = await grantsOf(user.id);
        for (const [way, give] of Object.entries(ways)) {
          const got = await give(agent, wanted);
          (given[way] ??= new Set()).add(got !== undefined && got.size > 0);
          expect({ way, covered: got === undefined || covers(mine, got) }).toEqual({ way, covered: true });
        }
        expect(await grantsOf(user.id)).toEqual(mine);
      }),
      {
        numRuns: 20,
        examples: [
          [[{ role: roles[0] ?? '' }], roles[0] ?? ''],
          [[], roles[0] ?? ''],
        ],
      },
    );
    // Each way gave something and refused something, or this would prove nothing.
    for (const way of Object.keys(ways)) expect({ way, outcomes: given[way] }).toEqual({ way, outcomes: new Set([true, false]) });
  });
});

describe('what somebody holds for a while', () => {
  const inAnHour = (): string => new Date(Date.now() + 3_600_000).toISOString();
  const tomorrow = (): string => new Date(Date.now() + 86_400_000).toISOString();

  async function passing(role: string, expiresAt: string): Promise<{ user: TestUser; agent: Agent }> {
    const user = await createUser(t);
    await root.post(`${USERS}/${user.id}/roles`).send({ role, expiresAt }).expect(201);
    return { user, agent: withToken(t, (await signIn(t, user)).accessToken) };
  }

  it('U13: is not made lasting by its holder, nor given to others for longer', async () => {
    const until = inAnHour();
    const { user, agent } = await passing('admin', until);
    const own = `${USERS}/${user.id}/roles`;
    expect(outcomeOf(await agent.put(own).send({ roles: ['admin'] }))).toBe('rights_exceeded');
    expect(outcomeOf(await agent.post(own).send({ role: 'operator', expiresAt: until }))).toBe('own_roles');
    const other = await createUser(t);
    const others = `${USERS}/${other.id}/roles`;
    expect(outcomeOf(await agent.post(others).send({ role: 'operator' }))).toBe('rights_exceeded');
    expect(outcomeOf(await agent.put(others).send({ roles: ['operator'] }))).toBe('rights_exceeded');
    expect(outcomeOf(await agent.post(others).send({ role: 'operator', expiresAt: tomorrow() }))).toBe('rights_exceeded');
    expect(outcomeOf(await agent.post(USERS).send({ username: aName('new'), password: PASSWORD, roles: ['operator'] }))).toBe(
      'rights_exceeded',
    );
    expect(outcomeOf(await agent.post(others).send({ role: 'operator', expiresAt: until }))).toBe('done');
    expect(await t.sql('SELECT expires_at IS NULL AS good FROM user_roles WHERE user_id = ANY ($1)', [[user.id, other.id]])).toEqual([
      { good: false },
      { good: false },
    ]);
  });

  it('K2: makes no key that outlives it and is not bound by it', async () => {
    const { agent } = await passing('superuser', inAnHour());
    const owner = await createUser(t, { roles: ['viewer'] });
    const body = { kind: 'admin', name: 'lasting', ownerId: owner.id, permissions: ['pool:read'], expiresInDays: 30 };
    expect(outcomeOf(await agent.post(KEYS).send(body))).toBe('superuser_required');
    const tenant = { ...body, kind: 'tenant', networks: ['10.0.0.0/8'] };
    expect(outcomeOf(await agent.post(KEYS).send(tenant))).toBe('exceeds_your_rights');
    // A key of one's own never has more than its owner has at the moment.
    await aKeyOf(agent);
  });

  it('U14: what a group gives does not become one’s own', async () => {
    const user = await createUser(t);
    const answer = await root.post(PROVIDERS).send({ slug: aName('idp'), name: 'Corporate', config: OIDC });
    const { id } = answer.body as { id: string };
    await t.sql(
      `INSERT INTO user_roles (user_id, role_id, assigned_by, source, provider_id)
       SELECT $1, r.id, 'provider', 'identity_provider', $2 FROM roles r WHERE r.name = 'admin'`,
      [user.id, id],
    );
    const agent = withToken(t, (await signIn(t, user)).accessToken);
    expect(outcomeOf(await agent.put(`${USERS}/${user.id}/roles`).send({ roles: ['admin'] }))).toBe('own_roles');
  });

  it('U13, U15: an invitation is void once its sender may make no accounts any more', async () => {
    const sender = await somebody('admin');
    const sent = await sender.agent.post(INVITATIONS).send({ email: `${aName('guest')}@example.net` });
    const { token } = sent.body as { token: string };
    await root
      .put(`${USERS}/${sender.user.id}/roles`)
      .send({ roles: ['viewer', 'requestor'] })
      .expect(200);
    await t.anonymous
      .post('/api/v1/auth/invitations/accept')
      .send({ token, username: aName('guest'), password: PASSWORD })
      .expect(404);
  });
});

describe('whoever decides whom a provider vouches for', () => {
  it('U14, U13: has to have all that its people have, and all that it gives', async () => {
    const keeper = await somebody(await aRole('identity-provider:read', 'identity-provider:write', 'role:assign', 'user:write'));
    const wanted = { slug: aName('idp'), name: 'Mine', config: OIDC };
    expect(outcomeOf(await keeper.agent.post(PROVIDERS).send({ ...wanted, defaultRoles: ['admin'] }))).toBe('rights_exceeded');
    expect(outcomeOf(await keeper.agent.post(PROVIDERS).send({ ...wanted, roleMap: [{ group: 'all', role: 'viewer' }] }))).toBe(
      'rights_exceeded',
    );
    const { id } = (await keeper.agent.post(PROVIDERS).send(wanted).expect(201)).body as { id: string };
    const at = `${PROVIDERS}/${id}`;
    const admin = await createUser(t, { roles: ['admin'] });
    await t.sql(`INSERT INTO user_identities (provider_id, external_id, user_id) VALUES ($1, 'boss', $2)`, [id, admin.id]);
    expect(outcomeOf(await keeper.agent.patch(at).send({ config: { ...OIDC, clientId: 'mine' } }))).toBe('target_exceeds_you');
    expect(outcomeOf(await keeper.agent.patch(at).send({ secrets: { clientSecret: 'mine' } }))).toBe('target_exceeds_you');
    // What lets nobody in is free: a name, and an end.
    expect(outcomeOf(await keeper.agent.patch(at).send({ name: 'Ours' }))).toBe('done');
    expect(outcomeOf(await keeper.agent.patch(at).send({ enabled: false }))).toBe('done');
    expect(outcomeOf(await keeper.agent.patch(at).send({ enabled: true }))).toBe('target_exceeds_you');
    const boss = await somebody('admin');
    expect(outcomeOf(await boss.agent.patch(at).send({ enabled: true, defaultRoles: ['operator'] }))).toBe('done');
  });

  it('U14: makes accounts and gives roles only with the rights to do so by hand', async () => {
    const keeper = await somebody(await aRole('identity-provider:read', 'identity-provider:write'));
    const wanted = { slug: aName('idp'), name: 'Mine', config: OIDC };
    expect(outcomeOf(await keeper.agent.post(PROVIDERS).send({ ...wanted, createsAccounts: true }))).toBe('forbidden');
    expect(outcomeOf(await keeper.agent.post(PROVIDERS).send({ ...wanted, defaultRoles: [await aRole()] }))).toBe('forbidden');
  });

  it('U17, U6: does not read accounts as LDIF without the right to read accounts', async () => {
    const keeper = await somebody(await aRole('identity-provider:read', 'identity-provider:write'));
    await keeper.agent.get(`${PROVIDERS}/ldif`).expect(403);
    await keeper.agent.post(`${PROVIDERS}/ldif`).send({ ldif: 'version: 1\n' }).expect(403);
  });
});

describe('those with more rights', () => {
  it('U13, S1: a superuser’s sessions and second factor are out of an admin’s reach', async () => {
    const { agent } = await somebody('admin');
    const boss = await somebody('superuser');
    const [session] = await t.sql<{ id: string }>('SELECT id FROM auth_sessions WHERE user_id = $1', [boss.user.id]);
    expect(outcomeOf(await agent.delete(`/api/v1/sessions/${session?.id}`))).toBe('superuser_required');
    expect(outcomeOf(await agent.delete(`${USERS}/${boss.user.id}/sessions`))).toBe('superuser_required');
    const [role] = await t.sql<{ id: string }>(`SELECT id FROM roles WHERE name = 'superuser'`);
    expect(outcomeOf(await agent.patch(`/api/v1/roles/${role?.id}`).send({ secondFactorRequired: true }))).toBe('superuser_required');
    await boss.agent.get('/api/v1/me').expect(200);
    const viewer = await somebody('viewer');
    expect(outcomeOf(await agent.delete(`${USERS}/${viewer.user.id}/sessions`))).toBe('done');
  });

  it('U18: whoever administers by a role of another name is an administrator', async () => {
    const role = await aRole(...permissions);
    const { user } = await somebody(role);
    for (let i = 0; i < 3; i++) await signIn(t, user);
    expect(await t.sql('SELECT FROM auth_sessions WHERE user_id = $1 AND ended_at IS NULL', [user.id])).toHaveLength(3);
    const { accessToken } = await signIn(t, user);
    expect((await withToken(t, accessToken).get('/api/v1/me')).headers['ratelimit-policy']).toMatch(/^"admin"/);
  });
});

describe('keys of somebody who has to have a second factor', () => {
  it('U18, K2: open nothing until there is one, and then what they opened', async () => {
    const role = await aRole('pool:read', 'key:write-own', 'profile:read', 'profile:write');
    const { user, agent } = await somebody(role);
    const key = withKey(t, (await aKeyOf(agent, { permissions: ['pool:read'] })).secret);
    await key.get('/api/v1/ipam/pools').expect(200);
    await t.sql('UPDATE roles SET second_factor_required = true WHERE name = $1', [role]);
    await eventually(async () => (await key.get('/api/v1/ipam/pools')).status === 403);
    const session = withToken(t, (await signIn(t, user)).accessToken);
    const { secret } = (await session.post('/api/v1/me/second-factors/totp').expect(201)).body as { secret: string };
    await session
      .post('/api/v1/me/second-factors/totp/confirm')
      .send({ code: codeOf(secret) })
      .expect(200);
    await eventually(async () => (await key.get('/api/v1/ipam/pools')).status === 200);
  });
});

describe('the map of a pool', () => {
  it('K5: shows no address to whoever may see pools only', async () => {
    const { pool } = await make.anAddress();
    const key = await aKeyOfKind(make, 'tenant');
    const path = `/api/v1/ipam/pools/${pool.id}/map`;
    await withKey(t, key.secret).get(path).expect(200);
    const issued = await withKey(t, key.secret)
      .post('/api/v1/tenant-tokens')
      .send({ preset: 'restricted', networks: [pool.network], ttlSeconds: 3600 })
      .expect(201);
    const restricted = withKey(t, (issued.body as { token: string }).token);
    await restricted.get(`/api/v1/ipam/pools/${pool.id}`).expect(200);
    for (const view of ['', '?view=runs']) await restricted.get(path + view).expect(403);
  });
});
