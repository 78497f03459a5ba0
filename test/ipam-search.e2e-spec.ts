import { type Agent } from 'supertest';
import { PAGE } from '../src/ipam/allocations/allocations.repository.js';
import { BY_ADDRESS, BY_MAC, BY_OWNER, HOST_EXACT, HOST_LIKE, IN_NETWORK } from '../src/ipam/search/search.repository.js';
import { ADDRESSES_BY_WORDS } from '../src/ipam/search/word-search.js';
import { asRole } from './support/sign-in.js';
import { eventually } from './support/eventually.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const POOLS = '/api/v1/ipam/pools';

interface Found {
  interpretation: { kind: string; explanation: string };
  pools: { network: string }[];
  allocations: { address: string; hostname: string | null }[];
  more: boolean;
}

describe('search, statistics and alerts', () => {
  let t: TestApp;
  let admin: Agent;
  let viewer: Agent;

  beforeAll(async () => {
    t = await startTestApp();
    [admin, viewer] = await Promise.all([asRole(t, 'admin'), asRole(t, 'viewer')]);
    for (const [network, name, kind] of [
      ['10.0.0.0/8', 'Corporate', 'container'],
      ['10.1.0.0/16', 'Bern campus', 'container'],
      ['10.1.1.0/24', 'Bern servers', 'subnet'],
      ['10.2.1.0/24', 'Basel servers', 'subnet'],
      ['2001:db8:1::/64', 'Bern six', 'subnet'],
    ])
      await admin
        .post(POOLS)
        .send({ network, name, kind, site: name?.split(' ')[0], cooldownSeconds: 0 })
        .expect(201);
    await hold('10.1.1.0/24', { address: '10.1.1.10', hostname: 'web01.example.net', mac: 'aa-bb-cc-dd-ee-01', owner: 'Web Team' });
    await hold('10.1.1.0/24', { address: '10.1.1.11', hostname: 'web02.example.net', owner: 'Web Team' });
    await hold('10.1.1.0/24', { address: '10.1.1.100', lastAddress: '10.1.1.199', status: 'reserved', purpose: 'dynamic' });
    await hold('10.2.1.0/24', { address: '10.2.1.10', hostname: 'db01.example.net', owner: 'Data' });
    await hold('2001:db8:1::/64', { address: '2001:db8:1::10', hostname: 'web06.example.net' });
  });

  afterAll(() => t.close());

  async function poolId(network: string): Promise<string> {
    const [row] = await t.sql<{ id: string }>(`SELECT id FROM pools WHERE network = $1 AND kind <> 'root'`, [network]);
    return row!.id;
  }

  async function hold(network: string, body: object): Promise<void> {
    await admin
      .post(`${POOLS}/${await poolId(network)}/allocations`)
      .send(body)
      .expect(201);
  }

  const search = async (query: string): Promise<Found> => (await viewer.get(`/api/v1/ipam/search?${query}`).expect(200)).body as Found;

  it('I12: finds an address, the range it lies in, and the pools around it', async () => {
    const found = await search('q=10.1.1.10');
    expect(found.interpretation).toEqual({ kind: 'address', explanation: 'the address 10.1.1.10' });
    expect(found.allocations.map((a) => a.hostname)).toEqual(['web01.example.net']);
    expect(found.pools.map((p) => p.network)).toEqual(['10.1.1.0/24', '10.1.0.0/16', '10.0.0.0/8']);
    expect((await search('ip=10.1.1.150')).allocations.map((a) => a.address)).toEqual(['10.1.1.100']);
  });

  it('I12: finds a MAC in any notation', async () => {
    for (const mac of ['AA:BB:CC:DD:EE:01', 'aa-bb-cc-dd-ee-01', 'aabb.ccdd.ee01', 'AABBCCDDEE01']) {
      expect((await search(`q=${mac}`)).allocations.map((a) => a.address)).toEqual(['10.1.1.10']);
      expect((await search(`mac=${mac}`)).allocations).toHaveLength(1);
    }
  });

  it('I12: finds what a network contains, whole or written in part', async () => {
    const inside = (await search('q=10.1.0.0/16')).allocations.map((a) => a.address);
    expect(inside).toEqual(['10.1.1.10', '10.1.1.11', '10.1.1.100']);
    expect((await search('q=10.1.')).allocations.map((a) => a.address)).toEqual(inside);
    const found = await search('q=10.1.1.');
    expect(found.interpretation.explanation).toBe('everything in and around 10.1.1.0/24');
    expect(found.pools.map((p) => p.network)).toEqual(['10.0.0.0/8', '10.1.0.0/16', '10.1.1.0/24']);
    expect((await search('cidr=2001:db8::/32')).allocations.map((a) => a.hostname)).toEqual(['web06.example.net']);
  });

  it('I12: finds names by part, form or whole, owners and pools', async () => {
    expect((await search('q=WEB0')).allocations.map((a) => a.hostname).sort()).toEqual([
      'web01.example.net',
      'web02.example.net',
      'web06.example.net',
    ]);
    expect((await search('q=web01.example.net')).allocations[0]?.hostname).toBe('web01.example.net');
    expect((await search('q=we')).allocations.map((a) => a.hostname).sort()).toEqual([
      'web01.example.net',
      'web02.example.net',
      'web06.example.net',
    ]);
    expect((await search('hostname=web01')).allocations).toEqual([]);
    expect((await search('hostname=web01.example.net')).allocations).toHaveLength(1);
    expect((await search('hostname=*01*')).allocations).toHaveLength(2);
    expect((await search('hostname=w%25')).allocations).toEqual([]);
    expect((await search('owner=web')).allocations).toHaveLength(2);
    const bern = await search('q=bern');
    expect(bern.pools.map((p) => p.network)).toEqual(['10.1.0.0/16', '10.1.1.0/24', '2001:db8:1::/64']);
    expect(bern.interpretation.kind).toBe('text');
    expect(await search('q=web&limit=1')).toMatchObject({ more: true, allocations: [{}] });
  });

  it('I12: refuses questions it cannot answer', async () => {
    for (const query of ['', 'q=a&ip=10.0.0.1', 'ip=10.0', 'cidr=10.0.0.1/8', 'mac=zz', 'colour=red', 'q='])
      await viewer.get(`/api/v1/ipam/search?${query}`).expect(400);
  });

  it('I16: calculates', async () => {
    const get = async (path: string): Promise<unknown> => (await viewer.get(`/api/v1/ipam/calculator/${path}`).expect(200)).body;
    expect(await get('info?network=10.20.0.0/22')).toMatchObject({
      netmask: '255.255.252.0',
      wildcard: '0.0.3.255',
      firstHost: '10.20.0.1',
      lastHost: '10.20.3.254',
      broadcast: '10.20.3.255',
      size: '1024',
      usable: '1022',
    });
    expect(await get('info?network=2001:db8::/64')).toMatchObject({
      netmask: null,
      broadcast: null,
      size: '18446744073709551616',
      firstHost: '2001:db8::1',
    });
    expect(await get('split?network=10.0.0.0/24&length=26')).toEqual({
      networks: ['10.0.0.0/26', '10.0.0.64/26', '10.0.0.128/26', '10.0.0.192/26'],
    });
    expect(await get('validate?network=10.0.0.1/24')).toEqual({
      valid: false,
      code: 'host_bits_set',
      detail: '10.0.0.1/24 has host bits set; the network is 10.0.0.0/24.',
      canonical: '10.0.0.0/24',
    });
    const merged = await viewer
      .post('/api/v1/ipam/calculator/merge')
      .send({ networks: ['10.0.1.0/24', '10.0.0.0/24', '10.0.3.0/24'] })
      .expect(200);
    expect(merged.body).toEqual({ networks: ['10.0.0.0/23', '10.0.3.0/24'] });
    await viewer.get('/api/v1/ipam/calculator/split?network=10.0.0.0/8&length=24').expect(400);
    await viewer.get('/api/v1/ipam/calculator/split?network=10.0.0.0/24&length=23').expect(400);
    await viewer
      .post('/api/v1/ipam/calculator/merge')
      .send({ networks: ['10.0.1.1/24'] })
      .expect(422);
  });

  it('I13: raises each threshold once, and again only after use has dropped', async () => {
    const body: unknown = (
      await admin.post(POOLS).send({ network: '10.9.0.0/27', name: 'small', kind: 'subnet', cooldownSeconds: 0 }).expect(201)
    ).body;
    const id = (body as { id: string }).id;
    const take = async (count: number): Promise<string[]> =>
      ((await admin.post(`${POOLS}/${id}/allocations`).send({ count }).expect(201)).body as { items: { id: string }[] }).items.map(
        (a) => a.id,
      );
    const announced = async (): Promise<string[]> =>
      (
        await t.sql<{ threshold: string }>(
          `SELECT payload::jsonb #>> '{detail,threshold}' AS threshold FROM audit_events WHERE action = 'pool.threshold_reached' AND resource_id = $1 ORDER BY id`,
          [id],
        )
      ).map((e) => e.threshold);
    await take(23);
    const [over] = await take(1);
    await eventually(async () => (await announced()).length === 1);
    await take(3);
    await take(2);
    await eventually(async () => (await announced()).join() === '80,95');
    await take(1);
    await admin.delete(`/api/v1/ipam/allocations/${over!}`).expect(204);
    await take(1);
    const all = (await t.sql<{ id: string }>('SELECT id FROM allocations WHERE pool_id = $1 AND released_at IS NULL', [id])).map(
      (a) => a.id,
    );
    for (const one of all.slice(0, 10)) await admin.delete(`/api/v1/ipam/allocations/${one}`).expect(204);
    const open = await viewer.get('/api/v1/ipam/alerts?open=true').expect(200);
    expect((open.body as { items: { poolId: string }[] }).items.filter((a) => a.poolId === id)).toEqual([]);
    await take(10);
    await eventually(async () => (await announced()).join() === '80,95,80,95');
    const alerts = (await viewer.get('/api/v1/ipam/alerts').expect(200)).body as {
      items: { poolId: string; threshold: number; clearedAt: string | null }[];
    };
    expect(
      alerts.items
        .filter((a) => a.poolId === id && a.clearedAt === null)
        .map((a) => a.threshold)
        .sort(),
    ).toEqual([80, 95]);
  });

  it('I13: counts like an independent recount after a thousand random acts', async () => {
    const vrf = (await admin.post('/api/v1/ipam/vrfs').send({ name: 'random' }).expect(201)).body as { id: string };
    const pools: string[] = [];
    for (const [i, network] of ['10.0.0.0/24', '10.0.1.0/26', '10.0.2.0/28', '2001:db8::/120'].entries())
      pools.push(
        (
          (
            await admin
              .post(POOLS)
              .send({
                vrfId: vrf.id,
                network,
                name: network,
                kind: 'subnet',
                site: `s${i % 2}`,
                environment: 'e',
                cooldownSeconds: i === 0 ? 3600 : 0,
              })
              .expect(201)
          ).body as { id: string }
        ).id,
      );
    let seed = 42;
    const random = (below: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
    for (let act = 0; act < 1000; act += 10) {
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          const pool = pools[random(pools.length)]!;
          const held = await t.sql<{ id: string }>('SELECT id FROM allocations WHERE vrf_id = $1 AND released_at IS NULL ORDER BY id', [
            vrf.id,
          ]);
          const kind = random(10);
          if (kind < 5)
            await admin.post(`${POOLS}/${pool}/allocations`).send({
              count: 1 + random(5),
              status: ['allocated', 'reserved', 'blocked'][random(3)],
              strategy: random(2) === 0 ? 'any' : 'lowest',
            });
          else if (kind < 8 && held.length > 0) await admin.delete(`/api/v1/ipam/allocations/${held[random(held.length)]!.id}`);
          else if (held.length > 0)
            await admin
              .patch(`/api/v1/ipam/allocations/${held[random(held.length)]!.id}`)
              .send({ status: ['allocated', 'blocked'][random(2)] });
        }),
      );
    }
    expect(await t.sql('SELECT * FROM ipam_drift()')).toEqual([]);
    const stats = (await viewer.get(`/api/v1/ipam/stats?vrfId=${vrf.id}`).expect(200)).body as {
      total: Record<string, string>;
      bySite: { name: string; allocated: string }[];
    };
    const [recount] = await t.sql(
      `SELECT count(*) FILTER (WHERE released_at IS NULL AND status = 'allocated')::text AS allocated, count(*) FILTER (WHERE released_at IS NULL AND status = 'reserved')::text AS reserved,
              count(*) FILTER (WHERE released_at IS NULL AND status = 'blocked')::text AS blocked, count(*) FILTER (WHERE released_at IS NOT NULL AND returned_at IS NULL)::text AS quarantined,
              (254 + 62 + 14 + 255 - count(*) FILTER (WHERE returned_at IS NULL))::text AS free
         FROM allocations WHERE vrf_id = $1`,
      [vrf.id],
    );
    expect(stats.total).toMatchObject({ ...recount, usable: '585', subnets: 4 });
    const sites = await t.sql(
      `SELECT p.site AS name, count(a.id)::text AS allocated FROM pools p LEFT JOIN allocations a ON a.pool_id = p.id AND a.released_at IS NULL AND a.status = 'allocated'
        WHERE p.vrf_id = $1 AND p.kind <> 'root' GROUP BY p.site ORDER BY p.site`,
      [vrf.id],
    );
    expect(stats.bySite.map(({ name, allocated }) => ({ name, allocated }))).toEqual(sites);
  });

  it('I20: tells the largest free blocks, the scatter and when a pool will be full, as a recount does', async () => {
    const id = (
      (await admin.post(POOLS).send({ network: '10.8.0.0/24', name: 'analytics', kind: 'subnet', cooldownSeconds: 0 }).expect(201))
        .body as { id: string }
    ).id;
    const stats = async (): Promise<Record<string, unknown>> =>
      (await viewer.get(`${POOLS}/${id}/stats`).expect(200)).body as Record<string, unknown>;
    expect(await stats()).toMatchObject({
      free: '254',
      extents: 1,
      largestBlock: '10.8.0.64/26',
      fragmentation: 0,
      growthPerDay: null,
      daysToExhaustion: null,
    });
    await admin.post(`${POOLS}/${id}/allocations`).send({ address: '10.8.0.100' }).expect(201);
    expect(await stats()).toMatchObject({
      free: '253',
      extents: 2,
      largestBlock: '10.8.0.128/26',
      fragmentation: Math.round((1 - 154 / 253) * 10_000) / 10_000,
    });
    for (let day = 0; day < 10; day++)
      await t.sql(`INSERT INTO pool_usage_samples VALUES ($1, current_date - 10 + $2::int, $3)`, [id, day, day * 5]);
    expect(await stats()).toMatchObject({ growthPerDay: 5, daysToExhaustion: 50 });
    const largest = async (): Promise<unknown> => (await stats()).largestBlock;
    for (const taken of ['10.8.0.150', '10.8.0.200', '10.8.0.50', '10.8.0.20', '10.8.0.230']) {
      await admin.post(`${POOLS}/${id}/allocations`).send({ address: taken }).expect(201);
      const [recount] = await t.sql<{ block: string }>(
        `SELECT b.block::text AS block
           FROM generate_series(24, 32) len
          CROSS JOIN LATERAL generate_series(0, (2 ^ (len - 24))::int - 1) n
          CROSS JOIN LATERAL (SELECT set_masklen('10.8.0.0'::inet + n * (2 ^ (32 - len))::bigint, len)::cidr AS block) b
          WHERE NOT b.block >>= ANY (ARRAY['10.8.0.0', '10.8.0.255']::inet[])
            AND NOT EXISTS (SELECT FROM allocations a WHERE a.pool_id = $1 AND a.returned_at IS NULL AND a.address <<= b.block)
          ORDER BY len, n LIMIT 1`,
        [id],
      );
      expect(await largest()).toBe(recount?.block);
    }
  });

  it('I12: answers from an index at a million rows', async () => {
    await t.sql(
      `INSERT INTO pools (id, vrf_id, parent_id, kind, name, network) SELECT 'a0000000-0000-7000-8000-000000000001', v.id, (ipam_make_room(v.id, '20.0.0.0/8', 'a0000000-0000-7000-8000-000000000001')).parent_id, 'subnet', 'million', '20.0.0.0/8' FROM vrfs v WHERE is_default`,
    );
    // In short transactions: a long one would hold up the filing of every audit trail on this server, other tests' among them.
    for (let from = 1; from <= 1_000_000; from += 25_000)
      await t.sql(
        `INSERT INTO allocations (vrf_id, pool_id, address, last_address, status, hostname, mac, owner)
         SELECT p.vrf_id, p.id, a, a, 'allocated', md5(n::text) || '.example.org',
                ('02:00:' || regexp_replace(lpad(to_hex(n), 8, '0'), '(..)(..)(..)(..)', '\\1:\\2:\\3:\\4'))::macaddr, 'team ' || n
           FROM pools p, generate_series($1::int, $2::int) n, LATERAL (SELECT '20.0.0.0'::inet + n) x (a) WHERE p.name = 'million'`,
        [from, from + 24_999],
      );
    await t.sql('VACUUM ANALYZE allocations');
    const name = (await t.sql<{ hostname: string }>(`SELECT hostname FROM allocations WHERE address = '20.7.7.7'`))[0]!.hostname;
    const questions: [string, string, unknown[]][] = [
      ['address', BY_ADDRESS, ['20.7.7.7', null, 51]],
      ['network', IN_NETWORK, ['20.7.0.0/24', null, 51]],
      ['mac', BY_MAC, ['02:00:00:07:07:07', null, 51]],
      ['owner', BY_OWNER, ['team 77777%', null, 51]],
      ['host name', HOST_EXACT, [name, null, 51]],
      ['beginning of a host name', HOST_LIKE, [`${name.slice(0, 12)}%`, null, 51]],
      ['middle of a host name', HOST_LIKE, [`%${name.slice(5, 15)}%`, null, 51]],
      ['words of an address', ADDRESSES_BY_WORDS, ['77777:* & team:*', 51]],
      ['page of a pool', PAGE, ['a0000000-0000-7000-8000-000000000001', '20.7.7.7', 'live', 51]],
    ];
    for (const [what, text, values] of questions) {
      const rows = await t.sql<{ 'QUERY PLAN': { Plan: object; 'Execution Time': number }[] }>(
        `EXPLAIN (ANALYZE, FORMAT JSON) ${inlined(text, values)}`,
      );
      const plan = JSON.stringify(rows[0]!['QUERY PLAN'][0]!.Plan);
      expect([what, plan.includes('Seq Scan'), plan.includes('"Index Name"')]).toEqual([what, false, true]);
    }
  }, 300_000);
});

/** EXPLAIN takes no parameters in the simple protocol; these values are the test's own. */
function inlined(text: string, values: unknown[]): string {
  return text.replaceAll(/\$(\d+)/g, (_, n: string) => {
    const value = values[Number(n) - 1];
    return typeof value === 'string' ? `'${value}'` : JSON.stringify(value).toUpperCase();
  });
}
