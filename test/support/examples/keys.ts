import supertest, { type Agent } from 'supertest';
import { type Builders, type Made } from '../builders.js';
import { type ExampleCall, type RouteExample, type Trace } from '../route-example.js';
import { createUser, signIn, type TestUser, withToken } from '../sign-in.js';
import { type TestApp } from '../test-app.js';

const KEYS = '/api/v1/keys';
const MY_KEYS = '/api/v1/me/keys';
const PROJECTS = '/api/v1/projects';
const STALE = { 'if-match': '"99"' };

export interface MadeKey extends Made {
  kind: string;
  name: string;
  secret: string;
  expiresAt: string;
}

/** Calls with a key or a derived token. */
export function withKey(t: TestApp, key: string): Agent {
  return supertest.agent(t.url).set('authorization', `Bearer ${key}`);
}

export async function aPerson(t: TestApp, ...roles: string[]): Promise<{ agent: Agent; user: TestUser }> {
  const user = await createUser(t, { roles });
  return { agent: withToken(t, (await signIn(t, user)).accessToken), user };
}

/** A key of the caller's own. */
export async function aKeyOf(agent: Agent, more: object = {}): Promise<MadeKey> {
  const answer = await agent.post(MY_KEYS).send({ name: 'own', permissions: ['pool:read', 'vrf:read', 'allocation:read'], ...more });
  if (answer.status !== 201) throw new Error(`No key was made: ${answer.text}`);
  return answer.body as MadeKey;
}

/** A key made by a superuser for an account that reads the address space. */
export async function aKeyOfKind(make: Builders, kind: 'admin' | 'tenant' | 'public', more: object = {}): Promise<MadeKey> {
  const owner = await createUser(make.t, { roles: ['viewer'] });
  const needed = { tenant: { networks: ['10.0.0.0/8'] }, public: { addressRanges: ['127.0.0.0/8'] }, admin: {} }[kind];
  const body = {
    kind,
    name: make.name(kind),
    ownerId: owner.id,
    permissions: ['pool:read', 'vrf:read', 'allocation:read'],
    ...needed,
    ...more,
  };
  const answer = await make.root.post(KEYS).send(body);
  if (answer.status !== 201) throw new Error(`No key was made: ${answer.text}`);
  return answer.body as MadeKey;
}

export async function aProject(make: Builders, more: object = {}): Promise<Made> {
  const answer = await make.root.post(PROJECTS).send({ name: make.name('project'), ...more });
  if (answer.status !== 201) throw new Error(`No project was made: ${answer.text}`);
  return answer.body as Made;
}

export async function anArchivedProject(make: Builders): Promise<Made> {
  const { id } = await aProject(make);
  return (await make.root.post(`${PROJECTS}/${id}/archive`).expect(200)).body as Made;
}

export async function aSecurityEvent(make: Builders): Promise<{ id: string }> {
  const [event] = await make.t.sql<{ id: string }>(
    `INSERT INTO security_events (rule, severity, window_start, detail) VALUES ('checksum_flood', 'medium', clock_timestamp(), '{"credentials": 1000}') RETURNING id`,
  );
  if (!event) throw new Error('No event was made.');
  return event;
}

/** A successor that waits for the owner of a key. */
export async function aPendingKey(t: TestApp, keyId: string): Promise<string> {
  const [row] = await t.sql<{ id: string }>(
    `INSERT INTO api_keys (handle, kind, name, owner_id, permissions, expires_at, replaces)
     SELECT 'pending' || upper(substr(md5(random()::text), 1, 5)), kind, name, owner_id, permissions, now() + interval '90 days', id FROM api_keys WHERE id = $1
     RETURNING id`,
    [keyId],
  );
  return row?.id ?? '';
}

const event = (action: string, on: string, keeps: Trace['keeps']): Trace => ({ action, category: 'governance', on, keeps });
const stale = (works: RouteExample['works']): RouteExample['fails'] => ({
  status: 412,
  call: async (make) => ({ ...(await works(make)), headers: STALE, by: undefined }),
});
const archived = (path: (id: string) => string, body?: Record<string, unknown>): RouteExample['fails'] => ({
  status: 409,
  call: async (make) => ({ path: path((await anArchivedProject(make)).id), body }),
});

const patchKey: RouteExample['works'] = async (make) => ({
  path: `${KEYS}/${(await aKeyOfKind(make, 'tenant')).id}`,
  body: {
    name: make.name('key'),
    permissions: ['pool:read'],
    vrfIds: ['01890000-0000-7000-8000-000000000000'],
    networks: ['10.1.0.0/16'],
    addressRanges: ['127.0.0.0/8'],
    allowedOrigins: ['https://console.example.net'],
    expiresInDays: 10,
    rotationDays: 30,
  },
});
const revokeKey: RouteExample['works'] = async (make) => ({ path: `${KEYS}/${(await aKeyOfKind(make, 'public')).id}` });
const aTenantCaller = async (make: Builders): Promise<NonNullable<ExampleCall['by']>> => {
  const key = await aKeyOfKind(make, 'tenant');
  return { agent: withKey(make.t, key.secret), user: { id: key.id, username: key.name, password: '' }, kind: 'api_key' };
};
const myKeyBody = (make: Builders): Record<string, unknown> => ({
  name: make.name('key'),
  permissions: ['pool:read', 'allocation:read'],
  networks: ['10.0.0.0/8'],
  addressRanges: ['127.0.0.0/8', '::1/128'],
  allowedOrigins: ['https://console.example.net'],
  expiresInDays: 30,
  rotationDays: 20,
});

export const keyExamples: Record<string, RouteExample> = {
  'POST /api/v1/projects': {
    works: (make) => Promise.resolve({ path: PROJECTS, body: { name: make.name('project'), description: 'made' } }),
    leaves: [event('project.created', 'project', 'after')],
    fails: {
      status: 409,
      call: async (make) => {
        const name = make.name('project');
        await aProject(make, { name });
        return { path: PROJECTS, body: { name: name.toUpperCase() } };
      },
    },
  },
  'PATCH /api/v1/projects/:id': {
    works: async (make) => ({
      path: `${PROJECTS}/${(await aProject(make)).id}`,
      body: { name: make.name('project'), description: 'patched' },
    }),
    leaves: [event('project.updated', 'project', 'changes')],
    fails: archived((id) => `${PROJECTS}/${id}`, { description: 'too late' }),
  },
  'PUT /api/v1/projects/:id/members': {
    works: async (make) => ({
      path: `${PROJECTS}/${(await aProject(make)).id}/members`,
      body: { members: [{ userId: (await createUser(make.t)).id, role: 'member' }] },
    }),
    leaves: [event('project.members_changed', 'project', 'changes')],
    fails: archived((id) => `${PROJECTS}/${id}/members`, { members: [] }),
  },
  'PUT /api/v1/projects/:id/pools': {
    works: async (make) => ({ path: `${PROJECTS}/${(await aProject(make)).id}/pools`, body: { poolIds: [(await make.aPool()).id] } }),
    leaves: [event('project.pools_changed', 'project', 'changes')],
    fails: {
      status: 409,
      call: async (make) => {
        const pool = await make.aPool();
        await make.root
          .put(`${PROJECTS}/${(await aProject(make)).id}/pools`)
          .send({ poolIds: [pool.id] })
          .expect(200);
        return { path: `${PROJECTS}/${(await aProject(make)).id}/pools`, body: { poolIds: [pool.id] } };
      },
    },
  },
  'POST /api/v1/projects/:id/archive': {
    works: async (make) => {
      const { id } = await aProject(make);
      await aKeyOfKind(make, 'admin', { projectId: id });
      return { path: `${PROJECTS}/${id}/archive` };
    },
    leaves: [event('key.revoked', 'key', 'changes'), event('project.archived', 'project', 'changes')],
    fails: archived((id) => `${PROJECTS}/${id}/archive`),
  },
  'POST /api/v1/me/keys': {
    works: async (make) => ({ path: MY_KEYS, body: myKeyBody(make), by: await aPerson(make.t, 'viewer') }),
    leaves: [event('key.created', 'key', 'after')],
    fails: {
      status: 409,
      call: async (make) => ({ path: MY_KEYS, body: { ...myKeyBody(make), projectId: (await anArchivedProject(make)).id } }),
    },
  },
  'POST /api/v1/me/keys/:id/rotate': {
    works: async (make) => {
      const by = await aPerson(make.t, 'viewer');
      return { path: `${MY_KEYS}/${(await aKeyOf(by.agent)).id}/rotate`, body: { graceSeconds: 60 }, by };
    },
    leaves: [event('key.created', 'key', 'after'), event('key.rotated', 'key', 'changes')],
    fails: 'what is not live is 409: api-keys',
  },
  'POST /api/v1/me/keys/:id/collect': {
    works: async (make) => {
      const by = await aPerson(make.t, 'viewer');
      return { path: `${MY_KEYS}/${await aPendingKey(make.t, (await aKeyOf(by.agent)).id)}/collect`, by };
    },
    leaves: [event('key.collected', 'key', 'changes'), event('key.rotated', 'key', 'changes')],
    fails: 'what waits for somebody else is 404; what was collected is 409: api-keys',
  },
  'DELETE /api/v1/me/keys/:id': {
    works: async (make) => {
      const by = await aPerson(make.t, 'viewer');
      return { path: `${MY_KEYS}/${(await aKeyOf(by.agent)).id}`, by };
    },
    leaves: [event('key.revoked', 'key', 'changes')],
    fails: 'with another version it is 412: api-keys',
  },
  'POST /api/v1/keys': {
    works: async (make) => ({
      path: KEYS,
      body: { ...myKeyBody(make), kind: 'tenant', ownerId: (await createUser(make.t)).id, projectId: (await aProject(make)).id },
    }),
    leaves: [event('key.created', 'key', 'after')],
    fails: {
      status: 409,
      call: async (make) => ({
        path: KEYS,
        body: {
          ...{ kind: 'admin', name: make.name('key'), permissions: ['pool:read'], ownerId: (await createUser(make.t)).id },
          projectId: (await anArchivedProject(make)).id,
        },
      }),
    },
  },
  'PATCH /api/v1/keys/:id': { works: patchKey, leaves: [event('key.updated', 'key', 'changes')], fails: stale(patchKey) },
  'POST /api/v1/keys/:id/rotate': {
    works: async (make) => ({ path: `${KEYS}/${(await aKeyOfKind(make, 'tenant')).id}/rotate`, body: { graceSeconds: 0 } }),
    leaves: [event('key.created', 'key', 'after'), event('key.rotated', 'key', 'changes')],
    fails: {
      status: 409,
      call: async (make) => {
        const { id } = await aKeyOfKind(make, 'tenant');
        await make.root.post(`${KEYS}/${id}/rotate`).send({}).expect(201);
        return { path: `${KEYS}/${id}/rotate`, body: {} };
      },
    },
  },
  'DELETE /api/v1/keys/:id': { works: revokeKey, leaves: [event('key.revoked', 'key', 'changes')], fails: stale(revokeKey) },
  'POST /api/v1/tenant-tokens': {
    works: async (make) => ({
      path: '/api/v1/tenant-tokens',
      body: { ttlSeconds: 60, preset: 'limited', permissions: ['pool:read'], networks: ['10.1.0.0/16'] },
      by: await aTenantCaller(make),
    }),
    leaves: [{ action: 'tenant_token.issued', category: 'access', on: 'tenant_token', keeps: 'after' }],
    fails: 'what it refuses is 422',
  },
  'DELETE /api/v1/tenant-tokens/:id': {
    works: async (make) => {
      const by = await aTenantCaller(make);
      const { id } = (await by.agent.post('/api/v1/tenant-tokens').send({ ttlSeconds: 60 }).expect(201)).body as { id: string };
      return { path: `/api/v1/tenant-tokens/${id}`, by };
    },
    leaves: [{ action: 'tenant_token.revoked', category: 'access', on: 'tenant_token', keeps: 'nothing' }],
    fails: 'a token is revoked or is not there',
  },
  'PATCH /api/v1/security-events/:id': {
    works: async (make) => ({
      path: `/api/v1/security-events/${(await aSecurityEvent(make)).id}`,
      body: { state: 'acknowledged', note: 'seen' },
    }),
    leaves: [event('security_event.acknowledged', 'security_event', 'changes')],
    fails: {
      status: 409,
      call: async (make) => ({ path: `/api/v1/security-events/${(await aSecurityEvent(make)).id}`, body: { state: 'resolved' } }),
    },
  },
};
