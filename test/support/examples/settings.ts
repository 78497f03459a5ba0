import { type Builders } from '../builders.js';
import { type ExampleCall, type RouteExample, type Trace } from '../route-example.js';

/** A setting that no test pins and whose value disturbs nothing. */
const PATH = '/api/v1/settings/outbound.timeoutMs';
const LEAST = 1000;
const STALE = { 'if-match': '"999999999"' };

/** Every call a value that no call before gave. */
const nextValue = (make: Builders): number => LEAST + Number(make.name('value').replace('value-', ''));
const traced = (action: string): Trace => ({ action, category: 'governance', on: 'setting', keeps: 'changes' });

async function store(make: Builders): Promise<number> {
  const answer = await make.root.put(PATH).send({ value: nextValue(make) });
  if (answer.status !== 200) throw new Error(`PUT ${PATH} was answered ${answer.status}: ${answer.text}`);
  return (answer.body as { version: number }).version;
}

const put = (make: Builders): Promise<ExampleCall> => Promise.resolve({ path: PATH, body: { value: nextValue(make) } });
const reset = async (make: Builders): Promise<ExampleCall> => {
  await store(make);
  return { path: PATH };
};
const revert = async (make: Builders): Promise<ExampleCall> => {
  const version = await store(make);
  await store(make);
  return { path: `${PATH}/revert`, body: { version } };
};
const stale = (works: RouteExample['works']): RouteExample['fails'] => ({
  status: 412,
  call: async (make) => ({ ...(await works(make)), headers: STALE }),
});

export const settingsExamples: Record<string, RouteExample> = {
  'PUT /api/v1/settings/:key': { works: put, leaves: [traced('setting.changed')], fails: stale(put) },
  'DELETE /api/v1/settings/:key': { works: reset, leaves: [traced('setting.reset')], fails: stale(reset) },
  'POST /api/v1/settings/:key/revert': { works: revert, leaves: [traced('setting.reverted')], fails: stale(revert) },
};
