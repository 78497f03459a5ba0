import { type Agent, type Response } from 'supertest';
import { type AuditCategory } from '../../src/audit/trail/audit-event.js';
import { type Builders } from './builders.js';
import { auditSealingExamples } from './examples/audit-sealing.js';
import { workSessionExamples } from './examples/work-sessions.js';
import { settingsExamples } from './examples/settings.js';
import { archiveExamples } from './examples/archive.js';
import { askingExamples } from './examples/asking.js';
import { rehydrationExamples } from './examples/rehydration.js';
import { retentionExamples, retentionPreview } from './examples/retention.js';
import { accountsExamples } from './examples/accounts.js';
import { signInExamples } from './examples/sign-in.js';
import { keyExamples } from './examples/keys.js';
import { identityProviderExamples, ldifPreview } from './examples/identity-providers.js';
import { type ExampleCall, type RouteExample, type Trace } from './route-example.js';
import { createUser, PASSWORD, signIn, type TestUser, withToken } from './sign-in.js';
import { type TestApp } from './test-app.js';

export { type ExampleCall, type RouteExample, type Trace } from './route-example.js';

/** Mutating by their method only, with the reason. */
export const CHANGES_NOTHING: Record<string, { why: string; call: ExampleCall }> = {
  'POST /api/v1/identity-providers/ldif': ldifPreview,
  'POST /api/v1/audit/retention/preview': retentionPreview,
  'POST /api/v1/ipam/calculator/merge': {
    why: 'computes; POST because the list of networks may be long',
    call: { path: '/api/v1/ipam/calculator/merge', body: { networks: ['10.20.0.0/24', '10.20.1.0/24'] } },
  },
};

const IPAM = '/api/v1/ipam';
const USERS = '/api/v1/users';
/** Like no version there ever is in a test. */
const STALE = { 'if-match': '"99"' };
const NEW_PASSWORD = 'heron under the loud viaduct';

const created = (on: string, category: AuditCategory = 'ipam'): Trace => ({ action: `${on}.created`, category, on, keeps: 'after' });
const updated = (on: string, category: AuditCategory = 'ipam'): Trace => ({ action: `${on}.updated`, category, on, keeps: 'changes' });
const released: Trace = { action: 'allocation.released', category: 'ipam', on: 'allocation', keeps: 'before' };
const access = (action: string, on = 'session'): Trace => ({ action, category: 'access', on, keeps: 'nothing' });

/** The same call with a version that is not the present one. */
const stale = (works: RouteExample['works']): RouteExample['fails'] => ({
  status: 412,
  call: async (make) => ({ ...(await works(make)), headers: STALE }),
});

async function aPerson(t: TestApp, ...roles: string[]): Promise<{ agent: Agent; user: TestUser }> {
  const user = await createUser(t, { roles });
  return { agent: withToken(t, (await signIn(t, user)).accessToken), user };
}

const patchUser: RouteExample['works'] = async (make) => ({ path: `${USERS}/${(await make.aUser()).id}`, body: { displayName: 'Ada' } });
const setRoles: RouteExample['works'] = async (make) => ({
  path: `${USERS}/${(await make.aUser()).id}/roles`,
  body: { roles: ['operator'] },
});
const patchVrf: RouteExample['works'] = async (make) => ({
  path: `${IPAM}/vrfs/${(await make.aVrf()).id}`,
  body: { name: make.name('vrf'), rd: '65000:1', description: 'renamed' },
});
const deleteVrf: RouteExample['works'] = async (make) => ({ path: `${IPAM}/vrfs/${(await make.aVrf()).id}` });
const replacePool: RouteExample['works'] = async (make) => {
  const { id, network, version } = await make.aPool();
  return {
    path: `${IPAM}/pools/${id}`,
    body: { network, name: make.name('pool'), kind: 'subnet', vlan: 7, tags: ['a'] },
    headers: { 'if-match': `"${version}"` },
  };
};
const patchPool: RouteExample['works'] = async (make) => ({
  path: `${IPAM}/pools/${(await make.aPool()).id}`,
  body: { name: make.name('pool'), vlan: 8, site: 'Bern', environment: 'lab', tags: ['b'], description: 'patched', cooldownSeconds: 5 },
});
const deletePool: RouteExample['works'] = async (make) => ({ path: `${IPAM}/pools/${(await make.aPool()).id}` });
const patchAddress: RouteExample['works'] = async (make) => ({
  path: `${IPAM}/allocations/${(await make.anAddress()).id}`,
  body: { hostname: 'web01.example.net', mac: 'aa:bb:cc:dd:ee:ff', owner: 'Web', purpose: 'shop', description: 'patched' },
});
const release: RouteExample['works'] = async (make) => ({ path: `${IPAM}/allocations/${(await make.anAddress()).id}` });
const aPoolBody = (make: Builders, network: string): Record<string, unknown> => ({
  network,
  name: make.name('pool'),
  kind: 'subnet',
  gateway: network.replace('.0/24', '.1'),
  vlan: 12,
  site: 'Bern',
  environment: 'lab',
  tags: ['a'],
  description: 'made',
  active: true,
  cooldownSeconds: 60,
});
const aUserBody = (make: Builders): Record<string, unknown> => ({
  username: make.name('user'),
  email: `${make.name('mail')}@example.net`,
  displayName: 'Grace',
  password: 'a first word to be changed',
  roles: ['viewer'],
});

/** One call that works for every route that changes something, by its method and path. */
export const routeExamples: Record<string, RouteExample> = {
  ...auditSealingExamples,
  ...workSessionExamples,
  ...settingsExamples,
  ...accountsExamples,
  ...signInExamples,
  ...keyExamples,
  ...identityProviderExamples,
  ...askingExamples,
  ...retentionExamples,
  ...archiveExamples,
  ...rehydrationExamples,
  'POST /api/v1/auth/login': {
    public: true,
    works: async ({ t }) => {
      const user = await createUser(t);
      return { path: '/api/v1/auth/login', body: { username: user.username, password: PASSWORD }, by: { agent: t.anonymous, user } };
    },
    leaves: [access('login.succeeded')],
    fails: 'what it refuses is 401 and login.failed: identity',
  },
  'POST /api/v1/auth/refresh': {
    public: true,
    works: async ({ t }) => {
      const user = await createUser(t);
      const { refreshToken } = await signIn(t, user);
      return { path: '/api/v1/auth/refresh', body: { refreshToken }, by: { agent: t.anonymous, user } };
    },
    leaves: [access('session.refreshed')],
    fails: 'what it refuses is 401, and session.refresh_reused when a token was stolen: identity',
  },
  'POST /api/v1/auth/logout': {
    works: async ({ t }) => ({ path: '/api/v1/auth/logout', by: await aPerson(t, 'viewer') }),
    leaves: [access('session.ended')],
    fails: 'a session that is over is 401',
  },
  'POST /api/v1/me/password': {
    works: async ({ t }) => ({
      path: '/api/v1/me/password',
      body: { currentPassword: PASSWORD, newPassword: NEW_PASSWORD },
      by: await aPerson(t, 'viewer'),
    }),
    leaves: [{ action: 'user.password_changed', category: 'governance', on: 'user', keeps: 'nothing' }],
    fails: 'a wrong password is 422 and user.password_change_refused: identity',
  },
  'POST /api/v1/users': {
    works: (make) => Promise.resolve({ path: USERS, body: aUserBody(make) }),
    leaves: [created('user', 'governance')],
    fails: {
      status: 409,
      call: async (make) => {
        const username = make.name('user');
        await make.aUser({ username });
        return { path: USERS, body: { ...aUserBody(make), username } };
      },
    },
  },
  'PATCH /api/v1/users/:id': { works: patchUser, leaves: [updated('user', 'governance')], fails: stale(patchUser) },
  'PUT /api/v1/users/:id/roles': {
    works: setRoles,
    leaves: [{ action: 'user.roles_changed', category: 'governance', on: 'user', keeps: 'changes' }],
    fails: stale(setRoles),
  },
  'POST /api/v1/jobs/:id/retry': {
    works: async (make) => ({ path: `/api/v1/jobs/${(await make.aJob('dead')).id}/retry` }),
    leaves: [{ action: 'job.retried', category: 'governance', on: 'job', keeps: 'changes' }],
    fails: { status: 409, call: async (make) => ({ path: `/api/v1/jobs/${(await make.aJob('done')).id}/retry` }) },
  },
  'POST /api/v1/ipam/vrfs': {
    works: (make) =>
      Promise.resolve({ path: `${IPAM}/vrfs`, body: { name: make.name('vrf'), rd: make.name('65000:'), description: 'made' } }),
    leaves: [created('vrf')],
    fails: {
      status: 409,
      call: async (make) => {
        const name = make.name('vrf');
        await make.root.post(`${IPAM}/vrfs`).send({ name }).expect(201);
        return { path: `${IPAM}/vrfs`, body: { name } };
      },
    },
  },
  'PATCH /api/v1/ipam/vrfs/:id': { works: patchVrf, leaves: [updated('vrf')], fails: stale(patchVrf) },
  'DELETE /api/v1/ipam/vrfs/:id': {
    works: deleteVrf,
    leaves: [{ action: 'vrf.deleted', category: 'ipam', on: 'vrf', keeps: 'before' }],
    fails: stale(deleteVrf),
  },
  'POST /api/v1/ipam/pools': {
    works: (make) => Promise.resolve({ path: `${IPAM}/pools`, body: aPoolBody(make, make.network()) }),
    leaves: [created('pool')],
    fails: { status: 409, call: async (make) => ({ path: `${IPAM}/pools`, body: aPoolBody(make, (await make.aPool()).network) }) },
  },
  'PUT /api/v1/ipam/pools/:id': { works: replacePool, leaves: [updated('pool')], fails: stale(replacePool) },
  'PATCH /api/v1/ipam/pools/:id': { works: patchPool, leaves: [updated('pool')], fails: stale(patchPool) },
  'DELETE /api/v1/ipam/pools/:id': {
    works: deletePool,
    leaves: [{ action: 'pool.deleted', category: 'ipam', on: 'pool', keeps: 'before' }],
    fails: stale(deletePool),
  },
  'POST /api/v1/ipam/pools/:id/next-pools': {
    works: async (make) => ({
      path: `${IPAM}/pools/${(await make.aPool()).id}/next-pools`,
      body: { length: 26, count: 2, kind: 'subnet', name: make.name('part'), vlan: 9, tags: ['c'] },
    }),
    leaves: [created('pool'), created('pool')],
    fails: {
      status: 409,
      call: async (make) => ({ path: `${IPAM}/pools/${(await make.aPool()).id}/next-pools`, body: { length: 26, count: 5 } }),
    },
  },
  'POST /api/v1/ipam/pools/:id/allocations': {
    works: async (make) => ({
      path: `${IPAM}/pools/${(await make.aPool()).id}/allocations`,
      body: { count: 3, strategy: 'lowest', status: 'reserved', owner: 'Web', purpose: 'shop', description: 'made' },
    }),
    leaves: [created('allocation'), created('allocation'), created('allocation')],
    fails: {
      status: 409,
      call: async (make) => {
        const { address, pool } = await make.anAddress();
        return { path: `${IPAM}/pools/${pool.id}/allocations`, body: { address, hostname: 'web01.example.net', mac: 'aa:bb:cc:dd:ee:ff' } };
      },
    },
  },
  'POST /api/v1/ipam/pools/:id/range-actions': {
    works: async (make) => {
      const { id, prefix } = await make.aPool();
      return {
        path: `${IPAM}/pools/${id}/range-actions`,
        body: { action: 'reserve', first: `${prefix}.10`, last: `${prefix}.12`, owner: 'Web' },
      };
    },
    leaves: [
      ...Array<Trace>(3).fill(created('allocation')),
      { action: 'allocation.range_completed', category: 'ipam', on: 'pool', keeps: 'nothing' },
    ],
    fails: {
      status: 409,
      call: async (make) => {
        const { id, prefix } = await make.aPool({ kind: 'container' });
        return { path: `${IPAM}/pools/${id}/range-actions`, body: { action: 'block', first: `${prefix}.10`, last: `${prefix}.12` } };
      },
    },
  },
  'POST /api/v1/ipam/allocations/bulk': {
    works: async (make) => {
      const { id, pool } = await make.anAddress();
      const allocate = { op: 'allocate', poolId: pool.id };
      return {
        path: `${IPAM}/allocations/bulk`,
        body: { items: [allocate, { ...allocate, address: `${pool.prefix}.9` }, { op: 'release', id }], dryRun: false },
      };
    },
    leaves: [
      ...[created('allocation'), created('allocation'), released],
      { action: 'allocation.batch_completed', category: 'ipam', on: 'allocation_batch', keeps: 'nothing' },
    ],
    fails: 'an item that conflicts is refused in the answer, not by its status',
  },
  'PATCH /api/v1/ipam/allocations/:id': { works: patchAddress, leaves: [updated('allocation')], fails: stale(patchAddress) },
  'DELETE /api/v1/ipam/allocations/:id': {
    works: release,
    leaves: [released],
    fails: stale(release),
  },
  'POST /api/v1/ipam/imports': {
    works: (make) => Promise.resolve({ path: `${IPAM}/imports`, files: { vrfs: `name\n${make.name('vrf')}\n${make.name('vrf')}\n` } }),
    leaves: [
      { action: 'import.started', category: 'ipam', on: 'import', keeps: 'nothing', outcome: 'unknown' },
      created('vrf'),
      created('vrf'),
      { action: 'import.completed', category: 'ipam', on: 'import', keeps: 'nothing' },
    ],
    fails: 'a row that conflicts is reported in the answer, not by its status',
  },
};

/** Makes the call as the example says, or as somebody else. */
export async function send(method: string, call: ExampleCall, agent: Agent, headers: Record<string, string> = {}): Promise<Response> {
  const verb = method.toLowerCase() as 'get' | 'post' | 'put' | 'patch' | 'delete';
  const request = agent[verb](call.path).set({ ...call.headers, ...headers });
  for (const [name, text] of Object.entries(call.files ?? {})) request.attach(name, Buffer.from(text), `${name}.csv`);
  if (call.form) return request.type('form').send(call.form);
  return call.body === undefined ? request : request.send(call.body);
}
