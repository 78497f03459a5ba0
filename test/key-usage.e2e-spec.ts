import supertest, { type Agent } from 'supertest';
import { newKey } from '../src/users/api-keys/key-format.js';
import { KeyCareJob } from '../src/users/api-keys/key-care.job.js';
import { ExpiryRuns } from '../src/audit/expiry/expiry-runs.js';
import { KeyCare } from '../src/users/api-keys/key-care.js';
import { LATENCY_BOUNDS_MS } from '../src/users/api-keys/usage/buckets.js';
import { type EventState, eventStates } from '../src/users/api-keys/events/security-event.dto.js';
import { eventSteps } from '../src/users/api-keys/events/security-events.js';
import { UsageRecorder } from '../src/users/api-keys/usage/usage-recorder.js';
import { eventsOf } from './support/audit-events.js';
import { Builders } from './support/builders.js';
import { startProcess } from './support/child-process.js';
import { eventually } from './support/eventually.js';
import { aKeyOf, aPerson, aSecurityEvent, type MadeKey, withKey } from './support/examples/keys.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { createTestDatabase } from './support/test-database.js';

const POOLS = '/api/v1/ipam/pools';
const KEYS = '/api/v1/keys';
const EVENTS = '/api/v1/security-events';

interface Figures {
  requests: number;
  succeeded: number;
  successRate: number;
  p50Ms: number;
  p95Ms: number;
}

/** Uses of a key in the past, at another network. */
const usedBefore = (
  t: TestApp,
  keyId: string,
  hoursAgo: number,
  n: number,
  status = 2,
  ms = 3,
  network = '127.0.0.0/24',
): Promise<unknown> =>
  t.sql(
    `INSERT INTO api_key_usage (key_id, hour, route, status_class, address_prefix, n, ms_sum, ms_max, buckets)
     SELECT $1, date_trunc('hour', now()) - make_interval(hours => $2), 'GET /test', $4, $6::cidr, $3::bigint, $3 * $5::float8, $5::float8,
            ARRAY (SELECT CASE WHEN i = $7 THEN $3::bigint ELSE 0 END FROM generate_series(0, 11) i)`,
    [keyId, hoursAgo, n, status, ms, network, LATENCY_BOUNDS_MS.findIndex((bound) => ms <= bound)],
  );

describe('the use of keys', () => {
  let t: TestApp;
  let make: Builders;
  let viewer: Agent;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false' });
    make = await Builders.of(t);
    ({ agent: viewer } = await aPerson(t, 'viewer'));
  });

  afterAll(() => t.close());

  const flush = (): Promise<void> => t.app.get(UsageRecorder).flush();
  const call = async (key: MadeKey, times = 1, path = POOLS): Promise<void> => {
    for (let i = 0; i < times; i++) await withKey(t, key.secret).get(path);
    await flush();
  };
  const raised = (keyId: string | null): Promise<{ rule: string; severity: string }[]> =>
    t.sql('SELECT rule, severity FROM security_events WHERE key_id IS NOT DISTINCT FROM $1 ORDER BY rule', [keyId]);
  const rulesOf = async (keyId: string | null): Promise<string[]> => (await raised(keyId)).map(({ rule }) => rule);

  describe('counted', () => {
    it('K6: every use is counted by hour, route, outcome and network, and no use writes by itself', async () => {
      const key = await aKeyOf(viewer);
      for (let i = 0; i < 7; i++) await withKey(t, key.secret).get(POOLS).expect(200);
      await withKey(t, key.secret).get('/api/v1/users').expect(403);
      await withKey(t, key.secret).get(`${POOLS}/01890000-0000-7000-8000-000000000000`).expect(404);
      expect(await t.sql('SELECT FROM api_key_usage WHERE key_id = $1', [key.id])).toEqual([]);
      await flush();
      const rows = await t.sql(
        `SELECT route, status_class AS class, address_prefix::text AS network, n::int, ms_sum > 0 AS timed,
                (SELECT sum(b)::int FROM unnest(buckets) b) AS counted FROM api_key_usage WHERE key_id = $1 ORDER BY route, class`,
        [key.id],
      );
      const row = { network: '127.0.0.0/24', timed: true };
      expect(rows).toEqual([
        { route: 'GET /api/v1/ipam/pools', class: 2, n: 7, counted: 7, ...row },
        { route: 'GET /api/v1/ipam/pools/:id', class: 4, n: 1, counted: 1, ...row },
        { route: 'GET /api/v1/users', class: 4, n: 1, counted: 1, ...row },
      ]);
      await call(key, 3);
      expect(
        await t.sql(`SELECT n::int, buckets FROM api_key_usage WHERE key_id = $1 AND route = 'GET /api/v1/ipam/pools'`, [key.id]),
      ).toMatchObject([{ n: 10 }]);
    });

    it('K6: when it was last used is written once a minute at most', async () => {
      const key = await aKeyOf(viewer);
      const lastUsed = async (): Promise<{ at: string; from: string; version: number }> => {
        const { lastUsedAt, lastUsedAddress, version } = (await make.root.get(`${KEYS}/${key.id}`)).body as Record<string, string>;
        return { at: lastUsedAt!, from: lastUsedAddress!, version: Number(version) };
      };
      await call(key);
      const first = await lastUsed();
      expect(first).toMatchObject({ from: '127.0.0.1', version: 1 });
      await call(key, 3);
      expect(await lastUsed()).toEqual(first);
      await t.sql(`UPDATE api_keys SET last_used_at = last_used_at - interval '2 minutes' WHERE id = $1`, [key.id]);
      await call(key);
      expect((await lastUsed()).at >= first.at).toBe(true);
    });

    it('K6: what cannot be written stays counted', async () => {
      const key = await aKeyOf(viewer);
      await t.sql('ALTER TABLE api_key_usage RENAME TO api_key_usage_away');
      await call(key, 4);
      await t.sql('ALTER TABLE api_key_usage_away RENAME TO api_key_usage');
      await flush();
      expect(await t.sql('SELECT n::int FROM api_key_usage WHERE key_id = $1', [key.id])).toEqual([{ n: 4 }]);
    });
  });

  describe('reported', () => {
    it('K8: success rate, p50 and p95 are what SQL says of the same table', async () => {
      const key = await aKeyOf(viewer);
      for (const [hours, n, status, ms] of [
        [30, 40, 2, 4],
        [29, 9, 2, 80],
        [5, 3, 4, 9],
        [4, 7, 2, 700],
        [2, 2, 5, 9000],
      ] as const)
        await usedBefore(t, key.id, hours, n, status, ms);
      await call(key, 3);
      const view = (await make.root.get(`${KEYS}/${key.id}/usage`).query({ per: 'hour' }).expect(200)).body as {
        total: Figures;
        periods: (Figures & { at: string })[];
        routes: (Figures & { route: string })[];
      };
      const sql = async (where: string): Promise<Figures> => {
        const [row] = await t.sql<Figures>(
          `WITH answers AS (
             SELECT u.status_class, b.n, (ARRAY[${LATENCY_BOUNDS_MS.join(',')}])[b.i] AS bound FROM api_key_usage u, unnest(u.buckets) WITH ORDINALITY b (n, i)
              WHERE u.key_id = $1 AND ${where}),
           each AS (SELECT a.status_class, a.bound FROM answers a, generate_series(1, a.n))
           SELECT count(*)::int AS requests, count(*) FILTER (WHERE status_class < 4)::int AS succeeded,
                  (count(*) FILTER (WHERE status_class < 4))::float8 / count(*) AS "successRate",
                  percentile_disc(0.5) WITHIN GROUP (ORDER BY bound)::float8 AS "p50Ms",
                  percentile_disc(0.95) WITHIN GROUP (ORDER BY bound)::float8 AS "p95Ms"
             FROM each`,
          [key.id],
        );
        return row!;
      };
      expect(view.total).toMatchObject(await sql('true'));
      expect(view.periods).toHaveLength(6);
      for (const period of view.periods) expect(period).toMatchObject(await sql(`u.hour = '${period.at}'`));
      for (const route of view.routes) expect(route).toMatchObject(await sql(`u.route = '${route.route}'`));
      const days = (await make.root.get(`${KEYS}/${key.id}/usage`).expect(200)).body as { periods: { at: string }[] };
      expect(days.periods.every(({ at }) => at.endsWith('T00:00:00.000Z'))).toBe(true);
      const none = (
        await make.root.get(`${KEYS}/${key.id}/usage`).query({ from: '2020-01-01T00:00:00Z', to: '2020-02-01T00:00:00Z' }).expect(200)
      ).body as {
        total: unknown;
      };
      expect(none.total).toEqual({ requests: 0, succeeded: 0, successRate: null, p50Ms: null, p95Ms: null, slowestMs: null });
      for (const times of [
        { from: '2021-01-01T00:00:00Z', to: '2020-02-01T00:00:00Z' },
        { from: '20260101' },
        { to: '2026-W01' },
        { to: '2026-02-30T00:00:00Z' },
      ])
        await make.root.get(`${KEYS}/${key.id}/usage`).query(times).expect(400);
    });

    it('K8: the health score can be computed from the answer, by the formula of the manual', async () => {
      const key = await aKeyOf(viewer, { expiresInDays: 10 });
      await t.sql(
        `UPDATE api_keys SET issued_at = now() - interval '100 days', created_at = now() - interval '100 days', last_used_at = now() - interval '9 days' WHERE id = $1`,
        [key.id],
      );
      await usedBefore(t, key.id, 50, 75, 2);
      await usedBefore(t, key.id, 50, 25, 4);
      await t.sql(
        `INSERT INTO security_events (rule, severity, key_id, window_start, detail) VALUES ('revoked_use', 'high', $1, now(), '{}'), ('spike', 'medium', $1, now(), '{}')`,
        [key.id],
      );
      const { score, inputs, penalties } = (await make.root.get(`${KEYS}/${key.id}/health`).expect(200)).body as {
        score: number;
        inputs: Record<string, number> & { confined: boolean };
        penalties: Record<string, number>;
      };
      expect(inputs).toMatchObject({ ageDays: 100, idleDays: 9, successRate: 0.75, openHigh: 1, openMedium: 1, confined: false });
      const tenths = (x: number): number => Math.round(x * 10) / 10;
      const expected = {
        age: tenths((25 * Math.min(inputs.ageDays!, 180)) / 180),
        expiry: inputs.daysToExpiry! <= 14 ? 20 : 0,
        idle: inputs.idleDays! > 7 ? 10 : 0,
        errors: tenths(25 * (1 - inputs.successRate!)),
        events: Math.min(30, 15 * inputs.openHigh! + 5 * inputs.openMedium!),
        reach: inputs.confined ? 0 : 5,
      };
      expect(penalties).toEqual(expected);
      expect(score).toBe(Math.max(0, Math.round(100 - Object.values(expected).reduce((sum, p) => sum + p, 0))));
      expect(score).toBe(25);
    });

    it('K8: candidates for rotation are old, past their period, or near their end; others are not', async () => {
      const [fresh, old, due, ending] = [
        await aKeyOf(viewer),
        await aKeyOf(viewer, { expiresInDays: 365 }),
        await aKeyOf(viewer, { rotationDays: 5 }),
        await aKeyOf(viewer, { expiresInDays: 3 }),
      ];
      await t.sql(`UPDATE api_keys SET issued_at = now() - interval '91 days' WHERE id = $1`, [old.id]);
      await t.sql(`UPDATE api_keys SET issued_at = now() - interval '6 days' WHERE id = $1`, [due.id]);
      const { items } = (await make.root.get(`${KEYS}/rotation-candidates`).query({ limit: 1000 }).expect(200)).body as {
        items: { id: string }[];
      };
      const found = items.map(({ id }) => id);
      expect([fresh, old, due, ending].map(({ id }) => found.includes(id))).toEqual([false, true, true, true]);
    });
  });

  describe('that is odd', () => {
    it('K7: more uses in an hour than the constant and the own past allow are one event, of high severity', async () => {
      const key = await aKeyOf(viewer);
      const steady = await aKeyOf(viewer);
      for (let day = 1; day <= 20; day++) await usedBefore(t, steady.id, day * 24, 300 + (day % 2) * 20);
      for (const { id } of [key, steady]) await usedBefore(t, id, 0, 150);
      await call(key);
      await call(steady);
      expect(await raised(key.id)).toEqual([{ rule: 'volume', severity: 'high' }]);
      // Its mean is 310 and its deviation 10: 350 are not odd, 351 are.
      expect(await raised(steady.id)).toEqual([]);
      await t.sql(`UPDATE api_key_usage SET n = n + 199 WHERE key_id = $1 AND route = 'GET /test' AND hour = date_trunc('hour', now())`, [
        steady.id,
      ]);
      await call(steady);
      expect(await rulesOf(steady.id)).toEqual(['volume']);
      await call(key, 5);
      expect(await rulesOf(key.id)).toEqual(['volume']);
      expect(await eventsOf(t, `action = 'security.event_raised' AND payload::jsonb #>> '{detail,keyId}' = $1`, key.id)).toMatchObject([
        { category: 'access', severity: 'high', actor: { kind: 'system' }, resource: { type: 'security_event', name: 'volume' } },
      ]);
    });

    it('K7: many times the own mean is a spike, of a key that has a past', async () => {
      const [young, grown] = [await aKeyOf(viewer), await aKeyOf(viewer)];
      for (let hours = 1; hours <= 30; hours++) await usedBefore(t, grown.id, hours, 6);
      for (const { id } of [young, grown]) await usedBefore(t, id, 0, 40);
      await call(young);
      await call(grown);
      expect(await raised(young.id)).toEqual([]);
      expect(await raised(grown.id)).toEqual([{ rule: 'spike', severity: 'medium' }]);
    });

    it('K7: use after more than 168 hours of rest, and from a network never seen before', async () => {
      const key = await aKeyOf(viewer);
      await call(key);
      await t.sql(`UPDATE api_keys SET last_used_at = now() - interval '167 hours' WHERE id = $1`, [key.id]);
      await call(key);
      expect(await rulesOf(key.id)).toEqual([]);
      await t.sql(`UPDATE api_keys SET last_used_at = now() - interval '169 hours' WHERE id = $1`, [key.id]);
      await call(key);
      expect(await raised(key.id)).toEqual([{ rule: 'dormant_use', severity: 'medium' }]);
      const moved = await aKeyOf(viewer);
      await usedBefore(t, moved.id, 30, 5, 2, 3, '192.0.2.0/24');
      await call(moved);
      expect(await raised(moved.id)).toEqual([{ rule: 'new_network', severity: 'low' }]);
    });

    it('K7: use of a key that ended, or from where it is no good: one event a window, however often and wherever it is noticed', async () => {
      const [revoked, expired, denied] = [await aKeyOf(viewer), await aKeyOf(viewer), await aKeyOf(viewer)];
      await make.root.delete(`${KEYS}/${revoked.id}`).expect(204);
      await t.sql(`UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1`, [expired.id]);
      await t.sql(`UPDATE api_keys SET address_ranges = '{192.0.2.0/24}' WHERE id = $1`, [denied.id]);
      for (const { secret } of [revoked, expired, denied])
        await Promise.all(Array.from({ length: 8 }, () => withKey(t, secret).get(POOLS).expect(401)));
      await eventually(
        async () =>
          (await t.sql(`SELECT FROM security_events WHERE key_id = ANY ($1)`, [[revoked.id, expired.id, denied.id]])).length === 3,
      );
      expect(await raised(revoked.id)).toEqual([{ rule: 'revoked_use', severity: 'high' }]);
      expect(await raised(expired.id)).toEqual([{ rule: 'expired_use', severity: 'low' }]);
      expect(await raised(denied.id)).toEqual([{ rule: 'address_denied', severity: 'high' }]);
    });

    it('K7: ten refusals in ten minutes are a burst: of permissions, and of guesses at the secret', async () => {
      const key = await aKeyOf(viewer);
      await call(key, 9, '/api/v1/users');
      expect(await rulesOf(key.id)).toEqual([]);
      await t.sql(`UPDATE api_key_denials SET minute = minute - interval '11 minutes' WHERE key_id = $1`, [key.id]);
      await call(key, 1, '/api/v1/users');
      expect(await rulesOf(key.id)).toEqual([]);
      await call(key, 9, '/api/v1/users');
      expect(await raised(key.id)).toEqual([{ rule: 'permission_burst', severity: 'medium' }]);
      const guessed = await aKeyOf(viewer);
      const handle = guessed.secret.split('_')[2] ?? '';
      for (let i = 0; i < 10; i++) await withKey(t, newKey('owner', handle).text).get(POOLS).expect(401);
      await flush();
      expect(await raised(guessed.id)).toEqual([{ rule: 'failure_burst', severity: 'medium' }]);
    });

    it('K7: junk without number leaves one event, and not a row for each', async () => {
      await t.sql(`ALTER TABLE security_events DISABLE TRIGGER security_events_keep; DELETE FROM security_events WHERE key_id IS NULL`);
      await t.sql('ALTER TABLE security_events ENABLE TRIGGER security_events_keep');
      const recorder = t.app.get(UsageRecorder);
      for (let i = 0; i < 5; i++) await withKey(t, `cdst_o_${i}`).get(POOLS).expect(401);
      for (let i = 0; i < 5; i++) await withKey(t, newKey('owner').text).get(POOLS).expect(401);
      await flush();
      expect(await rulesOf(null)).toEqual([]);
      for (let i = 0; i < 3000; i++) recorder.junk();
      await flush();
      recorder.junk();
      await flush();
      expect(await raised(null)).toEqual([{ rule: 'checksum_flood', severity: 'medium' }]);
      expect(await t.sql('SELECT FROM api_key_denials WHERE key_id NOT IN (SELECT id FROM api_keys)')).toEqual([]);
    });

    it('K7: two who notice the same at once raise one event', async () => {
      const key = await aKeyOf(viewer);
      const insert = (): Promise<unknown[]> =>
        t.sql(
          `INSERT INTO security_events (rule, severity, key_id, window_start, detail) VALUES ('spike', 'medium', $1, '2030-01-01', '{}')
           ON CONFLICT ON CONSTRAINT security_events_once DO NOTHING RETURNING id`,
          [key.id],
        );
      expect((await Promise.all([insert(), insert()])).map((rows) => rows.length).sort()).toEqual([0, 1]);
    });

    it('K7: events stay as they were raised; nobody deletes one', async () => {
      const { id } = await aSecurityEvent(make);
      await expect(t.sql(`DELETE FROM security_events WHERE id = $1`, [id])).rejects.toThrow('stay as they were raised');
      await expect(t.sql(`UPDATE security_events SET severity = 'info' WHERE id = $1`, [id])).rejects.toThrow('stay as they were raised');
    });

    it('K8: an event is acknowledged, then resolved, by whom and when; there is no other way', async () => {
      const { id } = await aSecurityEvent(make);
      const { agent, user } = await aPerson(t, 'admin');
      const patch = (body: object): Promise<{ status: number; body: unknown }> => agent.patch(`${EVENTS}/${id}`).send(body);
      expect((await patch({ state: 'resolved' })).body).toMatchObject({ status: 409, code: 'no_such_step' });
      expect((await patch({ state: 'acknowledged', note: 'looking' })).body).toMatchObject({
        state: 'acknowledged',
        acknowledgedBy: user.username,
        acknowledgedAt: expect.any(String) as string,
        resolvedBy: null,
        note: 'looking',
      });
      expect((await patch({ state: 'open' })).status).toBe(422);
      expect((await patch({ note: 'a test of ours' })).body).toMatchObject({ state: 'acknowledged', note: 'a test of ours' });
      expect((await patch({ state: 'resolved' })).body).toMatchObject({ state: 'resolved', resolvedBy: user.username });
      expect((await patch({ state: 'acknowledged' })).status).toBe(409);
      await agent.patch(`${EVENTS}/${id}`).set('if-match', '"1"').send({ note: 'late' }).expect(412);
      const { agent: auditor } = await aPerson(t, 'auditor');
      await auditor.get(`${EVENTS}/${id}`).expect(200);
      await auditor.patch(`${EVENTS}/${id}`).send({ note: 'mine' }).expect(403);
    });

    it('K8: events go from state to state as the table says, and no other way', async () => {
      const steps: string[] = [];
      for (const from of eventStates)
        for (const to of eventStates.filter((state) => state !== from && state !== 'open')) {
          const { id } = await aSecurityEvent(make);
          const path: EventState[] = {
            open: [],
            acknowledged: ['acknowledged' as const],
            resolved: ['acknowledged' as const, 'resolved' as const],
          }[from];
          for (const state of path) await make.root.patch(`${EVENTS}/${id}`).send({ state }).expect(200);
          const { status } = await make.root.patch(`${EVENTS}/${id}`).send({ state: to });
          expect([200, 409]).toContain(status);
          if (status === 200) steps.push(`${from} ${to}`);
        }
      expect(steps).toEqual(Object.entries(eventSteps).flatMap(([from, all]) => all.map((to) => `${from} ${to}`)));
    });

    it('K8: events are listed by state, rule, severity and key, in pages', async () => {
      const key = await aKeyOf(viewer);
      await t.sql(
        `INSERT INTO security_events (rule, severity, key_id, window_start, detail)
         SELECT 'spike', 'medium', $1, now() - make_interval(days => i), '{}' FROM generate_series(1, 5) i`,
        [key.id],
      );
      const seen: string[] = [];
      let after: string | null = null;
      do {
        const query: Record<string, string> = {
          keyId: key.id,
          rule: 'spike',
          state: 'open',
          severity: 'medium',
          limit: '2',
          ...(after ? { after } : {}),
        };
        const page = (await make.root.get(EVENTS).query(query).expect(200)).body as { items: { id: string }[]; next: string | null };
        seen.push(...page.items.map(({ id }) => id));
        after = page.next;
      } while (after !== null);
      expect(new Set(seen).size).toBe(5);
      expect(seen).toEqual([...seen].sort().reverse());
      await make.root.get(EVENTS).query({ after: 'nonsense' }).expect(400);
      await make.root
        .get(EVENTS)
        .query({ after: Buffer.from('["x"]').toString('base64url') })
        .expect(400);
    });
  });

  describe('cared for', () => {
    it('K4: nightly: old digests go and the rows stay; successors nobody collected in time end; figures are kept for 400 days', async () => {
      const care = t.app.get(KeyCare);
      const [gone, fresh] = [await aKeyOf(viewer), await aKeyOf(viewer)];
      for (const { id } of [gone, fresh]) await make.root.delete(`${KEYS}/${id}`).expect(204);
      await t.sql(`UPDATE api_keys SET revoked_at = now() - interval '31 days' WHERE id = $1`, [gone.id]);
      await usedBefore(t, gone.id, 401 * 24, 1);
      await usedBefore(t, gone.id, 399 * 24, 1);
      expect(await care.run()).toMatchObject({ digests: 1 });
      expect(await t.app.get(ExpiryRuns).run(gone.id)).toMatchObject({ key_usage: 1 });
      expect(await t.sql('SELECT digest IS NULL AS gone FROM api_keys WHERE id = ANY ($1) ORDER BY id', [[gone.id, fresh.id]])).toEqual([
        { gone: true },
        { gone: false },
      ]);
      expect((await make.root.get(`${KEYS}/${gone.id}`).expect(200)).body).toMatchObject({ state: 'revoked' });
      expect(await care.run()).toEqual({ prepared: 0, uncollected: 0, noticed: 0, digests: 0, tokens: 0 });
    });

    it('K4: a key’s end is announced 14, 7 and 1 days before, once each', async () => {
      const care = t.app.get(KeyCare);
      const announced = async (interval: string): Promise<unknown[]> => {
        const { id } = await aKeyOf(viewer);
        await t.sql('UPDATE api_keys SET expires_at = now() + $2::interval WHERE id = $1', [id, interval]);
        await care.run();
        await care.run();
        return t.sql(`SELECT severity, detail ->> 'days' AS days FROM security_events WHERE key_id = $1 AND rule = 'expiring'`, [id]);
      };
      expect(await announced('14 days 1 hour')).toEqual([]);
      expect(await announced('13 days 23 hours')).toEqual([{ severity: 'low', days: '14' }]);
      expect(await announced('6 days 23 hours')).toEqual([{ severity: 'low', days: '7' }]);
      expect(await announced('23 hours')).toEqual([{ severity: 'medium', days: '1' }]);
    });
  });
});

describe('several instances', () => {
  it('K6, K7: add to the same figures at the same time, lose none, and raise one event for what both notice', async () => {
    const database = await createTestDatabase();
    const variables = { CADASTRE_PEPPER_KEYS: `a:${'QUFB'.repeat(11)}`, CADASTRE_JOBS: 'false' };
    const instances = await Promise.all([1, 2].map(() => startTestApp(variables, database)));
    const [t] = instances as [TestApp, TestApp];
    const { id, secret } = await aKeyOf((await aPerson(t, 'viewer')).agent);
    await usedBefore(t, id, 0, 200);
    for (let round = 0; round < 5; round++) {
      for (const instance of instances) for (let i = 0; i < 3; i++) await withKey(instance, secret).get(POOLS).expect(200);
      await Promise.all(instances.map(({ app }) => app.get(UsageRecorder).flush()));
    }
    expect(await t.sql('SELECT sum(n)::int AS n FROM api_key_usage WHERE key_id = $1', [id])).toEqual([{ n: 230 }]);
    expect(await t.sql('SELECT rule FROM security_events WHERE key_id = $1', [id])).toEqual([{ rule: 'volume' }]);
    expect(await eventsOf(t, `action = 'security.event_raised'`)).toHaveLength(1);
    await Promise.all(instances.map((instance) => instance.close()));
    await database.drop();
  });

  it('K4: rotate a key whose period has passed once, without a secret that nobody took; the owner collects it', async () => {
    const database = await createTestDatabase();
    const instances = await Promise.all([1, 2, 3].map(() => startTestApp({}, database)));
    const [t] = instances as [TestApp, TestApp, TestApp];
    const { agent } = await aPerson(t, 'viewer');
    const key = await aKeyOf(agent, { rotationDays: 90, expiresInDays: 365, permissions: ['pool:read'] });
    const early = await aKeyOf(agent, { rotationDays: 90 });
    await t.sql(`UPDATE api_keys SET issued_at = now() - interval '90 days' WHERE id = $1`, [key.id]);
    await Promise.all(instances.map(({ app }) => app.get(KeyCareJob).tick()));
    await eventually(async () => (await t.sql(`SELECT FROM jobs WHERE name = 'users.care-for-keys' AND state = 'done'`)).length === 1);
    // And once more, should the job have been repeated.
    await Promise.all(instances.map(({ app }) => app.get(KeyCare).run()));
    const successors = await t.sql<{ id: string; digest: Buffer | null }>('SELECT id, digest FROM api_keys WHERE replaces = ANY ($1)', [
      [key.id, early.id],
    ]);
    expect(successors).toEqual([{ id: expect.any(String) as string, digest: null }]);
    expect(await eventsOf(t, `action = 'key.rotation_prepared'`)).toMatchObject([{ resource: { id: successors[0]?.id } }]);
    await withKey(t, key.secret).get(POOLS).expect(200);
    const collected = await agent.post(`/api/v1/me/keys/${successors[0]?.id ?? ''}/collect`).expect(200);
    const next = collected.body as MadeKey & { replaces: string };
    expect(next.replaces).toBe(key.id);
    await withKey(t, next.secret).get(POOLS).expect(200);
    await withKey(t, key.secret).get(POOLS).expect(200);
    // What nobody collects ends with what it was to replace.
    await t.sql(`UPDATE api_keys SET issued_at = now() - interval '91 days' WHERE id = $1`, [early.id]);
    await instances[0]?.app.get(KeyCare).run();
    await t.sql(`UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1`, [early.id]);
    expect(await instances[1]?.app.get(KeyCare).run()).toMatchObject({ uncollected: 1 });
    expect(await t.sql(`SELECT revoke_reason FROM api_keys WHERE replaces = $1`, [early.id])).toEqual([{ revoke_reason: 'not_collected' }]);
    await Promise.all(instances.map((instance) => instance.close()));
    await database.drop();
  });

  it('K4: rotate a key of 90 days that names no period, and one that does when that is over; what is revoked does not come back at once', async () => {
    const database = await createTestDatabase();
    const t = await startTestApp({ CADASTRE_JOBS: 'false' }, database);
    const { agent } = await aPerson(t, 'viewer');
    const [plain, patient] = [await aKeyOf(agent, { expiresInDays: 365 }), await aKeyOf(agent, { expiresInDays: 365, rotationDays: 180 })];
    const aged = async (days: number): Promise<string[]> => {
      await t.sql(`UPDATE api_keys SET issued_at = now() - make_interval(days => $2) WHERE id = ANY ($1)`, [[plain.id, patient.id], days]);
      await Promise.all([1, 2, 3].map(() => t.app.get(KeyCare).run()));
      const rows = await t.sql<{ id: string }>('SELECT replaces AS id FROM api_keys WHERE replaces IS NOT NULL ORDER BY created_at');
      return rows.map(({ id }) => id);
    };
    expect(await aged(89)).toEqual([]);
    expect(await aged(90)).toEqual([plain.id]);
    const successor = async (): Promise<string> =>
      (await t.sql<{ id: string }>('SELECT id FROM api_keys WHERE replaces = $1 AND revoked_at IS NULL', [plain.id]))[0]!.id;
    await agent.delete(`/api/v1/me/keys/${await successor()}`).expect(204);
    expect(await aged(179)).toEqual([plain.id]);
    expect(await aged(180)).toEqual([plain.id, patient.id]);
    await t.sql(`UPDATE api_keys SET revoked_at = now() - interval '90 days' WHERE replaces = $1`, [plain.id]);
    expect(await aged(181)).toEqual([plain.id, patient.id, plain.id]);
    await withKey(t, plain.secret).get(POOLS).expect(200);
    await t.close();
    await database.drop();
  });

  it('K6: a process that is killed loses what it had not written yet, and nothing else; one that is stopped loses nothing', async () => {
    const database = await createTestDatabase();
    const peppers = { CADASTRE_PEPPER_KEYS: `a:${'QUFB'.repeat(11)}`, CADASTRE_JOBS: 'false' };
    const t = await startTestApp(peppers, database);
    const { id, secret } = await aKeyOf((await aPerson(t, 'viewer')).agent);
    const counted = async (): Promise<number> =>
      (await t.sql<{ n: number }>('SELECT coalesce(sum(n), 0)::int AS n FROM api_key_usage WHERE key_id = $1', [id]))[0]!.n;
    const end = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
      const started = await startProcess('test/support/key-caller.mjs', database, peppers);
      const url = await eventually(() => /listening at (\S+)/.exec(started.output())?.[1], 30_000);
      for (let i = 0; i < 5; i++) await supertest(url).get(POOLS).set('x-api-key', secret).expect(200);
      started.child.kill(signal);
      await started.ended;
    };
    await end('SIGTERM');
    expect(await counted()).toBe(5);
    await end('SIGKILL');
    expect(await counted()).toBe(5);
    await t.close();
    await database.drop();
  });
});
