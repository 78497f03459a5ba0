import { compare } from './measure.js';
import { httpLoad } from './load.js';
import { seedPool, type Stage } from './stage.js';

const CONNECTIONS = 32;

/** (a) What people ask most, over HTTP with sign-in and rights, against the floor. */
export async function benchReads(stage: Stage, bearer: string, app: string, floor: string): Promise<void> {
  const pool = await seedPool(stage, '10.0.0.0/15', 100_000n, true);
  const rows = await stage.sql(
    'SELECT id, host(address) AS address, hostname FROM allocations WHERE pool_id = $1 ORDER BY random() LIMIT 500',
    [pool],
  );
  const cases: [string, string[], string[]][] = [
    ['GET an allocation by id', rows.map((r) => `/api/v1/ipam/allocations/${r.id ?? ''}`), rows.map((r) => `/allocations/${r.id ?? ''}`)],
    ['list a page of 50', [`/api/v1/ipam/pools/${pool}/allocations`], [`/pools/${pool}`]],
    ['search by address', rows.map((r) => `/api/v1/ipam/search?ip=${r.address ?? ''}`), rows.map((r) => `/search?ip=${r.address ?? ''}`)],
    [
      'search by host name',
      rows.map((r) => `/api/v1/ipam/search?hostname=${r.hostname ?? ''}`),
      rows.map((r) => `/search?hostname=${r.hostname ?? ''}`),
    ],
  ];
  for (const [title, ours, theirs] of cases)
    await compare({
      title: `${title}, ${CONNECTIONS} connections, 100,000 allocations`,
      aim: 0.6,
      contenders: [
        {
          name: 'cadastre',
          round: (ms) => httpLoad({ url: app, connections: CONNECTIONS, ms, paths: ours, headers: { authorization: bearer } }),
        },
        { name: 'node:http + pg', round: (ms) => httpLoad({ url: floor, connections: CONNECTIONS, ms, paths: theirs }) },
      ],
    });
}
