import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { type Agent } from 'supertest';
import { type Assignment, effectiveRights } from '../src/users/roles/effective-rights.js';
import { currentContext } from '../src/platform/context/request-context.js';
import { UnitOfWork } from '../src/platform/database/unit-of-work.js';
import { newKey } from '../src/users/api-keys/key-format.js';
import { excessOf } from '../src/users/api-keys/key-rights.js';
import { eventsOf } from './support/audit-events.js';
import { Builders, type MadePool } from './support/builders.js';
import { eventually } from './support/eventually.js';
import { aKeyOf, aKeyOfKind, aPendingKey, aPerson, aProject, type MadeKey, withKey } from './support/examples/keys.js';
import { createUser, type TestUser } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { createTestDatabase } from './support/test-database.js';

const POOLS = '/api/v1/ipam/pools';
const MY_KEYS = '/api/v1/me/keys';
const KEYS = '/api/v1/keys';

interface Introspection {
  kind: string;
  permissions: string[];
  scopes: { permission: string; grants: { networks: string[] | null }[] }[];
}

describe('API keys', () => {
  let t: TestApp;
  let make: Builders;
  let operator: { agent: Agent; user: TestUser };
  let pool: MadePool;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false' });
    make = await Builders.of(t);
    operator = await aPerson(t, 'operator');
    pool = await make.aPool();
  });

  afterAll(() => t.close());

  const as = (secret: string): Agent => withKey(t, secret);
  const introspect = async (agent: Agent): Promise<Introspection> =>
    (await agent.get(`${KEYS}/introspect`).expect(200)).body as Introspection;
  const refusedSoon = (agent: Agent): Promise<unknown> => eventually(async () => (await agent.get(POOLS)).status === 401, 2000);
  const networksSeen = async (agent: Agent): Promise<string[]> =>
    ((await agent.get(POOLS).query({ limit: 1000 }).expect(200)).body as { items: { network: string }[] }).items.map(
      ({ network }) => network,
    );

  describe('their text', () => {
    it('K1, ASVS 11.4.2: the secret is in one answer that nobody keeps, and stored as a keyed digest', async () => {
      const answer = await operator.agent
        .post(MY_KEYS)
        .send({ name: 'once', permissions: ['pool:read'] })
        .expect(201);
      expect(answer.headers['cache-control']).toBe('no-store');
      const { id, secret, ...view } = answer.body as MadeKey & Record<string, unknown>;
      const [row] = await t.sql<{ digest: Buffer; last4: string }>('SELECT * FROM api_keys WHERE id = $1', [id]);
      expect(row?.digest).toHaveLength(32);
      expect(secret.slice(-10, -6)).toBe(row?.last4);
      const bare = secret.split('_')[3]?.slice(0, 40) ?? '';
      for (const elsewhere of [
        JSON.stringify(view),
        JSON.stringify(row),
        (await operator.agent.get(MY_KEYS)).text,
        (await make.root.get(`${KEYS}/${id}`)).text,
        JSON.stringify(await eventsOf(t, 'resource_id = $1', id)),
      ])
        expect(elsewhere.includes(bare)).toBe(false);
    });

    it('K1: the expression for secret scanners in the manual finds a real key in a text, and nothing in the same text without it', async () => {
      const page = readFileSync(new URL('../docs/api-keys.md', import.meta.url), 'utf8');
      const [, expression = ''] = /^```regexp\n(.+)\n```$/m.exec(page) ?? [];
      const { secret } = await aKeyOf(operator.agent);
      expect(new RegExp(expression).exec(`CADASTRE_KEY="${secret}"; curl`)?.[0]).toBe(secret);
      expect(new RegExp(expression).test(`CADASTRE_KEY="${secret.slice(0, -1)}"; curl`)).toBe(false);
    });

    it('K1: what is no key by its checksum is refused without asking the database', async () => {
      const { text } = newKey('owner');
      const work = t.app.get(UnitOfWork);
      const asked: string[] = [];
      const query = work.query.bind(work);
      work.query = (sql, parameters) => {
        // What runs beside requests, such as looking for changed settings, is not meant.
        if (currentContext()) asked.push(sql);
        return query(sql, parameters);
      };
      try {
        await as(`${text.slice(0, -1)}${text.endsWith('0') ? '1' : '0'}`)
          .get(POOLS)
          .expect(401);
        await as('cdst_junk').get(POOLS).expect(401);
        expect(asked).toEqual([]);
        await as(text).get(POOLS).expect(401);
        expect(asked.length).toBe(1);
      } finally {
        work.query = query;
      }
    });

    it('K1: Authorization and X-API-Key are the same, both at once are refused, and the URL is no place for a key', async () => {
      const { secret } = await aKeyOf(operator.agent);
      await as(secret).get(POOLS).expect(200);
      await t.anonymous.get(POOLS).set('x-api-key', secret).expect(200);
      await as(secret).get(POOLS).set('x-api-key', secret).expect(400);
      await t.anonymous.get(POOLS).query({ apiKey: secret }).expect(401);
    });

    it('K2, ASVS 6.3.8: whatever is wrong with a key, the answer is the same', async () => {
      const own = async (): Promise<MadeKey> => aKeyOf(operator.agent);
      const [revoked, expired, elsewhere, closed] = [await own(), await own(), await own(), await aPerson(t, 'viewer')];
      const ofClosed = await aKeyOf(closed.agent);
      await operator.agent.delete(`${MY_KEYS}/${revoked.id}`).expect(204);
      await t.sql(`UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1`, [expired.id]);
      await t.sql(`UPDATE api_keys SET address_ranges = '{192.0.2.0/24}' WHERE id = $1`, [elsewhere.id]);
      await t.sql('UPDATE users SET active = false WHERE id = $1', [closed.user.id]);
      const wrongSecret = revoked.secret.slice(0, 20) + newKey('owner').text.slice(20);
      const bodies = new Set<string>();
      for (const secret of [
        revoked.secret,
        expired.secret,
        elsewhere.secret,
        ofClosed.secret,
        newKey('owner').text,
        wrongSecret,
        'cdst_x',
      ]) {
        const answer = await as(secret).get(POOLS).expect(401);
        bodies.add(JSON.stringify({ ...(answer.body as object), requestId: '' }));
      }
      expect([...bodies]).toEqual([expect.stringContaining('"unauthenticated"')]);
    });
  });

  describe('what they may do', () => {
    it('K10: a key with pool:read lists pools and cannot make one, and the trail names the key', async () => {
      const key = await aKeyOf(operator.agent, { name: 'robot', permissions: ['pool:read', 'allocation:write'] });
      expect(await networksSeen(as(key.secret))).toContain(pool.network);
      const refused = await as(key.secret).post(POOLS).send({ network: '10.250.0.0/24', name: 'x', kind: 'subnet' }).expect(403);
      expect((refused.body as { code: string }).code).toBe('forbidden');
      await as(key.secret).post(`${POOLS}/${pool.id}/allocations`).set('x-request-id', 'by-a-robot').send({}).expect(201);
      expect(await eventsOf(t, `correlation_id = 'by-a-robot'`)).toMatchObject([
        { action: 'allocation.created', actor: { kind: 'api_key', id: key.id, name: 'robot', ownerId: operator.user.id } },
      ]);
    });

    it('K2, ASVS 8.3.3: a key loses what its owner loses, within a second, and gets back what comes back', async () => {
      const { agent, user } = await aPerson(t, 'operator');
      const { secret } = await aKeyOf(agent, { permissions: ['pool:read', 'allocation:write'] });
      expect((await introspect(as(secret))).permissions).toEqual(['allocation:write', 'pool:read', 'profile:read']);
      await t.sql(`UPDATE user_roles SET role_id = (SELECT id FROM roles WHERE name = 'viewer') WHERE user_id = $1`, [user.id]);
      await eventually(async () => (await introspect(as(secret))).permissions.join() === 'pool:read,profile:read', 2000);
      await t.sql(`UPDATE user_roles SET networks = '{10.77.0.0/16}' WHERE user_id = $1`, [user.id]);
      await eventually(async () => (await networksSeen(as(secret))).length === 0, 2000);
      await t.sql(`UPDATE users SET must_change_password = true WHERE id = $1`, [user.id]);
      await eventually(async () => (await introspect(as(secret))).permissions.join() === 'profile:read', 2000);
    });

    it('K2: a key that is limited sees what is inside its limits and its owner’s', async () => {
      const [a, b] = [await make.aPool(), await make.aPool()];
      const { secret } = await aKeyOf(operator.agent, { networks: [a.network] });
      expect(await networksSeen(as(secret))).toEqual([a.network]);
      await as(secret).get(`${POOLS}/${b.id}`).expect(404);
    });

    it('K2: a key of a project sees the project’s pools, as they are at the moment', async () => {
      const project = await aProject(make);
      const [a, b] = [await make.aPool(), await make.aPool()];
      const { secret } = await aKeyOfKind(make, 'admin', { projectId: project.id });
      const set = (...poolIds: string[]): Promise<unknown> =>
        make.root.put(`/api/v1/projects/${project.id}/pools`).send({ poolIds }).expect(200);
      expect(await networksSeen(as(secret))).toEqual([]);
      await set(a.id);
      expect(await networksSeen(as(secret))).toEqual([a.network]);
      await set(a.id, b.id);
      expect((await networksSeen(as(secret))).sort()).toEqual([a.network, b.network].sort());
      await make.root.delete(`${POOLS}/${a.id}`).expect(204);
      await eventually(async () => (await networksSeen(as(secret))).join() === b.network, 2000);
    });

    it('K2: a public key reads, from the addresses and origins it was made for', async () => {
      const body = { addressRanges: null, allowedOrigins: ['https://map.example.net'] };
      const { secret } = await aKeyOfKind(make, 'public', body);
      await as(secret).get(POOLS).expect(401);
      await as(secret).get(POOLS).set('origin', 'https://evil.example.net').expect(401);
      await as(secret).get(POOLS).set('origin', 'https://map.example.net').expect(200);
      const { secret: near } = await aKeyOfKind(make, 'public');
      await as(near).get(POOLS).expect(200);
      const { secret: far } = await aKeyOfKind(make, 'public', { addressRanges: ['192.0.2.0/24', '2001:db8::/32'] });
      await as(far).get(POOLS).expect(401);
      const owner = (await createUser(t)).id;
      const wanted = { kind: 'public', name: 'p', ownerId: owner, permissions: ['pool:read'] };
      expect((await make.root.post(KEYS).send(wanted).expect(422)).body).toMatchObject({ code: 'confinement_required' });
      const writing = { ...wanted, permissions: ['pool:read', 'allocation:write'], addressRanges: ['127.0.0.0/8'] };
      expect((await make.root.post(KEYS).send(writing).expect(422)).body).toMatchObject({
        code: 'permission_not_grantable',
        errors: [{ pointer: '/permissions/1' }],
      });
    });

    it('K2: no key has what is for people alone: not to make keys, not to change a password, not to be a session', async () => {
      const refused = await make.root
        .post(MY_KEYS)
        .send({ name: 'x', permissions: ['key:write-own'] })
        .expect(422);
      expect((refused.body as { code: string }).code).toBe('permission_not_grantable');
      const { secret } = await aKeyOfKind(make, 'admin', { permissions: ['user:read', 'setting:read', 'audit:read'] });
      await t.sql(`UPDATE api_keys SET permissions = permissions || '{key:write,user:write,profile:write}' WHERE kind = 'admin'`);
      expect((await introspect(as(secret))).permissions).toEqual(['audit:read', 'profile:read', 'setting:read', 'user:read']);
      expect((await as(secret).get('/api/v1/me').expect(403)).body).toMatchObject({ code: 'person_required' });
    });

    it('K2: a person’s key gives away nobody else: others’ keys of other kinds cannot have what concerns the account alone', async () => {
      const ownerId = (await createUser(t, { roles: ['viewer'] })).id;
      for (const permission of ['audit:read-own', 'key:read-own', 'work-session:read'])
        await make.root
          .post(KEYS)
          .send({ kind: 'admin', name: 'spy', ownerId, permissions: [permission] })
          .expect(422);
      const { secret } = await aKeyOf(operator.agent, { permissions: ['key:read-own'] });
      const { items } = (await as(secret).get(MY_KEYS).expect(200)).body as { items: { ownerId: string }[] };
      expect(new Set(items.map((key) => key.ownerId))).toEqual(new Set([operator.user.id]));
    });

    it('K1: what is wanted of a key is checked: kinds, limits, lifetimes, owners', async () => {
      const ownerId = (await createUser(t)).id;
      const base = { kind: 'tenant', name: 'n', ownerId, permissions: ['pool:read'], networks: ['10.0.0.0/8'] };
      for (const [change, code] of [
        [{ networks: null }, 'limits_required'],
        [{ permissions: ['pool:read', 'audit:read'] }, 'permission_not_grantable'],
        [{ kind: 'admin', expiresInDays: 91 }, 'lifetime_too_long'],
        [{ expiresInDays: 366 }, 'lifetime_too_long'],
        [{ expiresInDays: 3651 }, 'invalid_body'],
        [{ ownerId: '01890000-0000-7000-8000-000000000000' }, 'unknown_owner'],
        [{ projectId: '01890000-0000-7000-8000-000000000000' }, 'unknown_project'],
        [{ kind: 'owner' }, 'invalid_body'],
        [{ networks: ['10.0.0.1/8'] }, 'invalid_body'],
        [{ allowedOrigins: ['https://a.example.net/path'] }, 'invalid_body'],
      ] as const)
        expect({ change, ...((await make.root.post(KEYS).send({ ...base, ...change })).body as object) }).toMatchObject({
          change,
          status: 422,
          code,
        });
    });
  });

  it('K2: how long a key may live is for the setting to say, up to ten years', async () => {
    const days = ({ expiresAt }: MadeKey): number => Math.round((Date.parse(expiresAt) - Date.now()) / 86_400_000);
    await make.root.put('/api/v1/settings/keys.maxLifetimeDays').send({ value: 3650 }).expect(200);
    const key = await aKeyOfKind(make, 'tenant', { expiresInDays: 3650 });
    expect(days(key)).toBe(3650);
    await make.root.put('/api/v1/settings/keys.maxLifetimeDays').send({ value: 30 }).expect(200);
    expect((await make.root.patch(`${KEYS}/${key.id}`).send({ expiresInDays: 31 }).expect(422)).body).toMatchObject({
      code: 'lifetime_too_long',
      detail: 'A key of this kind lives 30 days at most.',
    });
    await make.root.patch(`${KEYS}/${key.id}`).send({ expiresInDays: 30 }).expect(200);
    await make.root.delete('/api/v1/settings/keys.maxLifetimeDays').expect(204);
  });

  describe('who may make them', () => {
    it('K2: keys of the kind admin are made, changed and rotated by superusers alone', async () => {
      const { agent } = await aPerson(t, 'admin');
      const ownerId = (await createUser(t)).id;
      const body = { kind: 'admin', name: 'n', ownerId, permissions: ['pool:read'] };
      expect((await agent.post(KEYS).send(body).expect(403)).body).toMatchObject({ code: 'superuser_required' });
      const { id } = await aKeyOfKind(make, 'admin');
      await agent.patch(`${KEYS}/${id}`).send({ name: 'm' }).expect(403);
      await agent.post(`${KEYS}/${id}/rotate`).send({}).expect(403);
      await agent.delete(`${KEYS}/${id}`).expect(204);
    });

    it('K2: an administrator can revoke a person’s key, but never get its secret', async () => {
      const { id } = await aKeyOf(operator.agent);
      expect((await make.root.post(`${KEYS}/${id}/rotate`).send({}).expect(403)).body).toMatchObject({ code: 'not_your_key' });
      await make.root.post(`${MY_KEYS}/${id}/rotate`).send({}).expect(404);
      await make.root.delete(`${MY_KEYS}/${id}`).expect(404);
      await make.root
        .patch(`${KEYS}/${id}`)
        .send({ networks: ['10.0.0.0/8'] })
        .expect(200);
      await make.root.delete(`${KEYS}/${id}`).expect(204);
    });

    it('K2, ASVS 8.2.1: over HTTP, nobody can give a key more than they hold, nor where', async () => {
      // A role that may make keys, and little else, so that there is much to ask for in vain.
      await t.sql(`INSERT INTO roles (name) VALUES ('keymaker')`);
      await t.sql(
        `INSERT INTO role_permissions (role_id, permission)
         SELECT id, p FROM roles, unnest(ARRAY['key:write', 'key:write-own', 'profile:read', 'pool:read', 'audit:read']) p WHERE name = 'keymaker'`,
      );
      const { agent, user } = await aPerson(t, 'keymaker');
      await t.sql(
        `INSERT INTO user_roles (user_id, role_id, assigned_by, networks) SELECT $1, id, 'test', '{10.64.0.0/10}' FROM roles WHERE name = 'operator'`,
        [user.id],
      );
      const assignments = await t.sql<{ role: string; permissions: string[]; networks: string[] | null }>(
        `SELECT r.name AS role, ur.networks::text[] AS networks, array_agg(rp.permission) AS permissions
           FROM user_roles ur JOIN roles r ON r.id = ur.role_id JOIN role_permissions rp ON rp.role_id = r.id
          WHERE ur.user_id = $1 GROUP BY r.name, ur.networks`,
        [user.id],
      );
      const held = effectiveRights(assignments.map((a): Assignment => ({ ...a, vrfIds: null, expiresAt: null })));
      const ownerId = (await createUser(t, { roles: ['admin'] })).id;
      const asked = fc.record({
        kind: fc.constantFrom<'owner' | 'tenant'>('owner', 'tenant'),
        permissions: fc.uniqueArray(
          fc.constantFrom('pool:read', 'vrf:read', 'allocation:write', 'pool:write', 'ipam:export', 'search:read'),
          {
            minLength: 1,
          },
        ),
        networks: fc.constantFrom(['10.64.0.0/10'], ['10.65.0.0/16', '10.127.255.0/24'], ['10.0.0.0/8'], ['10.65.0.0/16', '192.0.2.0/24']),
      });
      await fc.assert(
        fc.asyncProperty(asked, async ({ kind, ...terms }) => {
          const limits = [{ vrfIds: null, networks: terms.networks }];
          const excess = excessOf({ permissions: terms.permissions, limits }, held, kind);
          const answer =
            kind === 'owner'
              ? await agent.post(MY_KEYS).send({ name: 'k', ...terms })
              : await agent.post(KEYS).send({ name: 'k', kind, ownerId, ...terms });
          expect({ excess, status: answer.status }).toEqual({ excess, status: excess.length > 0 ? 403 : 201 });
          const refusal = { code: 'exceeds_your_rights', permissions: excess };
          expect(answer.body).toMatchObject(excess.length > 0 ? refusal : { name: 'k' });
          if (excess.length > 0) return;
          const found = await introspect(as((answer.body as MadeKey).secret));
          for (const permission of found.permissions.filter((p) => p !== 'profile:read')) {
            expect(held.permissions.has(permission)).toBe(true);
            const grants = found.scopes.find((scope) => scope.permission === permission)?.grants ?? [];
            expect(excessOf({ permissions: [permission], limits: grants.map((g) => ({ vrfIds: null, ...g })) }, held, 'tenant')).toEqual(
              [],
            );
          }
        }),
        { numRuns: 40 },
      );
    });

    it('K2: what was asked for in one’s own limits cannot be widened by somebody who holds less', async () => {
      const { agent } = await aPerson(t, 'keymaker');
      const { id } = await aKeyOfKind(make, 'tenant', { permissions: ['pool:read'] });
      await agent
        .patch(`${KEYS}/${id}`)
        .send({ permissions: ['pool:read', 'allocation:write'] })
        .expect(403);
      const strong = await aKeyOfKind(make, 'tenant', { permissions: ['allocation:write'] });
      await agent.post(`${KEYS}/${strong.id}/rotate`).send({}).expect(403);
      await agent.patch(`${KEYS}/${strong.id}`).send({ name: 'renamed' }).expect(403);
    });
  });

  describe('their end', () => {
    it('K2, ASVS 7.4.1: revoking is effective at once here, and within a second when another instance did it', async () => {
      const { id, secret } = await aKeyOf(operator.agent);
      const calls = as(secret);
      await calls.get(POOLS).expect(200);
      await operator.agent.delete(`${MY_KEYS}/${id}`).set('if-match', '"99"').expect(412);
      await operator.agent.delete(`${MY_KEYS}/${id}`).expect(204);
      await calls.get(POOLS).expect(401);
      await operator.agent.delete(`${MY_KEYS}/${id}`).expect(204);

      const brief = await aKeyOf(operator.agent);
      await as(brief.secret).get(POOLS).expect(200);
      await t.sql(`UPDATE api_keys SET revoked_at = now(), revoke_reason = 'revoked' WHERE id = $1`, [brief.id]);
      await refusedSoon(as(brief.secret));
    });

    it('K3: across a rotation a caller that never stops sees no 401; the old secret dies when the grace is over; the lineage stays', async () => {
      const old = await aKeyOf(operator.agent, { networks: [pool.network], expiresInDays: 30 });
      let secret = old.secret;
      const stop = new AbortController();
      const statuses: number[] = [];
      const caller = (async () => {
        while (!stop.signal.aborted) statuses.push((await as(secret).get(POOLS)).status);
      })();
      await eventually(() => statuses.length > 5);
      const answer = await operator.agent.post(`${MY_KEYS}/${old.id}/rotate`).send({ graceSeconds: 600 }).expect(201);
      const next = answer.body as MadeKey & { replaces: string };
      const soFar = statuses.length;
      await eventually(() => statuses.length > soFar + 5);
      secret = next.secret;
      const swapped = statuses.length;
      await eventually(() => statuses.length > swapped + 5);
      stop.abort();
      await caller;
      expect(new Set(statuses)).toEqual(new Set([200]));
      expect(next.replaces).toBe(old.id);
      const before = (await make.root.get(`${KEYS}/${old.id}`).expect(200)).body as Record<string, unknown>;
      expect(before).toMatchObject({ state: 'in_grace', replacedBy: next.id });
      expect(await networksSeen(as(next.secret))).toEqual([pool.network]);
      expect(Math.round((Date.parse(next.expiresAt) - Date.now()) / 86_400_000)).toBe(30);

      await t.sql(`UPDATE api_keys SET grace_until = now() WHERE id = $1`, [old.id]);
      await refusedSoon(as(old.secret));
      await as(next.secret).get(POOLS).expect(200);
      expect((await make.root.get(`${KEYS}/${old.id}`)).body).toMatchObject({ state: 'replaced', replacedBy: next.id });
      expect((await operator.agent.post(`${MY_KEYS}/${old.id}/rotate`).send({}).expect(409)).body).toMatchObject({ code: 'key_not_live' });
    });

    it('K3: the end of a grace holds to the moment, whatever was remembered', async () => {
      const old = await aKeyOf(operator.agent);
      await operator.agent.post(`${MY_KEYS}/${old.id}/rotate`).send({ graceSeconds: 600 }).expect(201);
      await t.sql(`UPDATE api_keys SET grace_until = clock_timestamp() + interval '700 milliseconds' WHERE id = $1`, [old.id]);
      const [row] = await t.sql<{ until: Date }>('SELECT grace_until AS until FROM api_keys WHERE id = $1', [old.id]);
      const until = row!.until.getTime();
      const late: number[] = [];
      await eventually(async () => {
        const asked = Date.now();
        const { status } = await as(old.secret).get(POOLS);
        if (status === 200 && asked > until + 50) late.push(asked - until);
        return status === 401;
      });
      expect(late).toEqual([]);
      expect(Date.now()).toBeGreaterThanOrEqual(until - 50);
    });

    it('K3: of two rotations at once one wins', async () => {
      const { id } = await aKeyOf(operator.agent);
      const both = await Promise.all([1, 2, 3].map(() => operator.agent.post(`${MY_KEYS}/${id}/rotate`).send({})));
      expect(both.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
      expect(await t.sql('SELECT FROM api_keys WHERE replaces = $1', [id])).toHaveLength(1);
    });

    it('K4: what waits is collected by its owner, once; without a secret it opens nothing', async () => {
      const { agent } = await aPerson(t, 'viewer');
      const old = await aKeyOf(agent);
      const pending = await aPendingKey(t, old.id);
      await operator.agent.post(`${MY_KEYS}/${pending}/collect`).expect(404);
      const both = await Promise.all([1, 2].map(() => agent.post(`${MY_KEYS}/${pending}/collect`)));
      expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
      const { secret } = both.find(({ status }) => status === 200)!.body as MadeKey;
      await as(secret).get(POOLS).expect(200);
      await as(old.secret).get(POOLS).expect(200);
      expect((await agent.post(`${MY_KEYS}/${pending}/collect`).expect(409)).body).toMatchObject({ code: 'key_not_pending' });
    });

    it('K1: a project that is archived takes its keys along, also in a race with one being made', async () => {
      const { id } = await aProject(make);
      const key = await aKeyOfKind(make, 'tenant', { projectId: id });
      const ownerId = (await createUser(t)).id;
      const body = { kind: 'tenant', name: 'late', ownerId, projectId: id, permissions: ['pool:read'], networks: ['10.0.0.0/8'] };
      const [, ...made] = await Promise.all([
        make.root.post(`/api/v1/projects/${id}/archive`),
        ...[1, 2, 3, 4].map(() => make.root.post(KEYS).send(body)),
      ]);
      expect(made.every(({ status }) => [201, 409].includes(status))).toBe(true);
      expect(await t.sql('SELECT FROM api_keys WHERE project_id = $1 AND revoked_at IS NULL', [id])).toEqual([]);
      await as(key.secret).get(POOLS).expect(401);
      await make.root.post(`${KEYS}/${key.id}/rotate`).send({}).expect(409);
    });

    it('K1: accounts that own keys cannot be deleted', async () => {
      const { user, agent } = await aPerson(t, 'viewer');
      await aKeyOf(agent);
      await expect(t.sql('DELETE FROM users WHERE id = $1', [user.id])).rejects.toMatchObject({ constraint: 'api_keys_owner' });
    });
  });

  describe('tenant tokens', () => {
    let tenant: MadeKey;
    let parts: MadePool[];

    beforeAll(async () => {
      parts = [await make.aPool(), await make.aPool(), await make.aPool()];
      for (const { id } of parts) await make.root.post(`${POOLS}/${id}/allocations`).send({ owner: 'Web' }).expect(201);
      tenant = await aKeyOfKind(make, 'tenant', {
        networks: parts.slice(0, 2).map(({ network }) => network),
        permissions: ['pool:read', 'vrf:read', 'allocation:read'],
      });
    });

    const derive = async (body: object): Promise<{ id: string; token: string; expiresAt: string }> =>
      (
        await as(tenant.secret)
          .post('/api/v1/tenant-tokens')
          .send({ ttlSeconds: 3600, ...body })
          .expect(201)
      ).body as {
        id: string;
        token: string;
        expiresAt: string;
      };

    it('K5: read, limited and restricted tokens see different rows, none beyond the key', async () => {
      const [a, b] = parts.map(({ network }) => network);
      const named = { networks: [a] };
      const seen = async (token: string): Promise<unknown> => {
        const answer = await as(token).get(`${POOLS}/${parts[0]!.id}/allocations`);
        const addresses = answer.status === 200 ? (answer.body as { items: object[] }).items.length : answer.status;
        return { pools: await networksSeen(as(token)), addresses };
      };
      expect(await seen((await derive({ preset: 'read' })).token)).toEqual({ pools: [a, b], addresses: 1 });
      expect(await seen((await derive({ preset: 'limited', ...named })).token)).toEqual({ pools: [a], addresses: 1 });
      expect(await seen((await derive({ preset: 'restricted', ...named })).token)).toEqual({ pools: [a], addresses: 403 });
      expect(await seen((await derive({ permissions: ['pool:read'] })).token)).toEqual({ pools: [a, b], addresses: 403 });
    });

    it('K5: a token is never wider than its key, and only tenants’ keys derive them', async () => {
      const ask = (agent: Agent, body: object): Promise<unknown> =>
        agent
          .post('/api/v1/tenant-tokens')
          .send({ ttlSeconds: 60, ...body })
          .then(({ body: answer }) => (answer as { code: string }).code);
      expect(await ask(as(tenant.secret), { networks: [parts[2]!.network] })).toBe('wider_than_key');
      expect(await ask(as(tenant.secret), { networks: ['10.0.0.0/8'] })).toBe('wider_than_key');
      expect(await ask(as(tenant.secret), { permissions: ['allocation:write'] })).toBe('wider_than_key');
      expect(await ask(as(tenant.secret), { preset: 'limited' })).toBe('limits_required');
      expect(await ask(as(tenant.secret), { ttlSeconds: 86_401 })).toBe('invalid_body');
      expect(await ask(operator.agent, {})).toBe('tenant_key_required');
      expect(await ask(as((await aKeyOf(operator.agent)).secret), {})).toBe('tenant_key_required');
      expect(await ask(as((await derive({})).token), {})).toBe('tenant_key_required');
    });

    it('K5: revoking a token by its id is effective at once, and touches no other', async () => {
      const [one, other] = [await derive({}), await derive({})];
      await as(one.token).get(POOLS).expect(200);
      await operator.agent.delete(`/api/v1/tenant-tokens/${one.id}`).expect(404);
      await as(tenant.secret).delete(`/api/v1/tenant-tokens/${one.id}`).expect(204);
      await as(one.token).get(POOLS).expect(401);
      await as(other.token).get(POOLS).expect(200);
      await make.root.delete(`/api/v1/tenant-tokens/${other.id}`).expect(204);
      await as(other.token).get(POOLS).expect(401);
    });

    it('K5, ASVS 9.1.1: a token that was altered, expired, or signed otherwise is none', async () => {
      const { token } = await derive({});
      const [head = '', claims = '', signature = ''] = token.split('.');
      const wider = Buffer.from(
        JSON.stringify({
          ...(JSON.parse(Buffer.from(claims, 'base64url').toString()) as object),
          limits: [{ vrfIds: null, networks: null }],
        }),
      ).toString('base64url');
      const header = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
      const kid = tenant.secret.split('_')[2];
      for (const forged of [
        `${head}.${wider}.${signature}`,
        `${head}.${claims}.`,
        `${header({ alg: 'none', typ: 'tt+jwt', kid })}.${claims}.`,
        `${header({ alg: 'HS256', typ: 'tt+jwt', kid: 'another00000' })}.${claims}.${signature}`,
      ])
        await as(forged).get(POOLS).expect(401);
      expect(JSON.parse(Buffer.from(head, 'base64url').toString())).toEqual({ alg: 'HS256', typ: 'tt+jwt', kid });
    });

    it('K5: a token dies when its time is over, also one that was used a moment ago', async () => {
      const { token, expiresAt } = await derive({ ttlSeconds: 1 });
      await as(token).get(POOLS).expect(200);
      await eventually(async () => (await as(token).get(POOLS)).status === 401, 5000);
      expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expiresAt) - 1000);
    });

    it('K5: tokens die with their key, and the trail says whose key acted, by which token', async () => {
      const { id, token } = await derive({});
      await as(token).post(POOLS).set('x-request-id', 'by-a-tenant').send({}).expect(403);
      expect(await eventsOf(t, `correlation_id = 'by-a-tenant'`)).toMatchObject([
        { action: 'request.denied', actor: { kind: 'tenant_token', id: tenant.id, tokenId: id } },
      ]);
      await make.root.delete(`${KEYS}/${tenant.id}`).expect(204);
      await as(token).get(POOLS).expect(401);
    });
  });
});

describe('keys on several instances', () => {
  const PEPPERS = { old: `a:${'QUFB'.repeat(11)}`, both: `b:${'QkJC'.repeat(11)},a:${'QUFB'.repeat(11)}`, next: `b:${'QkJC'.repeat(11)}` };

  it('K2: a key revoked on one instance is refused by another within a second; a new pepper takes over at the next use', async () => {
    const database = await createTestDatabase();
    const start = (peppers: string): Promise<TestApp> =>
      startTestApp({ CADASTRE_JOBS: 'false', CADASTRE_PEPPER_KEYS: peppers, CADASTRE_JWT_KEYS: `k:${'SldU'.repeat(11)}` }, database);
    const first = await start(PEPPERS.old);
    const { agent } = await aPerson(first, 'viewer');
    const [kept, revoked, forgotten] = [await aKeyOf(agent), await aKeyOf(agent), await aKeyOf(agent)];

    const second = await start(PEPPERS.both);
    await withKey(second, revoked.secret).get(POOLS).expect(200);
    await agent.delete(`${MY_KEYS}/${revoked.id}`).expect(204);
    const at = performance.now();
    await eventually(async () => (await withKey(second, revoked.secret).get(POOLS)).status === 401);
    expect(performance.now() - at).toBeLessThan(1500);

    await withKey(second, kept.secret).get(POOLS).expect(200);
    await eventually(async () => (await second.sql(`SELECT FROM api_keys WHERE id = $1 AND pepper_kid = 'b'`, [kept.id])).length === 1);
    await first.close();
    await second.close();

    const third = await start(PEPPERS.next);
    await withKey(third, kept.secret).get(POOLS).expect(200);
    await withKey(third, forgotten.secret).get(POOLS).expect(401);
    await third.close();
    await database.drop();
  });
});
