import { type Agent } from 'supertest';
import { Builders } from './support/builders.js';
import { asRole, createUser, signIn, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

interface Found {
  items: { type: string; title: string; subtitle: string; path: string }[];
  searched: string[];
}

describe('the search over everything', () => {
  let t: TestApp;
  let make: Builders;
  let viewer: Agent;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false' });
    make = await Builders.of(t);
    viewer = await asRole(t, 'viewer');
    const pool = await make.aPool({ name: 'Zürich campus, servers', site: 'Zürich', description: 'behind the old firewall' });
    await make.root
      .post(`/api/v1/ipam/pools/${pool.id}/allocations`)
      .send({ hostname: 'web01.zrh.example.net', owner: 'Team Edge', purpose: 'shop front', mac: 'aa:bb:cc:00:00:01' })
      .expect(201);
    await make.root
      .post(`/api/v1/ipam/pools/${pool.id}/allocations`)
      .send({ hostname: 'db01.zrh.example.net', owner: 'Team Data' })
      .expect(201);
  });

  afterAll(() => t.close());

  const search = async (agent: Agent, query: Record<string, string>): Promise<Found> =>
    (await agent.get('/api/v1/search').query(query).expect(200)).body as Found;
  const titles = async (q: string, more: Record<string, string> = {}): Promise<string[]> =>
    (await search(viewer, { q, ...more })).items.map(({ title }) => title);

  it('K9: finds pools and addresses by the beginnings of words, wherever they stand', async () => {
    expect(await titles('web01')).toEqual(['web01.zrh.example.net']);
    expect(await titles('zrh edge')).toEqual(['web01.zrh.example.net']);
    expect((await titles('ZRH exam')).sort()).toEqual(['db01.zrh.example.net', 'web01.zrh.example.net']);
    expect(await titles('old fire')).toEqual(['Zürich campus, servers']);
    expect(await titles('zürich')).toEqual(['Zürich campus, servers']);
    expect(await titles('shop nothing')).toEqual([]);
  });

  it('K9: finds what is named outright: an address, a network, a MAC', async () => {
    const [first] = (await search(viewer, { q: 'web01' })).items;
    const address = first?.subtitle.split(',')[0] ?? '';
    expect(await titles(address)).toEqual(['web01.zrh.example.net', 'Zürich campus, servers']);
    expect(await titles(address, { types: 'address' })).toEqual(['web01.zrh.example.net']);
    expect(await titles('AABB.CC00.0001')).toEqual(['web01.zrh.example.net']);
    await viewer.get(first?.path ?? '').expect(200);
  });

  it('K9: what one may not read is not looked through, and the answer says so', async () => {
    expect((await search(viewer, { q: 'zrh' })).searched).toEqual(['pool', 'address']);
    const requestor = await asRole(t, 'requestor');
    expect(await search(requestor, { q: 'zrh' })).toEqual({ items: [], searched: ['pool'] });
  });

  it('K9, U5: limits of the right to read are limits of what is found', async () => {
    const user = await createUser(t, { roles: ['requestor'] });
    await t.sql(
      `INSERT INTO user_roles (user_id, role_id, assigned_by, networks) SELECT $1, id, 'test', '{192.0.2.0/24}' FROM roles WHERE name = 'viewer'`,
      [user.id],
    );
    const agent = withToken(t, (await signIn(t, user)).accessToken);
    // Pools it reads everywhere as a requestor; addresses as a viewer of other networks only.
    expect((await search(agent, { q: 'zürich' })).items).toHaveLength(1);
    expect((await search(agent, { q: 'zrh' })).items).toEqual([]);
  });

  it('K9: refuses what cannot be searched for, with the parameter', async () => {
    for (const [query, pointer] of [
      [{ q: '…' }, '?q'],
      [{ q: '' }, '?q'],
      [{}, '?q'],
      [{ q: 'a', types: 'pool,unicorn' }, '?types'],
      [{ q: 'a', limit: '0' }, '?limit'],
    ] as const)
      expect((await viewer.get('/api/v1/search').query(query).expect(400)).body).toMatchObject({ errors: [{ pointer }] });
    expect(await titles(`'); DROP TABLE users; --`)).toEqual([]);
    expect(await titles('a & b | c:* <-> !d')).toEqual([]);
  });
});
