import { type Builders } from '../builders.js';
import { type ExampleCall, type RouteExample } from '../route-example.js';
import { createUser, signIn, withToken } from '../sign-in.js';

const POLICIES = '/api/v1/audit/retention/policies';
const PREVIEW = '/api/v1/audit/retention/preview';
const HOLDS = '/api/v1/audit/holds';
const STALE = { 'if-match': '"99"' };

const policyBody = (make: Builders): Record<string, unknown> => ({
  name: make.name('policy'),
  logs: ['ipam', 'access'],
  resourceTypes: ['pool'],
  severities: ['high'],
  regime: 'sox',
  reason: 'seven years',
  archiveAfterDays: 1000,
  deleteAfterDays: 3000,
  enabled: true,
});
const holdBody = (make: Builders): Record<string, unknown> => ({
  name: make.name('case'),
  reason: 'a lawsuit',
  everything: false,
  logs: ['ipam'],
  resourceType: 'pool',
  resourceId: make.name('pool'),
  actor: 'somebody',
  from: '2026-01-01T00:00:00Z',
  to: '2026-02-01T00:00:00Z',
});

async function made(make: Builders, path: string, body: object, agent = make.root): Promise<{ id: string }> {
  const answer = await agent.post(path).send(body);
  if (answer.status !== 201) throw new Error(`POST ${path} was answered ${answer.status}: ${answer.text}`);
  return answer.body as { id: string };
}

export const aPolicy = (make: Builders): Promise<{ id: string }> => made(make, POLICIES, policyBody(make));

/** Placed by somebody else than who calls the examples. */
export async function aHold(make: Builders): Promise<{ id: string }> {
  const placer = await createUser(make.t, { roles: ['admin'] });
  return made(make, HOLDS, holdBody(make), withToken(make.t, (await signIn(make.t, placer)).accessToken));
}

const patchPolicy = async (make: Builders): Promise<ExampleCall> => ({
  path: `${POLICIES}/${(await aPolicy(make)).id}`,
  body: { ...policyBody(make), deleteAfterDays: 3001 },
});
const deletePolicy = async (make: Builders): Promise<ExampleCall> => ({ path: `${POLICIES}/${(await aPolicy(make)).id}` });
const release = async (make: Builders): Promise<ExampleCall> => ({
  path: `${HOLDS}/${(await aHold(make)).id}/release`,
  body: { reason: 'settled' },
});

export const retentionPreview: { why: string; call: ExampleCall } = {
  why: 'computes what would become of each month',
  call: { path: PREVIEW, body: { policy: { name: 'unsaved', logs: ['ipam'], archiveAfterDays: 30, deleteAfterDays: 60 } } },
};

export const retentionExamples: Record<string, RouteExample> = {
  [`POST ${POLICIES}`]: {
    works: (make) => Promise.resolve({ path: POLICIES, body: policyBody(make) }),
    leaves: [{ action: 'retention_policy.created', category: 'governance', on: 'retention_policy', keeps: 'after' }],
    fails: {
      status: 409,
      call: async (make) => {
        const body = policyBody(make);
        await made(make, POLICIES, body);
        return { path: POLICIES, body };
      },
    },
  },
  [`PATCH ${POLICIES}/:id`]: {
    works: patchPolicy,
    leaves: [{ action: 'retention_policy.updated', category: 'governance', on: 'retention_policy', keeps: 'changes' }],
    fails: { status: 412, call: async (make) => ({ ...(await patchPolicy(make)), headers: STALE }) },
  },
  [`DELETE ${POLICIES}/:id`]: {
    works: deletePolicy,
    leaves: [{ action: 'retention_policy.deleted', category: 'governance', on: 'retention_policy', keeps: 'before' }],
    fails: { status: 412, call: async (make) => ({ ...(await deletePolicy(make)), headers: STALE }) },
  },
  [`POST ${HOLDS}`]: {
    works: (make) => Promise.resolve({ path: HOLDS, body: holdBody(make) }),
    leaves: [{ action: 'hold.placed', category: 'governance', on: 'legal_hold', keeps: 'after' }],
    fails: {
      status: 409,
      call: async (make) => {
        const body = holdBody(make);
        await made(make, HOLDS, body);
        return { path: HOLDS, body };
      },
    },
  },
  [`POST ${HOLDS}/:id/release`]: {
    works: release,
    leaves: [{ action: 'hold.released', category: 'governance', on: 'legal_hold', keeps: 'changes' }],
    fails: {
      status: 409,
      call: async (make) => ({
        path: `${HOLDS}/${(await made(make, HOLDS, holdBody(make))).id}/release`,
        body: { reason: 'mine' },
        by: { agent: make.root, user: make.rootUser },
      }),
    },
  },
};
