import { createHash, createHmac, randomBytes } from 'node:crypto';
import { Pool, type PoolClient } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { INSERT_EVENTS, packed, parametersOf } from '../src/audit/trail/inbox-rows.js';
import { callLoad, httpLoad } from './load.js';
import { compare, type Contender, even } from './measure.js';
import { seedPool, type Stage } from './stage.js';
import { NEXT } from './statements.js';

const CLIENTS = 32;
const ONE = [1, false, [1], ['allocated'], [null], [null], [null], [null], [''], ['bench'], 1];

/** The transaction of one allocation as raw SQL from `pg`: the same statements, a payload made beforehand, nothing else. */
export async function rawAllocation(client: PoolClient, poolId: string, mac: Buffer | undefined): Promise<void> {
  await client.query('BEGIN');
  await client.query({ name: 'next', text: NEXT, values: [poolId, ...ONE] });
  if (mac) {
    const event = { id: uuidv7(), class: 3, payload: PAYLOAD, leaf: LEAF, mac, clientIp: null, names: null, salt: null };
    await client.query({ name: 'audit', text: INSERT_EVENTS, values: parametersOf(packed([event])) });
  }
  await client.query('COMMIT');
}

export const PAYLOAD = JSON.stringify({
  v: 1,
  at: new Date(0).toISOString(),
  action: 'bench',
  category: 'ipam',
  severity: 'info',
  outcome: 'success',
  flags: [],
  filler: randomBytes(330).toString('hex'),
});
export const LEAF = createHash('sha256').update('\0').update(PAYLOAD).digest();

/** The MAC of that payload, so that the sealer takes it for one of the program's. */
export function macOf(stage: Stage): Buffer {
  return createHmac('sha256', stage.auditKey).update(LEAF).digest();
}

/** `mac` absent: without an audit event. */
export function raw(pg: Pool, pools: readonly string[], mac: Buffer | undefined, count = CLIENTS): (ms: number) => Promise<number> {
  return async (ms) => {
    const clients = await Promise.all(Array.from({ length: count }, () => pg.connect()));
    try {
      return await callLoad(count, ms, async (i) => {
        const client = clients[i];
        if (client) await rawAllocation(client, pools[Math.floor(Math.random() * pools.length)] ?? '', mac);
      });
    } finally {
      for (const client of clients) client.release();
    }
  };
}

function overHttp(app: string, bearer: string, pools: readonly string[]): (ms: number) => Promise<number> {
  const paths = pools.map((id) => `/api/v1/ipam/pools/${id}/allocations`);
  return (ms) => httpLoad({ url: app, connections: CLIENTS, ms, method: 'POST', body: '{}', paths, headers: { authorization: bearer } });
}

/** (b), (c), (d): next free address, with its audit event. */
export async function benchWrites(stage: Stage, bearer: string, app: string, unaudited: string): Promise<void> {
  const pg = new Pool({ connectionString: stage.url, max: CLIENTS });
  const mac = macOf(stage);
  const hot = await seedPool(stage, '11.0.0.0/10', 0n);
  const hotRaw = await seedPool(stage, '11.64.0.0/10', 0n);
  const many: string[] = [];
  for (let i = 0; i < 64; i++) many.push(await seedPool(stage, `12.${i * 2}.0.0/15`, 0n));
  await compare({
    title: `next free address, one hot pool, ${CLIENTS} clients`,
    aim: 0.7,
    contenders: [
      { name: 'cadastre over HTTP, audited', round: overHttp(app, bearer, [hot]) },
      { name: 'the same SQL from pg', round: raw(pg, [hotRaw], mac) },
    ],
  });
  await compare({
    title: `next free address, 64 pools, ${CLIENTS} clients`,
    aim: 0.7,
    contenders: [
      { name: 'cadastre over HTTP, audited', round: overHttp(app, bearer, many) },
      { name: 'the same SQL from pg', round: raw(pg, many, mac) },
    ],
  });
  await compare({
    title: `audited against unaudited, 64 pools, ${CLIENTS} clients, over HTTP`,
    aim: 0.8,
    contenders: [
      { name: 'audited', round: overHttp(app, bearer, many) },
      { name: 'unaudited', round: overHttp(unaudited, bearer, many) },
    ],
  });
  await compare({
    title: `audited against unaudited, 64 pools, ${CLIENTS} clients, raw SQL`,
    aim: 0.8,
    contenders: [
      { name: 'audited', round: raw(pg, many, mac) },
      { name: 'unaudited', round: raw(pg, many, undefined) },
    ],
  });
  await benchEvenness(stage, bearer, app);
  await pg.end();
}

/**
 * (c) The same whatever the pool: an address is taken and given back, so that a pool keeps its fill however long the round is.
 * Large pools are filled with one blocked range, as nobody has 17 million rows in a /8.
 */
async function benchEvenness(stage: Stage, bearer: string, app: string): Promise<void> {
  const headers = { authorization: bearer, 'content-type': 'application/json' };
  const of = async (name: string, network: string, allocated: bigint, blockUpTo?: string): Promise<Contender> => {
    const id = await seedPool(stage, network, allocated);
    if (blockUpTo !== undefined) await block(stage, id, blockUpTo);
    const takeAndGive = async (): Promise<void> => {
      const answer = await fetch(`${app}/api/v1/ipam/pools/${id}/allocations`, { method: 'POST', headers, body: '{}' });
      const { items } = (await answer.json()) as { items: { id: string }[] };
      const released = await fetch(`${app}/api/v1/ipam/allocations/${items[0]?.id ?? ''}`, {
        method: 'DELETE',
        headers: { authorization: bearer },
      });
      await released.arrayBuffer();
      if (released.status !== 204) throw new Error(`a release was answered ${released.status}`);
    };
    return { name, round: (ms) => callLoad(8, ms, takeAndGive) };
  };
  await even('take the next address and give it back, whatever the pool, 8 clients', 1.3, [
    await of('/16, empty', '13.0.0.0/16', 0n),
    await of('/16, 99.9 % full, row by row', '13.1.0.0/16', 65_468n),
    await of('/8, 1,000 allocated', '14.0.0.0/8', 1000n),
    await of('/8, 1,000,000 allocated', '15.0.0.0/8', 1_000_000n),
    await of('/8, 99.9 % full', '16.0.0.0/8', 0n, '16.255.190.0'),
    await of('/64, empty', '2001:db8:1::/64', 0n),
    await of('/64, 1,000,000 allocated', '2001:db8:2::/64', 1_000_000n),
    await of('/64, 99.9 % full', '2001:db8:3::/64', 0n, '2001:db8:3:0:ffbe::'),
  ]);
}

async function block(stage: Stage, poolId: string, last: string): Promise<void> {
  await stage.sql(
    `INSERT INTO allocations (vrf_id, pool_id, address, last_address, status)
     SELECT p.vrf_id, p.id, ipam_inet(p.family, u.lo), $2::inet, 'blocked' FROM pools p, ipam_usable(p.kind, p.network) u WHERE p.id = $1`,
    [poolId, last],
  );
}
