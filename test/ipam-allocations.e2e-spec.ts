import { type Agent } from 'supertest';
import { eventually } from './support/eventually.js';
import { asRole } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const POOLS = '/api/v1/ipam/pools';
const ALLOCATIONS = '/api/v1/ipam/allocations';

interface AllocationBody {
  id: string;
  address: string;
  lastAddress: string;
  status: string;
  hostname: string | null;
  version: number;
  allocatedBy: string;
  quarantinedUntil: string | null;
}

describe('allocations', () => {
  let t: TestApp;
  let admin: Agent;
  let operator: Agent;
  let viewer: Agent;
  let networks = 0;

  beforeAll(async () => {
    t = await startTestApp();
    [admin, operator, viewer] = await Promise.all([asRole(t, 'admin'), asRole(t, 'operator'), asRole(t, 'viewer')]);
  });

  afterAll(() => t.close());

  afterEach(async () => {
    expect(await t.sql('SELECT * FROM ipam_drift()')).toEqual([]);
  });

  /** A pool of a length in a network no other test uses. */
  async function aPool(length = 24, more: object = {}): Promise<{ id: string; network: string; prefix: string }> {
    const second = ++networks;
    const network = `10.${second}.0.0/${length}`;
    const body: unknown = (
      await admin
        .post(POOLS)
        .send({ network, name: network, kind: 'subnet', cooldownSeconds: 0, ...more })
        .expect(201)
    ).body;
    return { id: (body as { id: string }).id, network, prefix: `10.${second}.0` };
  }

  async function allocate(poolId: string, body: object = {}): Promise<AllocationBody> {
    const response = await operator.post(`${POOLS}/${poolId}/allocations`).send(body);
    expect([response.status, (response.body as { detail?: string }).detail]).toEqual([201, undefined]);
    const [first] = (response.body as { items: AllocationBody[] }).items;
    return first!;
  }

  const usage = async (poolId: string): Promise<Record<string, string>> => {
    const body: unknown = (await viewer.get(`${POOLS}/${poolId}`).expect(200)).body;
    return (body as { usage: Record<string, string> }).usage;
  };

  it('I7: allocates a named address with all that is known of its holder', async () => {
    const pool = await aPool();
    const response = await operator
      .post(`${POOLS}/${pool.id}/allocations`)
      .send({
        address: `${pool.prefix}.10`,
        hostname: 'Web01.Example.NET.',
        mac: 'AABB.CCDD.EEFF',
        owner: 'Web team',
        purpose: 'shop',
        description: 'front',
      })
      .expect(201);
    const [made] = (response.body as { items: AllocationBody[] }).items;
    expect(made).toMatchObject({
      address: `${pool.prefix}.10`,
      hostname: 'web01.example.net',
      mac: 'aa:bb:cc:dd:ee:ff',
      owner: 'Web team',
      status: 'allocated',
      version: 1,
    });
    expect(made?.allocatedBy).toMatch(/^operator-/);
    expect(response.headers.location).toBe(`${ALLOCATIONS}/${made?.id ?? ''}`);
    expect((await viewer.get(response.headers.location ?? '').expect(200)).headers.etag).toBe('"1"');
    await viewer.post(`${POOLS}/${pool.id}/allocations`).send({}).expect(403);
  });

  it('I7: says why an address cannot be had', async () => {
    const pool = await aPool(24, { gateway: `10.${networks + 1}.0.1` });
    const taken = await allocate(pool.id, { address: `${pool.prefix}.20` });
    const cases: [object, number, string, object][] = [
      [{ address: '192.0.2.1' }, 422, 'address_outside_pool', { errors: [{ pointer: '/address' }] }],
      [{ address: '2001:db8::1' }, 422, 'address_outside_pool', {}],
      [{ address: `${pool.prefix}.0` }, 422, 'address_is_network_address', {}],
      [{ address: `${pool.prefix}.255` }, 422, 'address_is_broadcast_address', {}],
      [{ address: `${pool.prefix}.1` }, 409, 'address_is_gateway', {}],
      [{ address: `${pool.prefix}.20` }, 409, 'address_taken', { allocationId: taken.id, holderStatus: 'allocated' }],
      [{ address: `${pool.prefix}.10`, lastAddress: `${pool.prefix}.30`, status: 'reserved' }, 409, 'address_taken', {}],
      [{ address: `${pool.prefix}.30`, lastAddress: `${pool.prefix}.10`, status: 'reserved' }, 422, 'range_backwards', {}],
      [{ address: `${pool.prefix}.30`, lastAddress: `${pool.prefix}.40` }, 422, 'range_not_allocatable', {}],
      [{ count: 2, hostname: 'two' }, 422, 'one_name_one_address', {}],
      [{ count: 1001 }, 422, 'invalid_body', { errors: [{ pointer: '/count' }] }],
      [{ hostname: '-bad-' }, 422, 'invalid_body', { errors: [{ pointer: '/hostname' }] }],
      [{ mac: 'aa:bb' }, 422, 'invalid_body', { errors: [{ pointer: '/mac' }] }],
      [{ address: '010.0.0.1' }, 422, 'invalid_body', {}],
    ];
    for (const [body, status, code, more] of cases) {
      const response = await operator.post(`${POOLS}/${pool.id}/allocations`).send(body);
      expect({ body, status: response.status, code: (response.body as { code: string }).code }).toEqual({ body, status, code });
      expect(response.body).toMatchObject(more);
    }
    await operator.post(`${POOLS}/01890000-0000-7000-8000-000000000000/allocations`).send({}).expect(404);
    await operator.post(`${POOLS}/nonsense/allocations`).send({}).expect(404);
  });

  it('I8, ASVS 2.3.4: gives 200 parallel callers of a /24 distinct addresses, and the rest a 409', async () => {
    const pool = await aPool(24, { gateway: `10.${networks + 1}.0.1` });
    const first = await Promise.all(Array.from({ length: 200 }, () => operator.post(`${POOLS}/${pool.id}/allocations`).send({})));
    expect(first.map((r) => r.status)).toEqual(first.map(() => 201));
    const addresses = first.map((r) => (r.body as { items: AllocationBody[] }).items[0]?.address);
    expect(new Set(addresses).size).toBe(200);
    expect(addresses).not.toContain(`${pool.prefix}.1`);
    const rest = await Promise.all(Array.from({ length: 60 }, () => operator.post(`${POOLS}/${pool.id}/allocations`).send({})));
    expect(rest.filter((r) => r.status === 201)).toHaveLength(53);
    const refused = rest.filter((r) => r.status === 409);
    expect(refused).toHaveLength(7);
    expect(refused[0]?.body).toMatchObject({ code: 'pool_exhausted', poolId: pool.id, possible: 0 });
    expect(await usage(pool.id)).toMatchObject({ free: '0', allocated: '253', reserved: '1', usable: '254' });
  });

  it('I8: never offers child pools, reserved ranges, the gateway or what rests', async () => {
    const pool = await aPool(27, { gateway: `10.${networks + 1}.0.3`, cooldownSeconds: 3600 });
    await admin
      .post(POOLS)
      .send({ network: `${pool.prefix}.8/29`, name: 'child', kind: 'subnet' })
      .expect(201);
    await allocate(pool.id, { address: `${pool.prefix}.16`, lastAddress: `${pool.prefix}.23`, status: 'reserved' });
    const resting = await allocate(pool.id);
    await operator.delete(`${ALLOCATIONS}/${resting.id}`).expect(204);
    const body: unknown = (await operator.post(`${POOLS}/${pool.id}/allocations`).send({ count: 11 }).expect(201)).body;
    const got = (body as { items: AllocationBody[] }).items.map((a) => Number(a.address.split('.')[3]));
    expect(resting.address).toBe(`${pool.prefix}.1`);
    expect(got).toEqual([2, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29]);
  });

  it('I8: n at once are all or none, lowest first or anywhere', async () => {
    const pool = await aPool(28);
    const lowest = await operator.post(`${POOLS}/${pool.id}/allocations`).send({ count: 4 }).expect(201);
    expect((lowest.body as { items: AllocationBody[] }).items.map((a) => a.address)).toEqual(
      [1, 2, 3, 4].map((n) => `${pool.prefix}.${n}`),
    );
    expect((await operator.post(`${POOLS}/${pool.id}/allocations`).send({ count: 11 }).expect(409)).body).toMatchObject({
      code: 'pool_exhausted',
      possible: 10,
    });
    expect((await usage(pool.id)).free).toBe('10');
    const anywhere = await operator.post(`${POOLS}/${pool.id}/allocations`).send({ count: 10, strategy: 'any' }).expect(201);
    expect(new Set((anywhere.body as { items: AllocationBody[] }).items.map((a) => a.address)).size).toBe(10);
    expect((await usage(pool.id)).free).toBe('0');
  });

  it('I8: replays the same answer for the same Idempotency-Key, also when both come at once', async () => {
    const pool = await aPool();
    const post = (body: object) => operator.post(`${POOLS}/${pool.id}/allocations`).set('idempotency-key', 'deploy-42').send(body);
    const answers = await Promise.all([post({ hostname: 'a' }), post({ hostname: 'a' }), post({ hostname: 'a' })]);
    expect(answers.map((r) => r.status)).toEqual([201, 201, 201]);
    expect(answers[1].body).toEqual(answers[0].body);
    expect(answers[2].body).toEqual(answers[0].body);
    expect((await usage(pool.id)).allocated).toBe('1');
    expect((await post({ hostname: 'b' }).expect(422)).body).toMatchObject({ code: 'idempotency_key_reused' });
    const other = await asRole(t, 'operator');
    await other.post(`${POOLS}/${pool.id}/allocations`).set('idempotency-key', 'deploy-42').send({ hostname: 'a' }).expect(201);
    expect((await usage(pool.id)).allocated).toBe('2');
  });

  it('I8: a request that failed has not used up its Idempotency-Key', async () => {
    const pool = await aPool(31);
    await operator.post(`${POOLS}/${pool.id}/allocations`).send({ count: 2 }).expect(201);
    const retry = () => operator.post(`${POOLS}/${pool.id}/allocations`).set('idempotency-key', 'again').send({});
    await retry().expect(409);
    const body: unknown = (await operator.get(`${POOLS}/${pool.id}/allocations`).expect(200)).body;
    await operator.delete(`${ALLOCATIONS}/${(body as { items: AllocationBody[] }).items[0]?.id ?? ''}`).expect(204);
    await retry().expect(201);
  });

  it('I9: every pair of states: reserved may become allocated or blocked, everything else goes through a release', async () => {
    const pool = await aPool();
    const allowed = new Set(['reserved allocated', 'reserved blocked']);
    for (const from of ['allocated', 'reserved', 'blocked'])
      for (const to of ['allocated', 'reserved', 'blocked']) {
        const { id } = await allocate(pool.id, { status: from });
        const response = await operator.patch(`${ALLOCATIONS}/${id}`).send({ status: to });
        const expected = from === to || allowed.has(`${from} ${to}`) ? 200 : 409;
        expect([from, to, response.status]).toEqual([from, to, expected]);
        const raw = t.sql('UPDATE allocations SET status = $2 WHERE id = $1', [(await allocate(pool.id, { status: from })).id, to]);
        const stored = await raw.then(
          () => 200,
          (error: unknown) => (error instanceof Error && 'code' in error && error.code === 'CD409' ? 409 : 500),
        );
        expect([from, to, stored]).toEqual([from, to, expected]);
        const events = await t.sql(`SELECT FROM audit_events WHERE resource_id = $1 AND action = 'allocation.updated'`, [id]);
        expect(events).toHaveLength(expected === 200 && from !== to ? 1 : 0);
        await operator.delete(`${ALLOCATIONS}/${id}`).expect(204);
        expect((await operator.patch(`${ALLOCATIONS}/${id}`).send({ status: to }).expect(409)).body).toMatchObject({
          code: 'allocation_released',
        });
      }
  });

  it('I10: a released address rests for its pool’s cooldown, then is free again; its history stays', async () => {
    const pool = await aPool(30, { cooldownSeconds: 600 });
    const first = await allocate(pool.id, { hostname: 'first' });
    await operator.delete(`${ALLOCATIONS}/${first.id}`).expect(204);
    const rested = await viewer.get(`${ALLOCATIONS}/${first.id}`).expect(200);
    expect(rested.body).toMatchObject({ status: 'quarantined', version: 2 });
    expect(await usage(pool.id)).toMatchObject({ quarantined: '1', free: '1', allocated: '0' });
    const refused = await operator.post(`${POOLS}/${pool.id}/allocations`).send({ address: first.address }).expect(409);
    expect(refused.body).toMatchObject({ code: 'address_quarantined', allocationId: first.id });
    expect((await operator.delete(`${ALLOCATIONS}/${first.id}`).expect(409)).body).toMatchObject({ code: 'allocation_released' });
    expect((await allocate(pool.id)).address).toBe(`${pool.prefix}.2`);
    await operator.post(`${POOLS}/${pool.id}/allocations`).send({}).expect(409);
    await t.sql(`UPDATE allocations SET quarantined_until = now() - interval '1 second' WHERE id = $1`, [first.id]);
    const second = await allocate(pool.id, { hostname: 'second' });
    expect(second.address).toBe(first.address);
    const body: unknown = (await viewer.get(`/api/v1/ipam/history?ip=${first.address}`).expect(200)).body;
    expect((body as { items: AllocationBody[] }).items.map((a) => [a.hostname, a.status])).toEqual([
      ['second', 'allocated'],
      ['first', 'released'],
    ]);
  });

  it('I10: gives rested addresses back although nobody asks for one', async () => {
    const pool = await aPool(30, { cooldownSeconds: 600 });
    const first = await allocate(pool.id);
    await operator.delete(`${ALLOCATIONS}/${first.id}`).expect(204);
    await t.sql(`UPDATE allocations SET quarantined_until = now() - interval '1 second' WHERE id = $1`, [first.id]);
    await t.sql(`INSERT INTO jobs (name) VALUES ('ipam.return-rested')`);
    await eventually(async () => (await usage(pool.id)).quarantined === '0');
    expect(await usage(pool.id)).toMatchObject({ free: '2' });
    expect((await viewer.get(`${ALLOCATIONS}/${first.id}`).expect(200)).body).toMatchObject({ status: 'released' });
  });

  it('I10: tells who held an address at a time, the one or none, after many hands', async () => {
    const pool = await aPool(32);
    const day = (n: number): string => `2026-03-${String(n).padStart(2, '0')}T12:00:00Z`;
    for (let n = 0; n < 5; n++) {
      const { id } = await allocate(pool.id, { hostname: `holder${n}` });
      await operator.delete(`${ALLOCATIONS}/${id}`).expect(204);
      await t.sql('UPDATE allocations SET allocated_at = $2, released_at = $3, returned_at = $3 WHERE id = $1', [
        id,
        day(2 * n + 1),
        day(2 * n + 2),
      ]);
    }
    const at = async (time: string): Promise<(string | null)[]> => {
      const body: unknown = (await viewer.get(`/api/v1/ipam/history?ip=${pool.prefix}.0&at=${time}`).expect(200)).body;
      return (body as { items: AllocationBody[] }).items.map((a) => a.hostname);
    };
    for (let n = 0; n < 5; n++) {
      expect(await at(day(2 * n + 1))).toEqual([`holder${n}`]);
      expect(await at(`2026-03-${String(2 * n + 2).padStart(2, '0')}T13:00:00Z`)).toEqual([]);
    }
    expect(await at('2026-02-01T00:00:00Z')).toEqual([]);
    await viewer.get(`/api/v1/ipam/history?ip=${pool.prefix}.0&at=yesterday`).expect(400);
    await viewer.get('/api/v1/ipam/history?ip=10.0').expect(400);
    await viewer.get('/api/v1/ipam/history').expect(400);
  });

  it('I11: edits only what is sent, notes only what changed, and nothing for the same again', async () => {
    const pool = await aPool();
    const { id } = await allocate(pool.id, { hostname: 'old', owner: 'me', purpose: 'test' });
    const patched = await operator.patch(`${ALLOCATIONS}/${id}`).set('if-match', '"1"').send({ hostname: 'new', owner: null }).expect(200);
    expect(patched.body).toMatchObject({ hostname: 'new', owner: null, purpose: 'test', version: 2 });
    await operator.patch(`${ALLOCATIONS}/${id}`).send({ hostname: 'NEW' }).expect(200);
    await operator.patch(`${ALLOCATIONS}/${id}`).set('if-match', '"1"').send({ hostname: 'stale' }).expect(412);
    await operator.delete(`${ALLOCATIONS}/${id}`).set('if-match', '"1"').expect(412);
    const events = await t.sql<{ payload: string }>(
      `SELECT payload FROM audit_events WHERE resource_id = $1 AND action = 'allocation.updated'`,
      [id],
    );
    expect(events.map((e) => (JSON.parse(e.payload) as { changes: unknown }).changes)).toEqual([
      [
        { field: 'hostname', before: 'old', after: 'new' },
        { field: 'owner', before: 'me', after: null },
      ],
    ]);
    await viewer.patch(`${ALLOCATIONS}/${id}`).send({ hostname: 'x' }).expect(403);
  });

  it('I14: shows every address of a /24 with its status', async () => {
    const pool = await aPool(24, { gateway: `10.${networks + 1}.0.1`, cooldownSeconds: 60 });
    await admin
      .post(POOLS)
      .send({ network: `${pool.prefix}.128/25`, name: `child ${pool.network}`, kind: 'subnet' })
      .expect(201);
    const web = await allocate(pool.id);
    await allocate(pool.id, { address: `${pool.prefix}.10`, lastAddress: `${pool.prefix}.19`, status: 'reserved' });
    await allocate(pool.id, { address: `${pool.prefix}.20`, status: 'blocked' });
    await operator.delete(`${ALLOCATIONS}/${(await allocate(pool.id, { address: `${pool.prefix}.30` })).id}`).expect(204);
    const body: unknown = (await viewer.get(`${POOLS}/${pool.id}/map`).expect(200)).body;
    const cells = (body as { cells: { first: string; status: string; id: string | null }[] }).cells;
    expect(cells).toHaveLength(256);
    const status = (n: number): string | undefined => cells[n]?.status;
    expect(cells.every((cell, n) => cell.first === `${pool.prefix}.${n}`)).toBe(true);
    expect([0, 1, 2, 3, 10, 19, 20, 21, 30, 127, 128, 255].map(status)).toEqual([
      'network',
      'gateway',
      'allocated',
      'free',
      'reserved',
      'reserved',
      'blocked',
      'free',
      'quarantined',
      'free',
      'pool',
      'pool',
    ]);
    expect(cells[2]?.id).toBe(web.id);
  });

  it('I14: acts on each address of a range and says what became of it', async () => {
    const pool = await aPool(27, { gateway: `10.${networks + 1}.0.1` });
    await allocate(pool.id, { address: `${pool.prefix}.4`, status: 'reserved' });
    await allocate(pool.id, { address: `${pool.prefix}.6` });
    await allocate(pool.id, { address: `${pool.prefix}.8`, lastAddress: `${pool.prefix}.12`, status: 'blocked' });
    const act = async (action: string, first: number, last: number): Promise<string[]> => {
      const body: unknown = (
        await operator
          .post(`${POOLS}/${pool.id}/range-actions`)
          .set('x-request-id', `range-${action}-${first}`)
          .send({ action, first: `${pool.prefix}.${first}`, last: `${pool.prefix}.${last}` })
          .expect(200)
      ).body;
      return (body as { results: { address: string; outcome: string; code: string | null }[] }).results.map(
        (r) => `${r.address.split('.')[3] ?? ''} ${r.code ?? r.outcome}`,
      );
    };
    expect(await act('allocate', 0, 9)).toEqual([
      '0 address_is_network_address',
      '1 address_is_gateway',
      '2 done',
      '3 done',
      '4 done',
      '5 done',
      '6 unchanged',
      '7 done',
      '8 range_is_one',
      '9 range_is_one',
    ]);
    expect(await act('reserve', 6, 7)).toEqual(['6 status_change_refused', '7 status_change_refused']);
    expect(await act('release', 7, 10)).toEqual(['7 done', '8 range_straddles', '9 range_straddles', '10 range_straddles']);
    expect(await act('release', 8, 13)).toEqual(['8 done', '9 done', '10 done', '11 done', '12 done', '13 unchanged']);
    expect(await act('block', 30, 31)).toEqual(['30 done', '31 address_is_broadcast_address']);
    expect(await usage(pool.id)).toMatchObject({ allocated: '5', blocked: '1', reserved: '1' });
    const said = await t.sql<{ action: string; detail: unknown }>(
      `SELECT action, payload::jsonb -> 'detail' AS detail FROM audit_events WHERE correlation_id = 'range-block-30' ORDER BY id`,
    );
    expect(said).toMatchObject([
      { action: 'allocation.created' },
      { action: 'allocation.range_completed', detail: { action: 'block', done: 1, refused: 1 } },
    ]);
    await operator.post(`${POOLS}/${pool.id}/range-actions`).send({ action: 'block', first: '192.0.2.1', last: '192.0.2.2' }).expect(422);
    await viewer
      .post(`${POOLS}/${pool.id}/range-actions`)
      .send({ action: 'block', first: `${pool.prefix}.2`, last: `${pool.prefix}.3` })
      .expect(403);
  });

  it('I4: a /8 and a /64 answer like a /24, exact to the last address', async () => {
    const body: unknown = (await admin.post(POOLS).send({ network: '2001:db8:77::/64', name: 'six', kind: 'subnet' }).expect(201)).body;
    const six = (body as { id: string }).id;
    expect(await usage(six)).toMatchObject({ size: '18446744073709551616', usable: '18446744073709551615', free: '18446744073709551615' });
    expect((await allocate(six)).address).toBe('2001:db8:77::1');
    expect((await allocate(six, { address: '2001:db8:77:0:ffff:ffff:ffff:ffff' })).address).toBe('2001:db8:77:0:ffff:ffff:ffff:ffff');
    expect((await operator.post(`${POOLS}/${six}/allocations`).send({ address: '2001:db8:77::' }).expect(422)).body).toMatchObject({
      code: 'address_is_network_address',
    });
    await allocate(six, { address: '2001:db8:77::8000:0:0:0', lastAddress: '2001:db8:77::bfff:ffff:ffff:ffff', status: 'blocked' });
    expect(await usage(six)).toMatchObject({ blocked: '4611686018427387904', allocated: '2' });
    const cells = ((await viewer.get(`${POOLS}/${six}/map?cells=16`).expect(200)).body as { cells: { status: string; size: string }[] })
      .cells;
    expect(cells.map((c) => c.status)).toEqual([
      'mixed',
      ...Array<string>(7).fill('free'),
      ...Array<string>(4).fill('full'),
      ...Array<string>(3).fill('free'),
      'mixed',
    ]);
    const runs = ((await viewer.get(`${POOLS}/${six}/map?view=runs`).expect(200)).body as { cells: { first: string; status: string }[] })
      .cells;
    expect(runs.map((c) => c.status)).toEqual(['network', 'allocated', 'free', 'blocked', 'free', 'allocated']);
    const page = (await viewer.get(`${POOLS}/${six}/map?view=runs&limit=4`).expect(200)).body as { cells: unknown[]; next: string };
    const rest = (await viewer.get(`${POOLS}/${six}/map?view=runs&limit=4&after=${page.next}`).expect(200)).body as {
      cells: unknown[];
      next: null;
    };
    expect([page.cells.length, rest.cells.length, rest.next]).toEqual([4, 2, null]);
    const zoom = (await viewer.get(`${POOLS}/${six}/map?network=2001:db8:77::/120`).expect(200)).body as { cells: { status: string }[] };
    expect([zoom.cells.length, zoom.cells[0]?.status, zoom.cells[1]?.status, zoom.cells[2]?.status]).toEqual([
      256,
      'network',
      'allocated',
      'free',
    ]);
    const whole = await admin.post(POOLS).send({ network: '::/0', name: 'everything', kind: 'container' }).expect(201);
    expect((whole.body as { usage: { size: string } }).usage.size).toBe((2n ** 128n).toString());
    const top = await admin.post(POOLS).send({ network: 'ffff:ffff:ffff:ffff::/64', name: 'top', kind: 'subnet' }).expect(201);
    expect((await allocate((top.body as { id: string }).id, { address: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff' })).status).toBe(
      'allocated',
    );
    const v4 = await admin.post(POOLS).send({ network: '255.255.255.0/24', name: 'top4', kind: 'subnet' }).expect(201);
    expect((await allocate((v4.body as { id: string }).id, { address: '255.255.255.254' })).status).toBe('allocated');
  });

  it('I5: pages through a pool’s addresses in order without losing or repeating one', async () => {
    const pool = await aPool();
    await operator.post(`${POOLS}/${pool.id}/allocations`).send({ count: 120 }).expect(201);
    const seen: string[] = [];
    let next: string | null = '';
    while (next !== null) {
      const answer: { body: { items: AllocationBody[]; next: string | null } } = await viewer
        .get(`${POOLS}/${pool.id}/allocations?limit=50${next === '' ? '' : `&after=${next}`}`)
        .expect(200);
      seen.push(...answer.body.items.map((a) => a.address));
      next = answer.body.next;
    }
    expect(seen).toEqual(Array.from({ length: 120 }, (_, i) => `${pool.prefix}.${i + 1}`));
    await viewer.get(`${POOLS}/${pool.id}/allocations?after=nonsense`).expect(400);
    await viewer.get(`${POOLS}/${pool.id}/allocations?status=colour`).expect(400);
  });

  it('I8: the database refuses a second holder, an escape and a claim in a container in raw SQL', async () => {
    const pool = await aPool();
    const box = await admin.post(POOLS).send({ network: '172.16.0.0/12', name: 'box', kind: 'container' }).expect(201);
    const made = await allocate(pool.id, { address: `${pool.prefix}.5` });
    const insert = (poolId: string, address: string): Promise<unknown> =>
      t.sql(
        `INSERT INTO allocations (vrf_id, pool_id, address, last_address, status) SELECT vrf_id, id, $2::inet, $2::inet, 'allocated' FROM pools WHERE id = $1`,
        [poolId, address],
      );
    await expect(insert(pool.id, `${pool.prefix}.5`)).rejects.toThrow();
    await expect(insert(pool.id, '10.250.0.1')).rejects.toMatchObject({ code: 'CD422' });
    await expect(insert(pool.id, `${pool.prefix}.0`)).rejects.toMatchObject({ code: 'CD422' });
    await expect(insert((box.body as { id: string }).id, '172.16.0.1')).rejects.toMatchObject({ code: 'CD409' });
    await expect(t.sql('DELETE FROM allocations WHERE id = $1', [made.id])).rejects.toMatchObject({ code: 'CD409' });
    await expect(t.sql('TRUNCATE allocations')).rejects.toMatchObject({ code: 'CD409' });
    await expect(t.sql(`UPDATE allocations SET address = '${pool.prefix}.6' WHERE id = $1`, [made.id])).rejects.toThrow();
    await insert(pool.id, `${pool.prefix}.7`);
    expect((await usage(pool.id)).allocated).toBe('2');
  });
});
