import { Pool } from 'pg';
import { createApp } from '../src/app.setup.js';
import { Sealer } from '../src/audit/sealing/sealer.js';
import { loadConfig } from '../src/config/app-config.js';
import { httpLoad } from './load.js';
import { makeAdministrator, signIn } from './people.js';
import { openStage, seedPool, type Stage } from './stage.js';
import { macOf, rawAllocation } from './writes.js';

const ROUNDS = 7;
const WRITES = 300;
const SIZED_MS = 8000;

/** (h) What one write pays for its event: in time, to a single client on an idle server, and in bytes. */
export async function benchAuditCost(stage: Stage, bearer: string, app: string, unaudited: string): Promise<void> {
  const pool = await seedPool(stage, '18.0.0.0/8', 0n);
  const write = (url: string) => async (): Promise<void> => {
    const answer = await fetch(`${url}/api/v1/ipam/pools/${pool}/allocations`, {
      method: 'POST',
      headers: { authorization: bearer, 'content-type': 'application/json' },
      body: '{}',
    });
    await answer.arrayBuffer();
    if (answer.status !== 201) throw new Error(`a write was answered ${answer.status}`);
  };
  await added('over HTTP', write(app), write(unaudited));
  const pg = new Pool({ connectionString: stage.url, max: 1 });
  const client = await pg.connect();
  const mac = macOf(stage);
  await added(
    'raw SQL',
    () => rawAllocation(client, pool, mac),
    () => rawAllocation(client, pool, undefined),
  );
  client.release();
  await pg.end();
  await benchRange(stage, bearer, app, unaudited);
  // A server of its own, where nothing else was written.
  const sized = await openStage();
  try {
    await benchSize(sized);
  } finally {
    await sized.close();
  }
}

/** Both take turns write by write in each round, so that a neighbour’s noise hits both. */
async function added(how: string, audited: () => Promise<void>, unaudited: () => Promise<void>): Promise<void> {
  const p50s: [number, number][] = [];
  for (let round = -1; round < ROUNDS; round++) {
    const times: [number[], number[]] = [[], []];
    for (let n = 0; n < WRITES; n++)
      for (const i of n % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        const began = performance.now();
        await [audited, unaudited][i]?.();
        times[i].push(performance.now() - began);
      }
    // The first one is for what has to be compiled.
    if (round >= 0) p50s.push([middle(times[0]), middle(times[1])]);
  }
  const differences = p50s.map(([a, b]) => a - b);
  console.log(
    `  p50 of a write ${how}, one client: audited ${ms(middle(p50s.map(([a]) => a)))}, not audited ${ms(middle(p50s.map(([, b]) => b)))}, ` +
      `added ${ms(middle(differences))} (${ms(Math.min(...differences))} to ${ms(Math.max(...differences))}); medians of ${ROUNDS} runs of ${WRITES} writes each`,
  );
}

/** One act on a thousand addresses, which leaves an event for each. */
async function benchRange(stage: Stage, bearer: string, app: string, unaudited: string): Promise<void> {
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round <= 2 * ROUNDS; round++) {
    const network = `21.${round}.0.0`;
    const pool = await seedPool(stage, `${network}/16`, 0n);
    const [i, url] = round % 2 === 0 ? ([0, app] as const) : ([1, unaudited] as const);
    const began = performance.now();
    const answer = await fetch(`${url}/api/v1/ipam/pools/${pool}/range-actions`, {
      method: 'POST',
      headers: { authorization: bearer, 'content-type': 'application/json' },
      body: JSON.stringify({ action: 'reserve', first: `21.${round}.4.0`, last: `21.${round}.7.231` }),
    });
    await answer.arrayBuffer();
    if (answer.status !== 200) throw new Error(`a range was answered ${answer.status}`);
    if (round > 1) times[i].push(performance.now() - began);
  }
  const [audited, not] = [middle(times[0]), middle(times[1])];
  console.log(
    `  1,000 addresses in one request: audited ${ms(audited)}, not audited ${ms(not)}, added ${ms(audited - not)} for 1,001 events; medians of ${times[1].length} runs`,
  );
}

async function benchSize(stage: Stage): Promise<void> {
  const url = await stage.start('app', { CADASTRE_JOBS: 'false' });
  await makeAdministrator(stage, 'bench');
  const headers = { authorization: await signIn(url, 'bench') };
  const pool = await seedPool(stage, '19.0.0.0/8', 0n);
  await httpLoad({
    url,
    connections: 16,
    ms: SIZED_MS,
    method: 'POST',
    body: '{}',
    paths: [`/api/v1/ipam/pools/${pool}/allocations`],
    headers,
  });
  const inbox = await sizeOf(stage, 'audit_inbox', `'audit_inbox'::regclass`);
  const app = await createApp(loadConfig({ ...stage.variables, CADASTRE_JOBS: 'false' }));
  await app.init();
  while ((await app.get(Sealer).turn()) > 0);
  await app.close();
  await stage.sql('VACUUM (ANALYZE) audit_log');
  const log = await sizeOf(stage, 'audit_log', `ANY (SELECT t.relid FROM pg_partition_tree('audit_log') t WHERE t.isleaf)`);
  console.log(
    `  bytes of an event of one allocation: payload ${log.payload}, inbox ${inbox.total}, log ${log.table} and its indexes ${log.total - log.table}; of ${log.rows} events`,
  );
}

async function sizeOf(stage: Stage, table: string, relations: string): Promise<Record<'rows' | 'payload' | 'table' | 'total', number>> {
  const [row] = await stage.sql(
    `SELECT n.rows, n.payload, s.table_bytes / n.rows AS table, s.total / n.rows AS total
       FROM (SELECT count(*) AS rows, avg(octet_length(payload))::int AS payload FROM ${table}) n,
            (SELECT sum(pg_table_size(c.oid)) AS table_bytes, sum(pg_total_relation_size(c.oid)) AS total FROM pg_class c WHERE c.oid = ${relations}) s`,
  );
  return {
    rows: Number(row?.rows),
    payload: Number(row?.payload),
    table: Math.round(Number(row?.table)),
    total: Math.round(Number(row?.total)),
  };
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}
