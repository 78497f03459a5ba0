import { type Builders } from '../builders.js';
import { type ExampleCall, type RouteExample } from '../route-example.js';

const RUNS = '/api/v1/audit/archive/runs';

async function request({ root }: Builders): Promise<ExampleCall> {
  const { body } = (await root.get('/api/v1/audit/archive/plan').expect(200)) as { body: { hash: string } };
  return { path: RUNS, body: { planHash: body.hash } };
}

export async function anArchiveRun(make: Builders): Promise<{ id: string }> {
  const answer = await make.root.post(RUNS).send((await request(make)).body);
  if (answer.status !== 201) throw new Error(`POST ${RUNS} was answered ${answer.status}: ${answer.text}`);
  return answer.body as { id: string };
}

export const archiveExamples: Record<string, RouteExample> = {
  [`POST ${RUNS}`]: {
    works: request,
    leaves: [{ action: 'audit.archive_requested', category: 'governance', on: 'audit_archive_run', keeps: 'nothing' }],
    fails: { status: 409, call: () => Promise.resolve({ path: RUNS, body: { planHash: '0'.repeat(64) } }) },
  },
};
