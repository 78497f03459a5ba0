import { type Builders } from '../builders.js';
import { type ExampleCall, type RouteExample, type Trace } from '../route-example.js';

const PATH = '/api/v1/work-sessions';

const mine = ({ root, rootUser }: Builders): NonNullable<ExampleCall['by']> => ({ agent: root, user: rootUser });
const trace = (action: string, keeps: Trace['keeps']): Trace => ({ action, category: 'access', on: 'work_session', keeps });

async function aSession(make: Builders, ended = false): Promise<string> {
  const { body } = (await make.root
    .post(PATH)
    .send({ title: make.name('work') })
    .expect(201)) as { body: { id: string } };
  if (ended) await make.root.post(`${PATH}/${body.id}/end`).expect(200);
  return body.id;
}

const onEnded = (suffix: string, body: Record<string, unknown>): RouteExample['fails'] => ({
  status: 409,
  call: async (make) => ({ path: `${PATH}/${await aSession(make, true)}${suffix}`, body, by: mine(make) }),
});

const message = { role: 'user', content: 'Which /24 is free near Bern?' };
const execution = {
  kind: 'agent_execution',
  agent: 'address-planner',
  summary: 'looked for a /24',
  outcome: 'success',
  durationMs: 12,
  detail: { looked: 3 },
};

export const workSessionExamples: Record<string, RouteExample> = {
  'POST /api/v1/work-sessions': {
    works: (make) => Promise.resolve({ path: PATH, body: { threadId: make.name('thread'), title: 'Plan', context: { step: 1 } } }),
    leaves: [trace('work_session.created', 'after')],
    fails: {
      status: 409,
      call: async (make) => {
        const threadId = make.name('thread');
        await make.root.post(PATH).send({ threadId, title: 'Plan' }).expect(201);
        return { path: PATH, body: { threadId, title: 'Plan' }, by: mine(make) };
      },
    },
  },
  'PATCH /api/v1/work-sessions/:id': {
    works: async (make) => ({
      path: `${PATH}/${await aSession(make)}`,
      body: { title: 'Renamed', context: { step: 2 }, version: 1 },
      by: mine(make),
    }),
    leaves: [trace('work_session.updated', 'changes')],
    fails: onEnded('', { title: 'Renamed' }),
  },
  'POST /api/v1/work-sessions/:id/end': {
    works: async (make) => ({ path: `${PATH}/${await aSession(make)}/end`, by: mine(make) }),
    leaves: [trace('work_session.ended', 'changes')],
    fails: { status: 409, call: async (make) => ({ path: `${PATH}/${await aSession(make, true)}/end`, by: mine(make) }) },
  },
  'POST /api/v1/work-sessions/:id/resume': {
    works: async (make) => ({ path: `${PATH}/${await aSession(make, true)}/resume`, by: mine(make) }),
    leaves: [trace('work_session.resumed', 'changes')],
    fails: 'one that has not ended stays as it is',
  },
  'POST /api/v1/work-sessions/:id/messages': {
    works: async (make) => ({ path: `${PATH}/${await aSession(make)}/messages`, body: message, by: mine(make) }),
    leaves: [trace('work_session.message_added', 'nothing')],
    fails: onEnded('/messages', message),
  },
  'POST /api/v1/work-sessions/:id/executions': {
    works: async (make) => ({ path: `${PATH}/${await aSession(make)}/executions`, body: execution, by: mine(make) }),
    leaves: [trace('agent.executed', 'nothing')],
    fails: onEnded('/executions', execution),
  },
};
