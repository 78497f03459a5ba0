import { jest } from '@jest/globals';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { currentContext } from '../src/platform/context/request-context.js';
import { allFiled } from './support/audit-events.js';
import { Builders } from './support/builders.js';
import { createUser, signIn } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const WRITES = 1000;
const CLIENTS = 4;

describe('what an event costs', () => {
  let t: TestApp;
  let path: string;
  let token: string;

  beforeAll(async () => {
    t = await startTestApp();
    const pool = await (await Builders.of(t)).aPool({ network: '10.200.0.0/16' });
    path = `${t.url}/api/v1/ipam/pools/${pool.id}/allocations`;
    token = (await signIn(t, await createUser(t, { roles: ['admin'] }))).accessToken;
  });

  afterAll(() => t.close());

  /** Changes over HTTP by a few clients, one recorded and one not in turn; returns the median of how long each kind took, in milliseconds. */
  async function write(): Promise<{ counted: number; uncounted: number }> {
    const times = { counted: [] as number[], uncounted: [] as number[] };
    let next = 0;
    const client = async (): Promise<void> => {
      for (let n = next++; n < 2 * WRITES; n = next++) {
        const kind = n % 2 === 0 ? 'counted' : 'uncounted';
        const began = performance.now();
        const answer = await fetch(path, {
          method: 'POST',
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'x-request-id': `${kind}-${n}` },
          body: '{}',
        });
        await answer.arrayBuffer();
        times[kind].push(performance.now() - began);
        expect(answer.status).toBe(201);
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    const middle = (values: number[]): number => values.toSorted((x, y) => x - y)[WRITES / 2] ?? 0;
    return { counted: middle(times.counted), uncounted: middle(times.uncounted) };
  }

  it('A18, A2: 1,000 changes over HTTP leave 1,000 events, of a size that is known', async () => {
    const trail = t.app.get(AuditTrail);
    const record = trail.record.bind(trail);
    jest
      .spyOn(trail, 'record')
      .mockImplementation((event) => (currentContext()?.requestId.startsWith('uncounted-') === true ? Promise.resolve() : record(event)));
    const { counted, uncounted } = await write();
    await allFiled(t);
    const [sizes] = await t.sql<{ events: number; requests: number; least: number; mean: number; most: number; row: number }>(
      `SELECT count(*)::int AS events, count(DISTINCT correlation_id)::int AS requests, min(octet_length(payload)) AS least, avg(octet_length(payload))::int AS mean,
              max(octet_length(payload)) AS most, avg(pg_column_size(l.*))::int AS row
         FROM audit_log l WHERE action = 'allocation.created' AND correlation_id LIKE 'counted-%'`,
    );
    expect(sizes).toMatchObject({ events: WRITES, requests: WRITES });
    expect(sizes!.least).toBeGreaterThan(500);
    expect(sizes!.most).toBeLessThan(2048);
    expect(await t.sql(`SELECT FROM audit_events WHERE correlation_id LIKE 'uncounted-%'`)).toEqual([]);
    process.stdout.write(
      `A18: p50 of ${WRITES} writes by ${CLIENTS} clients: ${counted.toFixed(2)} ms audited, ${uncounted.toFixed(2)} ms not, added ${(counted - uncounted).toFixed(2)} ms; ` +
        `payload ${sizes!.mean} bytes, row ${sizes!.row} bytes\n`,
    );
  });
});
