import { type Agent } from 'supertest';
import { Builders } from './support/builders.js';
import { createUser, signIn, type TestUser, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const IPAM = '/api/v1/ipam';

interface Grant {
  role: string;
  vrfIds?: string[];
  networks?: string[];
}

/** A user whose roles are limited as said. */
async function limitedUser(t: TestApp, ...grants: Grant[]): Promise<{ user: TestUser; agent: Agent }> {
  const user = await createUser(t);
  for (const { role, vrfIds = null, networks = null } of grants)
    await t.sql(
      `INSERT INTO user_roles (user_id, role_id, assigned_by, vrf_ids, networks) SELECT $1, r.id, 'test', $3, $4 FROM roles r WHERE r.name = $2`,
      [user.id, role, vrfIds, networks],
    );
  return { user, agent: withToken(t, (await signIn(t, user)).accessToken) };
}

interface Page {
  items: { id: string; network?: string; address?: string }[];
  total: number;
}

describe('rights that hold in some networks only', () => {
  let t: TestApp;
  let make: Builders;
  let other: string;
  const pools = new Map<string, string>();
  const addresses = new Map<string, string>();

  const pool = (network: string): string => pools.get(network) ?? 'none';
  const address = (ip: string): string => addresses.get(ip) ?? 'none';

  async function aPool(network: string, kind: string, vrfId?: string): Promise<string> {
    const body = (
      await make.root
        .post(`${IPAM}/pools`)
        .send({ network, name: `pool ${network}`, kind, ...(vrfId === undefined ? {} : { vrfId }) })
        .expect(201)
    ).body as unknown;
    return (body as { id: string }).id;
  }

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false' });
    make = await Builders.of(t);
    for (const [network, kind] of [
      ['10.0.0.0/8', 'container'],
      ['10.1.0.0/16', 'container'],
      ['10.1.1.0/24', 'subnet'],
      ['10.1.2.0/24', 'subnet'],
      ['10.2.0.0/16', 'container'],
      ['10.2.1.0/24', 'subnet'],
    ] as const)
      pools.set(network, await aPool(network, kind));
    other = (await make.aVrf()).id;
    pools.set('other 10.1.1.0/24', await aPool('10.1.1.0/24', 'subnet', other));
    for (const [network, ip] of [
      ['10.1.1.0/24', '10.1.1.5'],
      ['10.1.2.0/24', '10.1.2.5'],
      ['10.2.1.0/24', '10.2.1.5'],
      ['other 10.1.1.0/24', '10.1.1.5'],
    ] as const) {
      const body = (
        await make.root
          .post(`${IPAM}/pools/${pool(network)}/allocations`)
          .send({ address: ip, hostname: `host-${ip.replaceAll('.', '-')}.example.net`, owner: 'Web' })
          .expect(201)
      ).body as unknown;
      addresses.set(network.startsWith('other') ? `other ${ip}` : ip, (body as Page).items[0]?.id ?? '');
    }
  });

  afterAll(() => t.close());

  const visible = async (agent: Agent, path: string): Promise<string[]> => {
    const body = (await agent.get(path).expect(200)).body as unknown;
    return (body as Page).items.map(({ network, address: ip }) => network ?? ip ?? '').sort();
  };

  describe('to the networks 10.1.0.0/16 of the default VRF', () => {
    let agent: Agent;

    beforeAll(async () => {
      const body = (await make.root.get(`${IPAM}/vrfs`).expect(200)).body as unknown;
      const standard = (body as { items: { id: string; isDefault: boolean }[] }).items.find(({ isDefault }) => isDefault);
      ({ agent } = await limitedUser(
        t,
        { role: 'viewer', vrfIds: [standard?.id ?? ''], networks: ['10.1.0.0/16'] },
        { role: 'operator', vrfIds: [standard?.id ?? ''], networks: ['10.1.0.0/16'] },
      ));
    });

    it('U5: the list and its total are of what is inside', async () => {
      const body = (await agent.get(`${IPAM}/pools`).expect(200)).body as unknown;
      expect((body as Page).items.map(({ network }) => network)).toEqual(['10.1.0.0/16', '10.1.1.0/24', '10.1.2.0/24']);
      expect((body as Page).total).toBe(3);
      const vrfs = await agent.get(`${IPAM}/vrfs`).expect(200);
      expect((vrfs.body as Page).total).toBe(1);
    });

    it('U5, ASVS 8.2.2: what is outside is not there: 404 for pools, addresses, maps, usage', async () => {
      for (const path of [
        `pools/${pool('10.2.1.0/24')}`,
        `pools/${pool('10.0.0.0/8')}`,
        `pools/${pool('other 10.1.1.0/24')}`,
        `allocations/${address('10.2.1.5')}`,
        `allocations/${address('other 10.1.1.5')}`,
        `pools/${pool('10.2.1.0/24')}/map`,
        `pools/${pool('10.2.1.0/24')}/stats`,
        `pools/${pool('10.2.1.0/24')}/allocations`,
        `vrfs/${other}`,
      ])
        expect({ path, status: (await agent.get(`${IPAM}/${path}`)).status }).toEqual({ path, status: 404 });
      await agent.get(`${IPAM}/pools/${pool('10.1.1.0/24')}/map`).expect(200);
      await agent.get(`${IPAM}/allocations/${address('10.1.1.5')}`).expect(200);
    });

    it('U5: a parent outside is not named', async () => {
      const body = (await agent.get(`${IPAM}/pools/${pool('10.1.0.0/16')}`).expect(200)).body as unknown;
      expect(body).toMatchObject({ network: '10.1.0.0/16', parentId: null });
      const inner = await agent.get(`${IPAM}/pools/${pool('10.1.1.0/24')}`).expect(200);
      expect(inner.body).toMatchObject({ parentId: pool('10.1.0.0/16') });
    });

    it('U5: search finds only what is inside, whatever is searched for', async () => {
      for (const query of [{ q: '10.0.0.0/8' }, { hostname: 'host-*' }, { q: 'host-10' }, { owner: 'web' }]) {
        const body = (await agent.get(`${IPAM}/search`).query(query).expect(200)).body as unknown;
        const found = JSON.stringify({ ...(body as object), query: undefined });
        expect({ query, inside: found.includes('10.1.2.5') }).toEqual({ query, inside: true });
        expect({ query, outside: found.match(/10\.2\.1\.5|"network":"10\.(2|0)\.[^"]*"/g) }).toEqual({ query, outside: null });
      }
    });

    it('U5: the export, the statistics and the history are of what is inside', async () => {
      const csv = await agent.get(`${IPAM}/exports/addresses.csv`).expect(200);
      expect(csv.text.match(/10\.\d\.\d\.5/g)).toEqual(['10.1.1.5', '10.1.2.5']);
      const body = (await agent.get(`${IPAM}/stats`).expect(200)).body as unknown;
      expect(body).toMatchObject({ vrfs: 1, containers: 1, total: { subnets: 2 } });
      const history = await agent.get(`${IPAM}/history`).query({ ip: '10.2.1.5' }).expect(200);
      expect((history.body as Page).items).toEqual([]);
    });

    it('U5: allocates inside, and nowhere else', async () => {
      await agent
        .post(`${IPAM}/pools/${pool('10.1.1.0/24')}/allocations`)
        .send({})
        .expect(201);
      await agent
        .post(`${IPAM}/pools/${pool('10.1.1.0/24')}/allocations`)
        .send({ count: 3 })
        .expect(201);
      await agent
        .post(`${IPAM}/pools/${pool('10.2.1.0/24')}/allocations`)
        .send({})
        .expect(404);
      await agent
        .post(`${IPAM}/pools/${pool('other 10.1.1.0/24')}/allocations`)
        .send({})
        .expect(404);
      await agent.delete(`${IPAM}/allocations/${address('10.2.1.5')}`).expect(404);
      await agent
        .patch(`${IPAM}/allocations/${address('other 10.1.1.5')}`)
        .send({ owner: 'thief' })
        .expect(404);
      await agent
        .post(`${IPAM}/pools/${pool('10.2.1.0/24')}/range-actions`)
        .send({ action: 'block', first: '10.2.1.10', last: '10.2.1.12' })
        .expect(404);
      const bulk = await agent
        .post(`${IPAM}/allocations/bulk`)
        .send({
          items: [
            { op: 'allocate', poolId: pool('10.2.1.0/24') },
            { op: 'release', id: address('10.2.1.5') },
          ],
        })
        .expect(200);
      expect(JSON.stringify(bulk.body)).not.toContain('"201"');
      const [row] = await t.sql<{ n: number }>(`SELECT count(*)::int AS n FROM allocations WHERE pool_id = $1 AND released_at IS NULL`, [
        pool('10.2.1.0/24'),
      ]);
      expect(row?.n).toBe(1);
    });

    it('U5: the space stays exact, although the limited see a part of it', async () => {
      expect(await t.sql('SELECT * FROM ipam_drift()')).toEqual([]);
    });
  });

  describe('with the right to make pools there', () => {
    let agent: Agent;

    beforeAll(async () => {
      await t.sql(`INSERT INTO roles (name) VALUES ('planner')`);
      await t.sql(
        `INSERT INTO role_permissions (role_id, permission)
         SELECT id, p FROM roles, unnest(ARRAY['pool:read', 'pool:write', 'vrf:read', 'vrf:write', 'user:write', 'audit:read', 'profile:read']) p WHERE name = 'planner'`,
      );
      ({ agent } = await limitedUser(t, { role: 'planner', networks: ['10.1.0.0/16', '2001:db8::/32'] }));
    });

    it('U5: makes, moves and deletes pools inside, and is told 403 before anything is said of what stands outside', async () => {
      const body = (await agent.post(`${IPAM}/pools`).send({ network: '10.1.7.0/24', name: 'seven', kind: 'subnet' }).expect(201))
        .body as unknown;
      const { id } = body as { id: string };
      await agent.patch(`${IPAM}/pools/${id}`).send({ vlan: 7 }).expect(200);
      for (const network of ['10.2.1.0/24', '10.2.7.0/24', '10.0.0.0/8']) {
        const refused = await agent.post(`${IPAM}/pools`).send({ network, name: 'beyond', kind: 'subnet' });
        expect({ network, status: refused.status, code: (refused.body as { code: string }).code }).toEqual({
          network,
          status: 403,
          code: 'outside_networks',
        });
      }
      const moved = await agent.patch(`${IPAM}/pools/${id}`).send({ network: '10.3.0.0/16' });
      expect(moved.status).toBe(403);
      await agent.get(`${IPAM}/pools/${id}`).expect(200);
      await agent.delete(`${IPAM}/pools/${id}`).expect(204);
      await agent.post(`${IPAM}/pools`).send({ network: '2001:db8:1::/64', name: 'six', kind: 'subnet' }).expect(201);
      await agent.post(`${IPAM}/pools`).send({ network: '2001:db9::/64', name: 'sixb', kind: 'subnet' }).expect(403);
    });

    it('U5, U13: a limited role gives nothing that is about more than networks', async () => {
      await agent.get('/api/v1/audit/events').expect(403);
      await agent.post('/api/v1/users').send({}).expect(403);
      await agent.post(`${IPAM}/vrfs`).send({ name: 'mine' }).expect(403);
      await agent.get('/api/v1/me').expect(200);
    });
  });

  it('U5: limits are alternatives, and a role without limits holds everywhere', async () => {
    const { user, agent } = await limitedUser(
      t,
      { role: 'viewer', networks: ['10.1.1.0/24'] },
      { role: 'analyst', networks: ['10.2.0.0/16'] },
    );
    expect(await visible(agent, `${IPAM}/pools`)).toEqual(['10.1.1.0/24', '10.1.1.0/24', '10.2.0.0/16', '10.2.1.0/24']);
    await t.sql(`INSERT INTO user_roles (user_id, role_id, assigned_by) SELECT $1, id, 'test' FROM roles WHERE name = 'approver'`, [
      user.id,
    ]);
    const whole = withToken(t, (await signIn(t, user)).accessToken);
    expect((await visible(whole, `${IPAM}/pools`)).length).toBeGreaterThanOrEqual(7);
  });

  it('U5: an assignment ends when it expires', async () => {
    const { user, agent } = await limitedUser(t, { role: 'viewer' });
    await agent.get(`${IPAM}/pools`).expect(200);
    await t.sql(`UPDATE user_roles SET expires_at = now() - interval '1 second' WHERE user_id = $1`, [user.id]);
    await withToken(t, (await signIn(t, user)).accessToken)
      .get(`${IPAM}/pools`)
      .expect(403);
  });

  it('U5: whoever is not limited is asked nothing more: no statement names the limits', async () => {
    const [row] = await t.sql<{ setting: string | null }>(`SELECT current_setting('cadastre.scope', true) AS setting`);
    expect(row?.setting ?? '').toBe('');
    const views = await t.sql<{ table_name: string }>(
      `SELECT c.table_name FROM information_schema.columns c
        WHERE c.table_schema = 'public' AND c.table_name IN (SELECT v.table_name FROM information_schema.views v WHERE v.table_schema = 'scoped')
          AND NOT EXISTS (SELECT FROM information_schema.columns s
                           WHERE s.table_schema = 'scoped' AND s.table_name = c.table_name AND s.column_name = c.column_name)`,
    );
    expect(views).toEqual([]);
  });
});
