import { type Agent } from 'supertest';
import { type AuditEventPage } from '../src/audit/log/audit-event.dto.js';
import { type AuditFilter } from '../src/audit/log/audit-filter.dto.js';
import { auditQuery } from '../src/audit/log/audit-query.js';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { runInContext } from '../src/platform/context/request-context.js';
import { UnitOfWork } from '../src/platform/database/unit-of-work.js';
import { allFiled, eventsOf, holdFiling } from './support/audit-events.js';
import { eventually } from './support/eventually.js';
import { asRole, createUser, signIn, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const EVENTS = '/api/v1/audit/events';

function body(answer: { body: unknown }): AuditEventPage {
  return answer.body as AuditEventPage;
}

describe('reading the audit trail', () => {
  let t: TestApp;
  let trail: AuditTrail;
  let auditor: Agent;

  beforeAll(async () => {
    t = await startTestApp();
    trail = t.app.get(AuditTrail);
    auditor = await asRole(t, 'auditor');
  });

  afterAll(() => t.close());

  describe('A11: search', () => {
    const made = Array.from({ length: 25 }, (_, n) => ({ n, action: n % 2 === 0 ? 'search.even' : 'search.odd', id: `thing-${n % 5}` }));
    const actor = { kind: 'user', id: 'searcher', name: 'searcher' };

    beforeAll(async () => {
      for (const { n, action, id } of made)
        await runInContext({ requestId: `search-${n % 10}` }, () =>
          trail.recordAlone({
            action,
            category: n < 5 ? 'meta' : 'ipam',
            actor,
            resource: { type: 'thing', id },
            severity: n === 3 ? 'critical' : 'info',
            outcome: n === 4 ? 'denied' : n % 10 === 7 ? 'failure' : 'success',
            detail: { n },
          }),
        );
      await allFiled(t);
    });

    async function found(query: Record<string, string | number>): Promise<number[]> {
      const { items } = body(
        await auditor
          .get(EVENTS)
          .query({ actor: 'searcher', limit: 1000, ...query })
          .expect(200),
      );
      return items.map(({ detail }) => (detail as { n: number }).n);
    }

    it.each<[Record<string, string>, (n: number) => boolean]>([
      [{}, () => true],
      [{ action: 'search.odd' }, (n) => n % 2 === 1],
      [{ category: 'meta' }, (n) => n < 5],
      [{ severity: 'critical' }, (n) => n === 3],
      [{ outcome: 'failure' }, (n) => n % 10 === 7],
      [{ outcome: 'denied', category: 'meta' }, (n) => n === 4],
      [{ resourceType: 'thing', resourceId: 'thing-2' }, (n) => n % 5 === 2],
      [{ resourceId: 'thing-2' }, (n) => n % 5 === 2],
      [{ correlationId: 'search-3' }, (n) => n % 10 === 3],
      [{ action: 'search.even', correlationId: 'search-3' }, () => false],
      [{ to: '2020-01-01T00:00:00Z' }, () => false],
      [{ from: '2020-01-01T00:00:00+02:00' }, () => true],
    ])('A11: %j finds exactly what it says, newest first', async (query, matches) => {
      const expected = made.map(({ n }) => n).filter(matches);
      expect(await found(query)).toEqual(expected.reverse());
    });

    it('A11: from is the first instant and to the first after', async () => {
      const events = await eventsOf(t, `actor_id = 'searcher'`);
      const [first, last] = [events[5]!.at, events[15]!.at];
      const expected = events.filter(({ at }) => at >= first && at < last).map(({ detail }) => (detail as { n: number }).n);
      expect(await found({ from: first, to: last })).toEqual(expected.reverse());
    });

    it('A11: pages neither repeat nor miss while events arrive, and reading them does not disturb them', async () => {
      const pages: number[] = [];
      for (let after: string | null = ''; after !== null;) {
        const page: AuditEventPage = body(
          await auditor
            .get(EVENTS)
            .query({ resourceType: 'thing', limit: 4, ...(after === '' ? {} : { after }) })
            .expect(200),
        );
        expect(page.items.length).toBeLessThanOrEqual(4);
        pages.push(...page.items.map(({ detail }) => (detail as { n: number }).n));
        await trail.recordAlone({ action: 'search.late', category: 'ipam', resource: { type: 'thing', id: 'late' }, detail: { n: 1000 } });
        after = page.next;
      }
      expect(pages).toEqual(made.map(({ n }) => n).reverse());
    });

    it('A11: shows the tail that is not filed yet, marked as such, among what is', async () => {
      const letFile = await holdFiling(t);
      await trail.recordAlone({
        action: 'search.fresh',
        category: 'meta',
        actor,
        resource: { type: 'fresh', id: 'fresh' },
        detail: { n: -1 },
      });
      const { items } = body(await auditor.get(EVENTS).query({ actor: 'searcher', limit: 2 }).expect(200));
      expect(items).toMatchObject([
        { action: 'search.fresh', filed: false, seq: null },
        { action: 'search.even', filed: true, seq: expect.stringMatching(/^\d+$/) as string },
      ]);
      expect(await found({ resourceType: 'fresh', resourceId: 'fresh' })).toEqual([-1]);
      expect(await found({ action: 'search.fresh', category: 'meta', outcome: 'success', severity: 'info', from: items[0]!.at })).toEqual([
        -1,
      ]);
      const [fresh] = items;
      expect((await auditor.get(`${EVENTS}/${fresh!.id}`).expect(200)).body).toEqual(fresh);
      await letFile();
      await allFiled(t);
      expect((await auditor.get(`${EVENTS}/${fresh!.id}`).expect(200)).body).toMatchObject({ id: fresh!.id, filed: true });
    });

    it.each([
      'colour=red',
      'severity=awful',
      'category=all',
      'from=yesterday',
      'from=2026-01-01',
      'limit=0',
      'limit=1001',
      'after=abc',
      'after=WyJub3QgYW4gaWQiXQ',
    ])('A11: %s is refused with 400', async (query) => {
      expect((await auditor.get(`${EVENTS}?${query}`).expect(400)).body).toMatchObject({
        status: 400,
        errors: [{ pointer: `?${query.split('=')[0]}` }],
      });
    });

    it('A11: an unknown event is 404', async () => {
      await auditor.get(`${EVENTS}/0199aaaa-0000-7000-8000-000000000000`).expect(404);
      await auditor.get(`${EVENTS}/not-an-id`).expect(404);
    });
  });

  describe('A12: who may read', () => {
    it('A12: reading what others did is an event, with the filter and the count; it is there before the answer', async () => {
      await auditor.get(EVENTS).query({ action: 'search.odd', limit: 3 }).set('x-request-id', 'reading-the-trail').expect(200);
      expect(await eventsOf(t, 'correlation_id = $1', 'reading-the-trail')).toMatchObject([
        {
          action: 'audit.read',
          category: 'access',
          outcome: 'success',
          detail: { filters: { action: 'search.odd' }, firstPage: true, count: 3 },
        },
      ]);
    });

    it('A12: a user reads the own events and no others, which is no event; the rest is forbidden', async () => {
      const user = await createUser(t, { roles: ['viewer'] });
      const viewer = withToken(t, (await signIn(t, user)).accessToken);
      await viewer.get(EVENTS).expect(403);
      const [someEvent] = await eventsOf(t, `actor_id = 'searcher'`);
      await viewer.get(`${EVENTS}/${someEvent!.id}`).expect(403);
      const own = body(await viewer.get('/api/v1/me/audit-events').set('x-request-id', 'reading-my-own').expect(200));
      expect(own.items.map(({ action }) => action)).toEqual(['request.denied', 'request.denied', 'login.succeeded']);
      expect(own.items.every(({ actor }) => actor.id === user.id)).toBe(true);
      expect(body(await viewer.get('/api/v1/me/audit-events?outcome=success').expect(200)).items).toHaveLength(1);
      await viewer.get('/api/v1/me/audit-events?actor=somebody').expect(400);
      expect(await eventsOf(t, 'correlation_id = $1', 'reading-my-own')).toEqual([]);
      await t.anonymous.get('/api/v1/me/audit-events').expect(401);
    });
  });
});

describe('the log', () => {
  let t: TestApp;
  let other: TestApp;

  beforeAll(async () => {
    t = await startTestApp({ DATABASE_POOL_MAX: '25' });
    other = await startTestApp({}, t.database);
  });

  afterAll(async () => {
    await other.close();
    await t.close();
  });

  it('A4: loses no event of 16 writers and one long transaction, and numbers them without a gap, though two processes file', async () => {
    const trail = t.app.get(AuditTrail);
    const work = t.app.get(UnitOfWork);
    let commit = (): void => undefined;
    const held = new Promise<void>((resolve) => (commit = resolve));
    let begun = false;
    const long = work.run(async () => {
      // It has its number before all the others, and commits after them.
      await work.query('SELECT pg_current_xact_id()');
      await trail.record({ action: 'filing.long', category: 'meta' });
      begun = true;
      await held;
    });
    await eventually(() => begun);
    const categories = ['meta', 'access', 'ipam', 'governance'] as const;
    const write = async (writer: number): Promise<void> => {
      for (let n = 0; n < 100; n++)
        await trail.recordAlone({ action: 'filing.short', category: categories[(n + writer) % 4]!, detail: { writer, n } });
    };
    await Promise.all(Array.from({ length: 16 }, (_, writer) => write(writer)));
    // Nothing that began after the long one may be filed before it has ended.
    expect(await t.sql(`SELECT FROM audit_log WHERE action = 'filing.short'`)).toHaveLength(0);
    commit();
    await long;
    await allFiled(t);
    expect(
      await t.sql(
        `SELECT action, count(DISTINCT id)::int AS n FROM audit_log WHERE action LIKE 'filing.%' GROUP BY action ORDER BY action`,
      ),
    ).toEqual([
      { action: 'filing.long', n: 1 },
      { action: 'filing.short', n: 1600 },
    ]);
    const gaps = await t.sql(`
      SELECT h.name FROM audit_heads h LEFT JOIN audit_log l ON l.class = h.class
       GROUP BY h.name, h.size HAVING count(DISTINCT l.seq) <> h.size OR coalesce(max(l.seq), -1) <> h.size - 1 OR count(*) FILTER (WHERE l.seq IS NOT NULL) <> h.size`);
    expect(gaps).toEqual([]);
  });

  it('A20: what cannot be read is filed as such, shown, and holds up nothing behind it', async () => {
    const app = t.app.get(UnitOfWork);
    const garbage = ['no json', '"\\u0000"', '{}', '[1]', '{"action":"x","at":"never","flags":[]}'];
    for (const payload of garbage)
      await app.query(`INSERT INTO audit_inbox (id, class, payload, leaf, emit_mac) VALUES (uuidv7(), 0, $1, sha256('x'), sha256('x'))`, [
        payload,
      ]);
    await runInContext({ requestId: 'not-an-address', clientAddress: 'no address', peerAddress: 'fe80::1%eth0' }, () =>
      t.app.get(AuditTrail).recordAlone({ action: 'test.behind', category: 'meta' }),
    );
    const auditor = await asRole(t, 'auditor');
    const unreadable = async (): Promise<unknown[]> =>
      body(await auditor.get(EVENTS).query({ severity: 'critical', action: 'audit.unreadable' }).expect(200)).items;
    expect(await unreadable()).toHaveLength(garbage.length);
    await allFiled(t);
    expect(await unreadable()).toHaveLength(garbage.length);
    expect(await t.sql(`SELECT client_ip FROM audit_log WHERE action = 'test.behind'`)).toEqual([{ client_ip: null }]);
    expect(await t.sql(`SELECT payload FROM audit_log WHERE action = 'audit.unreadable' ORDER BY id`)).toEqual(
      garbage.map((payload) => ({ payload })),
    );
  });

  it('A16: makes the partitions of the next months before they are needed', async () => {
    const names = (
      await t.sql<{ name: string }>(`SELECT relid::text AS name FROM pg_partition_tree('audit_log') WHERE isleaf ORDER BY 1`)
    ).map(({ name }) => name);
    const dropped = names.at(-1)!;
    await t.sql(`DROP TABLE ${dropped}`);
    await t.sql(`INSERT INTO jobs (name) VALUES ('audit.ensure-partitions')`);
    const made = await eventually(
      async () => (await t.sql<{ name: string | null }>('SELECT to_regclass($1)::text AS name', [dropped]))[0]?.name ?? undefined,
    );
    expect(made).toBe(dropped);
  });

  it('A11: the common filters look at a page of a log of 40 000 events, not at the log', async () => {
    await t.sql(`
      INSERT INTO audit_log (class, seq, sealed_at, occurred_at, recorded_at, id, xid, actor_id, action, category, severity, outcome,
                             resource_type, resource_id, correlation_id, flags, payload, leaf, emit_mac)
      SELECT 3, 1000000 + n, now(), now(), now(), uuidv7(n * interval '1 ms'), '1', 'actor-' || n % 400, 'action-' || n % 400, 'ipam',
             CASE WHEN n % 400 = 1 THEN 'critical' ELSE 'info' END, CASE WHEN n % 400 = 2 THEN 'denied' ELSE 'success' END,
             'type-' || n % 4, 'resource-' || n % 400, 'correlation-' || n % 20000, '{}', '{}', sha256('x'), sha256('x')
        FROM generate_series(1, 40000) n`);
    await t.sql('ANALYZE audit_log');
    const filters: AuditFilter[] = [
      {},
      { actor: 'actor-7' },
      { action: 'action-7' },
      { category: 'ipam' },
      { severity: 'critical' },
      { outcome: 'denied' },
      { resourceType: 'type-3', resourceId: 'resource-7' },
      { correlationId: 'correlation-7' },
      { actor: 'nobody' },
    ].map((filter) => ({ limit: 50, ...filter }) as AuditFilter);
    for (const filter of filters) {
      const { sql, parameters } = auditQuery(filter, { limit: filter.limit });
      const [explained] = await t.sql<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(`EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`, parameters);
      expect({ filter, looked: rowsLookedAt(explained!['QUERY PLAN'][0].Plan) < 1000 }).toEqual({ filter, looked: true });
    }
  });
});

interface PlanNode {
  'Relation Name'?: string;
  'Actual Rows': number;
  'Rows Removed by Filter'?: number;
  Plans?: PlanNode[];
}

/** How many rows of the log's partitions a plan touched. */
function rowsLookedAt(node: PlanNode): number {
  const own = node['Relation Name']?.startsWith('audit_log') === true ? node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) : 0;
  return own + (node.Plans ?? []).reduce((sum, child) => sum + rowsLookedAt(child), 0);
}
