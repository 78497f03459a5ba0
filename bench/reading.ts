import { httpLoad } from './load.js';
import { compare } from './measure.js';
import { BOUNDLESS, seedPool, type Stage } from './stage.js';

const CONNECTIONS = 8;
/** What makes an event is run once a request: it takes some ten thousand of them to be compiled as in a server that has run for a while. */
const WARM_MS = 15_000;

/** (f) What it costs a reader that reads are kept in the trail. */
export async function benchReading(stage: Stage, bearer: string): Promise<void> {
  const pool = await seedPool(stage, '12.0.0.0/16', 10_000n);
  const rows = await stage.sql('SELECT id FROM allocations WHERE pool_id = $1 ORDER BY random() LIMIT 500', [pool]);
  const start = (policy: string): Promise<string> =>
    stage.start('app', {
      CADASTRE_PINNED_SETTINGS: JSON.stringify({ ...BOUNDLESS, 'audit.reads.network': policy }),
      CADASTRE_JOBS: 'false',
    });
  const round = (url: string, paths: string[]) => (ms: number) =>
    httpLoad({ url, connections: CONNECTIONS, ms, paths, headers: { authorization: bearer } });
  const [off, batched, durable] = [await start('off'), await start('batched'), await start('durable')];
  const cases: [string, string[]][] = [
    ['GET an allocation by id', rows.map(({ id }) => `/api/v1/ipam/allocations/${id ?? ''}`)],
    ['list a page of 50', [`/api/v1/ipam/pools/${pool}/allocations`]],
  ];
  for (const [, paths] of cases) for (const url of [off, batched, durable]) await round(url, paths)(WARM_MS / cases.length);
  for (const [title, paths] of cases)
    for (const [policy, url, aim] of [
      ['batched', batched, 0.85],
      ['durable', durable, 0.35],
    ] as const)
      await compare({
        title: `${title}, reads kept ${policy} against not at all, ${CONNECTIONS} connections`,
        aim,
        contenders: [
          { name: policy, round: round(url, paths) },
          { name: 'off', round: round(off, paths) },
        ],
      });
}
