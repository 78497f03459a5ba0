import { type Builders, type Made } from '../builders.js';
import { type RouteExample, type Trace } from '../route-example.js';
import { createUser, PASSWORD, signIn, withToken } from '../sign-in.js';
import { type TestApp } from '../test-app.js';

const USERS = '/api/v1/users';
const GROUPS = '/api/v1/groups';
const ROLES = '/api/v1/roles';
const INVITATIONS = '/api/v1/invitations';
const SOMEBODY_NEW = 'a marten in the hollow beech';

type Call = RouteExample['works'];

const trace = (action: string, on: string, keeps: Trace['keeps']): Trace => ({ action, category: 'governance', on, keeps });
/** The same call with a version that is not the present one. */
const stale = (works: Call): RouteExample['fails'] => ({
  status: 412,
  call: async (make) => ({ ...(await works(make)), headers: { 'if-match': '"99"' } }),
});

async function made<T extends object = Made>(make: Builders, path: string, body: object): Promise<T> {
  const answer = await make.root.post(path).send(body);
  if (answer.status !== 201) throw new Error(`POST ${path} was answered ${answer.status}: ${answer.text}`);
  return answer.body as T;
}

export function aGroup(make: Builders): Promise<Made & { gidNumber: number; name: string }> {
  return made(make, GROUPS, { name: make.name('group'), description: 'made' });
}

export function aRole(make: Builders): Promise<Made & { name: string }> {
  return made(make, ROLES, { name: make.name('role'), description: 'made', permissions: ['vrf:read', 'pool:read'] });
}

interface MadeInvitation {
  id: string;
  userId: string;
  email: string;
  token: string;
}

function anInvitation(make: Builders, more: object = {}): Promise<MadeInvitation> {
  return made<MadeInvitation>(make, INVITATIONS, { email: `${make.name('guest')}@example.net`, ...more });
}

/** Past the application, as an identity provider's mapping does; no provider of that id is needed. */
export async function assignedByProvider(t: TestApp, userId: string, role: string): Promise<string> {
  await t.sql(`BEGIN; SET LOCAL session_replication_role = replica;
    INSERT INTO user_roles (user_id, role_id, assigned_by, source, provider_id)
    SELECT '${userId}', id, 'directory', 'identity_provider', uuidv7() FROM roles WHERE name = '${role}';
    COMMIT`);
  const [row] = await t.sql<{ id: string }>(`SELECT id FROM user_roles WHERE user_id = $1 AND source = 'identity_provider'`, [userId]);
  return row?.id ?? '';
}

async function aPending(make: Builders): Promise<string> {
  const [row] = await make.t.sql<{ id: string }>('INSERT INTO users (username, active, pending) VALUES ($1, false, true) RETURNING id', [
    make.name('pending'),
  ]);
  return row?.id ?? '';
}

const approve: Call = async (make) => ({ path: `${USERS}/${await aPending(make)}/approve` });
const deleteUser: Call = async (make) => ({ path: `${USERS}/${(await make.aUser()).id}` });
const anonymise: Call = async (make) => ({ path: `${USERS}/${(await make.aUser()).id}/anonymise` });
const assign: Call = async (make) => ({
  path: `${USERS}/${(await make.aUser()).id}/roles`,
  body: {
    role: 'operator',
    networks: ['10.0.0.0/8', '2001:db8::/32'],
    vrfIds: ['01890000-0000-7000-8000-000000000001'],
    expiresAt: '2099-01-01T00:00:00Z',
  },
});
const patchRole: Call = async (make) => ({
  path: `${ROLES}/${(await aRole(make)).id}`,
  body: { name: make.name('role'), description: 'patched', permissions: ['vrf:read'] },
});
const deleteRole: Call = async (make) => ({ path: `${ROLES}/${(await aRole(make)).id}` });
const patchGroup: Call = async (make) => ({
  path: `${GROUPS}/${(await aGroup(make)).id}`,
  body: { name: make.name('group'), description: 'patched' },
});
const deleteGroup: Call = async (make) => ({ path: `${GROUPS}/${(await aGroup(make)).id}` });
const invite: Call = (make) =>
  Promise.resolve({ path: INVITATIONS, body: { email: `${make.name('guest')}@example.net`, roles: ['viewer'] } });

/** From here on people may register by themselves in this application. */
async function openRegistration({ root }: Builders): Promise<void> {
  await root.put('/api/v1/settings/users.registration').send({ value: 'approval' }).expect(200);
}

export const accountsExamples: Record<string, RouteExample> = {
  'DELETE /api/v1/users/:id': { works: deleteUser, leaves: [trace('user.deleted', 'user', 'before')], fails: stale(deleteUser) },
  'POST /api/v1/users/:id/approve': {
    works: approve,
    leaves: [trace('user.approved', 'user', 'changes')],
    fails: { status: 409, call: async (make) => ({ path: `${USERS}/${(await make.aUser()).id}/approve` }) },
  },
  'POST /api/v1/users/:id/anonymise': {
    works: anonymise,
    leaves: [trace('user.anonymised', 'user', 'nothing')],
    fails: stale(anonymise),
  },
  'POST /api/v1/users/:id/roles': {
    works: assign,
    leaves: [trace('user.role_assigned', 'user', 'after')],
    fails: {
      status: 409,
      call: async (make) => ({ path: `${USERS}/${(await make.aUser({ roles: ['operator'] })).id}/roles`, body: { role: 'operator' } }),
    },
  },
  'DELETE /api/v1/users/:id/roles/:assignmentId': {
    works: async (make) => {
      const { id } = await make.aUser();
      const assignment = await made<{ id: string }>(make, `${USERS}/${id}/roles`, { role: 'operator' });
      return { path: `${USERS}/${id}/roles/${assignment.id}` };
    },
    leaves: [trace('user.role_removed', 'user', 'before')],
    fails: {
      status: 409,
      call: async (make) => {
        const { id } = await make.aUser();
        return { path: `${USERS}/${id}/roles/${await assignedByProvider(make.t, id, 'operator')}` };
      },
    },
  },
  'POST /api/v1/users/bulk': {
    works: async (make) => {
      const user = await createUser(make.t, { roles: ['superuser'] });
      const ids = [(await make.aUser()).id, (await make.aUser()).id];
      const agent = withToken(make.t, (await signIn(make.t, user)).accessToken);
      return { path: `${USERS}/bulk`, body: { operation: 'deactivate', ids, dryRun: false }, by: { agent, user } };
    },
    leaves: [
      { ...trace('user.batch_started', 'user_batch', 'nothing'), outcome: 'unknown' },
      trace('user.deactivated', 'user', 'changes'),
      trace('user.deactivated', 'user', 'changes'),
      trace('user.batch_completed', 'user_batch', 'nothing'),
    ],
    fails: {
      status: 409,
      call: async (make) => ({ path: `${USERS}/bulk`, body: { operation: 'delete', ids: [(await make.aUser()).id] } }),
    },
  },
  'POST /api/v1/invitations': {
    works: invite,
    leaves: [trace('invitation.created', 'invitation', 'after')],
    fails: {
      status: 409,
      call: async (make) => ({ path: INVITATIONS, body: { email: (await anInvitation(make)).email } }),
    },
  },
  'DELETE /api/v1/invitations/:id': {
    works: async (make) => ({ path: `${INVITATIONS}/${(await anInvitation(make)).id}` }),
    leaves: [trace('invitation.revoked', 'invitation', 'before')],
    fails: 'one that is accepted or revoked is gone: 404',
  },
  'POST /api/v1/auth/invitations/accept': {
    public: true,
    works: async (make) => {
      const { token, userId: id } = await anInvitation(make);
      const username = make.name('guest');
      return {
        path: '/api/v1/auth/invitations/accept',
        body: { token, username, password: SOMEBODY_NEW, displayName: 'Guest' },
        by: { agent: make.t.anonymous, user: { id, username, password: SOMEBODY_NEW } },
      };
    },
    leaves: [trace('invitation.accepted', 'invitation', 'before'), trace('user.created', 'user', 'after')],
    fails: 'what it refuses nobody signed in for: invitations',
  },
  'POST /api/v1/auth/register': {
    public: true,
    works: async (make) => {
      await openRegistration(make);
      const username = make.name('applicant');
      return {
        path: '/api/v1/auth/register',
        body: { username, email: `${username}@example.net`, password: PASSWORD, displayName: 'Applicant' },
        by: { agent: make.t.anonymous, user: { id: expect.any(String) as string, username, password: PASSWORD } },
      };
    },
    leaves: [trace('user.created', 'user', 'after')],
    fails: 'what it refuses nobody signed in for: invitations',
  },
  'POST /api/v1/roles': {
    works: (make) => Promise.resolve({ path: ROLES, body: { name: make.name('role'), description: 'made', permissions: ['vrf:read'] } }),
    leaves: [trace('role.created', 'role', 'after')],
    fails: { status: 409, call: async (make) => ({ path: ROLES, body: { name: (await aRole(make)).name, permissions: [] } }) },
  },
  'PATCH /api/v1/roles/:id': { works: patchRole, leaves: [trace('role.updated', 'role', 'changes')], fails: stale(patchRole) },
  'DELETE /api/v1/roles/:id': { works: deleteRole, leaves: [trace('role.deleted', 'role', 'before')], fails: stale(deleteRole) },
  'POST /api/v1/groups': {
    works: (make) => Promise.resolve({ path: GROUPS, body: { name: make.name('group'), description: 'made' } }),
    leaves: [trace('group.created', 'group', 'after')],
    fails: { status: 409, call: async (make) => ({ path: GROUPS, body: { name: (await aGroup(make)).name } }) },
  },
  'PATCH /api/v1/groups/:id': { works: patchGroup, leaves: [trace('group.updated', 'group', 'changes')], fails: stale(patchGroup) },
  'DELETE /api/v1/groups/:id': { works: deleteGroup, leaves: [trace('group.deleted', 'group', 'before')], fails: stale(deleteGroup) },
  'PUT /api/v1/groups/:id/members/:userId': {
    works: async (make) => ({ path: `${GROUPS}/${(await aGroup(make)).id}/members/${(await make.aUser()).id}` }),
    leaves: [trace('group.member_added', 'group', 'nothing')],
    fails: 'who is a member already stays one: groups',
  },
  'DELETE /api/v1/groups/:id/members/:userId': {
    works: async (make) => {
      const path = `${GROUPS}/${(await aGroup(make)).id}/members/${(await make.aUser()).id}`;
      await make.root.put(path).expect(204);
      return { path };
    },
    leaves: [trace('group.member_removed', 'group', 'nothing')],
    fails: 'who is no member is 404: groups',
  },
};
