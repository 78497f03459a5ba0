import { type Agent } from 'supertest';
import { asRole } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const POOLS = '/api/v1/ipam/pools';

interface PoolBody {
  id: string;
  parentId: string | null;
  network: string;
  version: number;
  usage: Record<string, string>;
}

describe('pools', () => {
  let t: TestApp;
  let admin: Agent;
  let operator: Agent;

  beforeAll(async () => {
    t = await startTestApp();
    admin = await asRole(t, 'admin');
    operator = await asRole(t, 'operator');
  });

  afterAll(() => t.close());

  afterEach(async () => {
    expect(await t.sql('SELECT * FROM ipam_drift()')).toEqual([]);
  });

  /** Each test has an address space of its own. */
  async function aVrf(name: string): Promise<string> {
    const response = await admin.post('/api/v1/ipam/vrfs').send({ name }).expect(201);
    return (response.body as { id: string }).id;
  }

  async function aPool(vrfId: string, network: string, more: object = {}): Promise<PoolBody> {
    const response = await admin.post(POOLS).send({ vrfId, network, name: network, kind: 'subnet', ...more });
    expect({ status: response.status, code: (response.body as { code?: string }).code }).toEqual({ status: 201, code: undefined });
    return response.body as PoolBody;
  }

  async function tree(vrfId: string): Promise<Record<string, string | null>> {
    const body: unknown = (await admin.get(`${POOLS}?vrfId=${vrfId}&limit=1000`).expect(200)).body;
    const items = (body as { items: PoolBody[] }).items;
    const networks = new Map(items.map((p) => [p.id, p.network]));
    return Object.fromEntries(items.map((p) => [p.network, p.parentId === null ? null : (networks.get(p.parentId) ?? '?')]));
  }

  it('I1: registers a pool in canonical form, with where it is and an ETag', async () => {
    const vrfId = await aVrf('create');
    const response = await admin
      .post(POOLS)
      .send({
        vrfId,
        network: '2001:0DB8:0::/48',
        name: 'lab',
        kind: 'subnet',
        gateway: '2001:db8::1',
        vlan: 12,
        site: 'Bern',
        tags: ['a'],
      })
      .expect(201);
    expect(response.body).toMatchObject({
      network: '2001:db8::/48',
      family: 6,
      gateway: '2001:db8::1',
      vlan: 12,
      site: 'Bern',
      tags: ['a'],
      active: true,
    });
    expect(response.headers).toMatchObject({ etag: '"1"', location: `${POOLS}/${(response.body as PoolBody).id}` });
    await operator.get(response.headers.location ?? '').expect(200);
  });

  it('I1: refuses a duplicate network or name and names the other', async () => {
    const vrfId = await aVrf('duplicates');
    const first = await aPool(vrfId, '10.0.0.0/24', { name: 'Alpha' });
    const sameNetwork = await admin.post(POOLS).send({ vrfId, network: '10.0.0.0/24', name: 'other', kind: 'subnet' }).expect(409);
    expect(sameNetwork.body).toMatchObject({ code: 'pool_network_taken', poolId: first.id, name: 'Alpha' });
    const sameName = await admin.post(POOLS).send({ vrfId, network: '10.0.1.0/24', name: 'ALPHA', kind: 'subnet' }).expect(409);
    expect(sameName.body).toMatchObject({ code: 'pool_name_taken', poolId: first.id, network: '10.0.0.0/24' });
    const elsewhere = await aVrf('duplicates 2');
    await aPool(elsewhere, '10.0.0.0/24', { name: 'Alpha' });
  });

  it('I1: lets operators read and only admins write', async () => {
    const vrfId = await aVrf('rights');
    const pool = await aPool(vrfId, '10.0.0.0/24');
    await operator.get(`${POOLS}/${pool.id}`).expect(200);
    await operator.post(POOLS).send({ vrfId, network: '10.1.0.0/24', name: 'x', kind: 'subnet' }).expect(403);
    await operator.patch(`${POOLS}/${pool.id}`).send({ name: 'y' }).expect(403);
    await operator.delete(`${POOLS}/${pool.id}`).expect(403);
    await t.anonymous.get(POOLS).expect(401);
  });

  it.each([
    ['host bits', { network: '10.0.0.1/24' }, '/network', 'has host bits set; the network is 10.0.0.0/24'],
    ['leading zeros', { network: '010.0.0.0/8' }, '/network', '10.0.0.0'],
    ['a short form', { network: '10/8' }, '/network', 'four parts'],
    ['a zone id', { network: 'fe80::%eth0/64' }, '/network', 'zone id'],
    ['a v4-mapped network', { network: '::ffff:10.0.0.0/104' }, '/network', 'IPv4-mapped'],
    ['a gateway outside', { gateway: '10.9.0.1' }, '/gateway', 'not inside'],
    ['a gateway on the network address', { gateway: '10.77.0.0' }, '/gateway', 'network address'],
    ['a gateway on the broadcast address', { gateway: '10.77.0.255' }, '/gateway', 'broadcast address'],
    ['a gateway of the other family', { gateway: '::1' }, '/gateway', 'not inside'],
    ['a gateway of a container', { kind: 'container', gateway: '10.77.0.1' }, '/gateway', 'Only a subnet'],
    ['vlan 0', { vlan: 0 }, '/vlan', '1'],
    ['vlan 4095', { vlan: 4095 }, '/vlan', '4094'],
    ['an unknown field', { colour: 'red' }, '/colour', 'not a known field'],
    ['no name', { name: undefined }, '/name', ''],
  ])('I2: refuses %s with 422 and the field', async (_what, change, pointer, detail) => {
    const response = await admin.post(POOLS).send({ network: '10.77.0.0/24', name: 'bad', kind: 'subnet', ...change });
    expect(response.status).toBe(422);
    const errors = (response.body as { errors: { pointer: string; detail: string }[] }).errors;
    expect(errors.map((e) => e.pointer)).toEqual([pointer]);
    expect(errors[0]?.detail).toContain(detail);
  });

  it('I3: puts a parent above existing pools and moves pools and addresses to the smallest', async () => {
    const vrfId = await aVrf('tree');
    const a = await aPool(vrfId, '10.1.1.0/24');
    await aPool(vrfId, '10.1.2.0/24');
    await operator.post(`${POOLS}/${a.id}/allocations`).send({ address: '10.1.1.200' }).expect(201);
    await aPool(vrfId, '10.0.0.0/8', { kind: 'container' });
    await aPool(vrfId, '10.1.0.0/16', { kind: 'container' });
    const inner = await aPool(vrfId, '10.1.1.128/25');
    expect(await tree(vrfId)).toEqual({
      '10.0.0.0/8': null,
      '10.1.0.0/16': '10.0.0.0/8',
      '10.1.1.0/24': '10.1.0.0/16',
      '10.1.1.128/25': '10.1.1.0/24',
      '10.1.2.0/24': '10.1.0.0/16',
    });
    expect(inner.usage).toMatchObject({ usable: '126', allocated: '1', free: '125' });
    const outer = await operator.get(`${POOLS}/${a.id}`).expect(200);
    expect((outer.body as PoolBody).usage).toMatchObject({ usable: '254', allocated: '0', pools: '127', free: '127' });
    const refused = await operator.post(`${POOLS}/${a.id}/allocations`).send({ address: '10.1.1.130' }).expect(409);
    expect(refused.body).toMatchObject({ code: 'address_in_child_pool', poolId: inner.id });
  });

  it('I3: lets one of 50 racing overlapping pools win', async () => {
    const vrfId = await aVrf('race');
    const attempts = Array.from({ length: 50 }, (_, i) => {
      // Alike or crossing each other’s middle: none may stand beside another.
      return admin.post(POOLS).send({ vrfId, network: '10.5.0.0/16', name: `racer ${i}`, kind: 'subnet' });
    });
    const statuses = (await Promise.all(attempts)).map((r) => r.status);
    expect(statuses.filter((s) => s === 201)).toHaveLength(1);
    expect(statuses.filter((s) => s === 409)).toHaveLength(49);
    expect(Object.keys(await tree(vrfId))).toEqual(['10.5.0.0/16']);
  });

  it('I3: builds one right tree from 60 pools created at once, whatever the order', async () => {
    const vrfId = await aVrf('storm');
    const networks = [
      '10.0.0.0/8',
      ...Array.from({ length: 4 }, (_, i) => `10.${i}.0.0/16`),
      ...Array.from({ length: 16 }, (_, i) => `10.${i % 4}.${(i >> 2) * 16}.0/20`),
      ...Array.from({ length: 39 }, (_, i) => `10.${i % 4}.${i >> 2}.0/24`),
    ];
    const responses = await Promise.all(
      networks.map((network) => admin.post(POOLS).send({ vrfId, network, name: network, kind: 'container' })),
    );
    expect(responses.map((r) => r.status)).toEqual(networks.map(() => 201));
    const made = await tree(vrfId);
    expect(made['10.0.0.0/8']).toBeNull();
    expect(made['10.2.16.0/20']).toBe('10.2.0.0/16');
    expect(made['10.3.5.0/24']).toBe('10.3.0.0/20');
  });

  it('I3: refuses overlap, escape from the parent and a false parent in raw SQL too', async () => {
    const vrfId = await aVrf('raw');
    const parent = await aPool(vrfId, '10.0.0.0/16', { kind: 'container' });
    await aPool(vrfId, '10.0.1.0/24');
    const insert = (network: string): Promise<unknown> =>
      t.sql(`INSERT INTO pools (vrf_id, parent_id, kind, name, network) VALUES ($1, $2, 'subnet', $3, $4)`, [
        vrfId,
        parent.id,
        network,
        network,
      ]);
    await expect(insert('10.0.1.128/25')).rejects.toMatchObject({ constraint: 'pools_no_overlap' });
    await expect(insert('10.1.0.0/24')).rejects.toThrow();
    await expect(insert('2001:db8::/64')).rejects.toThrow();
    await expect(t.sql(`UPDATE pools SET network = '10.0.0.0/25' WHERE id = $1`, [parent.id])).rejects.toThrow();
    await expect(t.sql(`DELETE FROM pools WHERE id = $1`, [parent.id])).rejects.toMatchObject({ constraint: 'pools_inside_parent' });
    await expect(
      t.sql(`INSERT INTO pools (vrf_id, kind, name, network) VALUES ($1, 'subnet', 'top', '11.0.0.0/8')`, [vrfId]),
    ).rejects.toMatchObject({
      constraint: 'pools_root_has_no_parent',
    });
  });

  it('I5: pages, filters and sorts with an exact total and counters that add up', async () => {
    const vrfId = await aVrf('list');
    for (let i = 0; i < 12; i++)
      await aPool(vrfId, `10.0.${i}.0/24`, {
        site: i % 3 === 0 ? 'Bern' : 'Basel',
        environment: 'prod',
        tags: [`t${i % 2}`],
        active: i > 1,
      });
    const list = async (query: string): Promise<{ total: number; items: PoolBody[] }> => {
      const body: unknown = (await operator.get(`${POOLS}?vrfId=${vrfId}&${query}`).expect(200)).body;
      return body as { total: number; items: PoolBody[] };
    };
    expect(await list('limit=5&offset=10')).toMatchObject({ total: 12, items: [{ network: '10.0.10.0/24' }, { network: '10.0.11.0/24' }] });
    expect((await list('site=Bern')).total).toBe(4);
    expect((await list('tag=t1&site=Basel')).items.map((p) => p.network)).toEqual([
      '10.0.1.0/24',
      '10.0.5.0/24',
      '10.0.7.0/24',
      '10.0.11.0/24',
    ]);
    expect((await list('active=false')).total).toBe(2);
    expect((await list('within=10.0.8.0/22')).total).toBe(4);
    expect((await list('contains=10.0.3.77')).items.map((p) => p.network)).toEqual(['10.0.3.0/24']);
    expect((await list('q=0.7')).total).toBe(1);
    expect((await list('sort=-network&limit=1')).items[0]?.network).toBe('10.0.11.0/24');
    for (const { usage } of (await list('')).items)
      expect(Number(usage.used) + Number(usage.reserved) + Number(usage.blocked) + Number(usage.free)).toBe(Number(usage.usable));
  });

  it('I5: refuses filters it does not know instead of ignoring them', async () => {
    for (const query of [
      'colour=red',
      'limit=0',
      'limit=1001',
      'limit=ten',
      'sort=colour',
      'within=10.0.0.1/8',
      'contains=x',
      'site=a&site=b',
      'vrfId=1',
    ]) {
      const response = await operator.get(`${POOLS}?${query}`);
      expect([query, response.status]).toEqual([query, 400]);
      expect((response.body as { errors: { pointer: string }[] }).errors[0]?.pointer).toBe(`?${query.split('=')[0] ?? ''}`);
    }
  });

  it('I6: refuses to delete while addresses live, says how many, and says in the trail what went', async () => {
    const vrfId = await aVrf('delete');
    const pool = await aPool(vrfId, '10.0.0.0/24', { cooldownSeconds: 0 });
    const body: unknown = (await operator.post(`${POOLS}/${pool.id}/allocations`).send({ count: 3 }).expect(201)).body;
    const refused = await admin.delete(`${POOLS}/${pool.id}`).expect(409);
    expect(refused.body).toMatchObject({ code: 'pool_has_allocations', allocations: 3 });
    for (const { id } of (body as { items: { id: string }[] }).items) await operator.delete(`/api/v1/ipam/allocations/${id}`).expect(204);
    await admin.delete(`${POOLS}/${pool.id}`).expect(204);
    await admin.get(`${POOLS}/${pool.id}`).expect(404);
    const [event] = await t.sql<{ payload: string }>(
      `SELECT payload FROM audit_events WHERE action = 'pool.deleted' AND resource_id = $1`,
      [pool.id],
    );
    expect(JSON.parse(event?.payload ?? '{}')).toMatchObject({ before: { network: '10.0.0.0/24' }, resource: { name: '10.0.0.0/24' } });
    const history = await operator.get(`/api/v1/ipam/history?ip=10.0.0.1&vrfId=${vrfId}`).expect(200);
    expect((history.body as { items: unknown[] }).items).toHaveLength(1);
  });

  it('I6: child pools refuse too, or move up when asked to', async () => {
    const vrfId = await aVrf('lift');
    await aPool(vrfId, '10.0.0.0/8', { kind: 'container' });
    const middle = await aPool(vrfId, '10.0.0.0/16', { kind: 'container' });
    await aPool(vrfId, '10.0.0.0/24');
    await aPool(vrfId, '10.0.9.0/24');
    expect((await admin.delete(`${POOLS}/${middle.id}`).expect(409)).body).toMatchObject({ code: 'pool_has_pools', pools: 2 });
    await admin.delete(`${POOLS}/${middle.id}?children=lift`).expect(204);
    expect(await tree(vrfId)).toEqual({ '10.0.0.0/8': null, '10.0.0.0/24': '10.0.0.0/8', '10.0.9.0/24': '10.0.0.0/8' });
  });

  it('I8: carves the next free pools of a length, lowest first, all or none', async () => {
    const vrfId = await aVrf('next pools');
    const parent = await aPool(vrfId, '10.0.0.0/22', { kind: 'container' });
    await aPool(vrfId, '10.0.0.0/25');
    const next = await admin
      .post(`${POOLS}/${parent.id}/next-pools`)
      .send({ length: 24, count: 2, name: 'dept', site: 'Bern' })
      .expect(201);
    expect((next.body as { items: PoolBody[] }).items.map((p) => p.network)).toEqual(['10.0.1.0/24', '10.0.2.0/24']);
    const small = await admin.post(`${POOLS}/${parent.id}/next-pools`).send({ length: 26 }).expect(201);
    expect((small.body as { items: PoolBody[] }).items[0]).toMatchObject({ network: '10.0.0.128/26', name: '10.0.0.128/26' });
    const refused = await admin.post(`${POOLS}/${parent.id}/next-pools`).send({ length: 24, count: 2 }).expect(409);
    expect(refused.body).toMatchObject({ code: 'pool_exhausted', possible: 1 });
    expect(Object.keys(await tree(vrfId))).toHaveLength(5);
    await admin.post(`${POOLS}/${parent.id}/next-pools`).send({ length: 22 }).expect(422);
    await admin.post(`${POOLS}/${parent.id}/next-pools`).send({ length: 33 }).expect(422);
  });

  it('I8: gives 40 racing callers 40 different child pools', async () => {
    const vrfId = await aVrf('next race');
    const parent = await aPool(vrfId, '10.0.0.0/16', { kind: 'container' });
    const made = await Promise.all(Array.from({ length: 40 }, () => admin.post(`${POOLS}/${parent.id}/next-pools`).send({ length: 24 })));
    expect(made.map((r) => r.status)).toEqual(made.map(() => 201));
    const networks = made.map((r) => (r.body as { items: PoolBody[] }).items[0]?.network);
    expect(new Set(networks).size).toBe(40);
    expect([...networks].sort()).toEqual(Array.from({ length: 40 }, (_, i) => `10.0.${i}.0/24`).sort());
  });

  it('I21: changes what was read, refuses what has changed since', async () => {
    const vrfId = await aVrf('etag');
    const pool = await aPool(vrfId, '10.0.0.0/24', { site: 'Bern', vlan: 7, description: 'first' });
    const path = `${POOLS}/${pool.id}`;
    const patched = await admin.patch(path).set('if-match', '"1"').send({ vlan: null, name: 'renamed' }).expect(200);
    expect(patched.body).toMatchObject({ vlan: null, name: 'renamed', site: 'Bern', description: 'first', version: 2 });
    expect(patched.headers.etag).toBe('"2"');
    expect((await admin.patch(path).set('if-match', '"1"').send({ name: 'late' }).expect(412)).body).toMatchObject({ currentETag: '"2"' });
    await admin.patch(path).set('if-match', 'W/"2"').send({ name: 'weak' }).expect(412);
    await admin.put(path).send({ name: 'whole', network: '10.0.0.0/24', kind: 'subnet' }).expect(428);
    const put = await admin.put(path).set('if-match', '"2"').send({ name: 'whole', network: '10.0.0.0/24', kind: 'subnet' }).expect(200);
    expect(put.body).toMatchObject({ name: 'whole', site: null, description: '', version: 3 });
    await admin.delete(path).set('if-match', '"2"').expect(412);
    const racers = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        admin
          .patch(path)
          .set('if-match', '"3"')
          .send({ description: `racer ${i}` }),
      ),
    );
    expect(racers.map((r) => r.status).sort()).toEqual([200, ...Array<number>(9).fill(412)]);
  });

  it('A7: records exactly the fields that changed, and nothing for the same value again', async () => {
    const vrfId = await aVrf('changes');
    const pool = await aPool(vrfId, '10.0.0.0/24', { vlan: 7 });
    await admin.patch(`${POOLS}/${pool.id}`).send({ vlan: 8, gateway: '10.0.0.1' }).expect(200);
    const again = await admin.patch(`${POOLS}/${pool.id}`).send({ vlan: 8 }).expect(200);
    expect((again.body as PoolBody).version).toBe(2);
    const events = await t.sql<{ payload: string }>(`SELECT payload FROM audit_events WHERE action = 'pool.updated' AND resource_id = $1`, [
      pool.id,
    ]);
    expect(events).toHaveLength(1);
    expect((JSON.parse(events[0]?.payload ?? '{}') as { changes: unknown }).changes).toEqual([
      { field: 'gateway', before: null, after: '10.0.0.1' },
      { field: 'vlan', before: 7, after: 8 },
    ]);
  });

  it('I1: grows and shrinks a network as long as nothing falls out', async () => {
    const vrfId = await aVrf('resize');
    await aPool(vrfId, '10.0.0.0/8', { kind: 'container' });
    const pool = await aPool(vrfId, '10.0.0.0/24', { gateway: '10.0.0.1' });
    const sibling = await aPool(vrfId, '10.0.1.0/24');
    await operator.post(`${POOLS}/${pool.id}/allocations`).send({ address: '10.0.0.100' }).expect(201);
    const grown = await admin.patch(`${POOLS}/${pool.id}`).send({ network: '10.0.0.0/23' }).expect(200);
    expect((grown.body as PoolBody).usage).toMatchObject({ usable: '510', allocated: '1', reserved: '1', pools: '255', free: '253' });
    expect((await tree(vrfId))['10.0.1.0/24']).toBe('10.0.0.0/23');
    expect((await admin.patch(`${POOLS}/${pool.id}`).send({ network: '10.0.0.0/25' }).expect(409)).body).toMatchObject({
      code: 'pool_would_lose_contents',
      pools: 1,
    });
    await admin.delete(`${POOLS}/${sibling.id}`).expect(204);
    expect((await admin.patch(`${POOLS}/${pool.id}`).send({ network: '10.0.0.0/26' }).expect(409)).body).toMatchObject({ allocations: 1 });
    await admin.patch(`${POOLS}/${pool.id}`).send({ network: '10.0.0.0/25' }).expect(200);
    expect((await admin.patch(`${POOLS}/${pool.id}`).send({ network: '11.0.0.0/7' }).expect(422)).body).toMatchObject({
      code: 'invalid_body',
    });
    expect((await admin.patch(`${POOLS}/${pool.id}`).send({ network: '10.0.0.0/8' }).expect(409)).body).toMatchObject({
      code: 'pool_network_taken',
    });
    expect((await admin.patch(`${POOLS}/${pool.id}`).send({ network: '8.0.0.0/6' }).expect(409)).body).toMatchObject({
      code: 'pool_would_cover_parent',
    });
  });

  it('VRFs: are kept apart, named once, and stay while they hold something', async () => {
    const vrfId = await aVrf('Apart');
    expect((await admin.post('/api/v1/ipam/vrfs').send({ name: 'apart' }).expect(409)).body).toMatchObject({ code: 'vrf_name_taken' });
    const pool = await aPool(vrfId, '10.0.0.0/24');
    expect((await admin.delete(`/api/v1/ipam/vrfs/${vrfId}`).expect(409)).body).toMatchObject({ code: 'vrf_has_pools', pools: 1 });
    await admin.delete(`${POOLS}/${pool.id}`).expect(204);
    const patched = await admin.patch(`/api/v1/ipam/vrfs/${vrfId}`).send({ rd: '65000:9' }).expect(200);
    expect(patched.body).toMatchObject({ name: 'Apart', rd: '65000:9', version: 2 });
    await admin.delete(`/api/v1/ipam/vrfs/${vrfId}`).expect(204);
    await admin.get(`/api/v1/ipam/vrfs/${vrfId}`).expect(404);
    await operator.get('/api/v1/ipam/vrfs?q=defa').expect(200);
    await operator.post('/api/v1/ipam/vrfs').send({ name: 'no' }).expect(403);
  });
});
