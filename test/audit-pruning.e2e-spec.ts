import { Detector } from '../src/audit/detection/detector.js';
import { AuditLogRepository } from '../src/audit/log/audit-log.repository.js';
import { type AuditQuestion, auditQuery, logConditions } from '../src/audit/log/audit-query.js';
import { StatisticsRepository } from '../src/audit/reports/statistics.repository.js';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { UnitOfWork } from '../src/platform/database/unit-of-work.js';
import { allFiled } from './support/audit-events.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { createTestDatabase } from './support/test-database.js';
import { setTrailBack } from './support/years.js';

const DAY = 86_400_000;
const YEARS = 1300;
/** Partitions are made for four months at once. */
const STEP = 80;
const EVENTS = 4000;

interface Statement {
  sql: string;
  parameters: readonly unknown[];
}

/** What is asked of the trail meanwhile. */
async function askedOf(t: TestApp, work: () => Promise<unknown>): Promise<Statement[]> {
  const database = t.app.get(UnitOfWork);
  const query = database.query.bind(database);
  const asked: Statement[] = [];
  database.query = (sql, parameters?: readonly unknown[]) => {
    if (sql.includes('audit_events')) asked.push({ sql, parameters: parameters ?? [] });
    return query(sql, parameters);
  };
  try {
    await work();
  } finally {
    database.query = query;
  }
  return asked;
}

/** The months whose tables a statement reads, by its plan. */
async function visited(t: TestApp, { sql, parameters }: Statement): Promise<string[]> {
  const [row] = await t.sql<{ 'QUERY PLAN': unknown }>(`EXPLAIN (FORMAT JSON) ${sql}`, [...parameters]);
  return [...JSON.stringify(row!['QUERY PLAN']).matchAll(/"Relation Name":"audit_log_\w+_(\d{4}_\d\d)"/g)].map(([, month]) => month!);
}

/** The month in which something is that was sealed so many days ago. */
const monthBefore = (days: number): string => new Date(Date.now() - days * DAY).toISOString().slice(0, 7).replace('-', '_');

/** What other processes do in a plan. */
function gathersOf(plan: unknown): string[] {
  if (typeof plan !== 'object' || plan === null) return [];
  const gathers = 'Node Type' in plan && String(plan['Node Type']).startsWith('Gather');
  return gathers ? [JSON.stringify(plan)] : Object.values(plan).flatMap(gathersOf);
}

describe('the log by months', () => {
  let t: TestApp;

  beforeAll(async () => {
    const database = await createTestDatabase();
    for (let days = YEARS; days > 0; days -= STEP) await setTrailBack(database, days);
    await setTrailBack(database, 0);
    t = await startTestApp({ CADASTRE_JOBS: 'false' }, database);
    // Most were sealed at once, some weeks after they happened, and some up to a day before, by a clock that was ahead.
    await t.sql(
      `INSERT INTO audit_log (class, seq, sealed_at, occurred_at, recorded_at, id, xid, actor_id, action, category, severity, outcome, flags, payload, leaf, emit_mac)
       SELECT CASE n % 4 WHEN 0 THEN 1 ELSE 3 END, 1000000 + n, e.sealed, e.at, e.sealed, uuidv7(e.at - now()), '1', 'actor-' || n % 3, 'year.told', 'ipam', 'info',
              'success', '{}', '{"resource":{"name":"told person-' || n % 3 || CASE WHEN n % 400 = 0 THEN ' lantern' ELSE '' END || '"}}', sha256('x'), sha256('x')
         FROM (SELECT r.n, r.sealed, r.sealed - CASE r.n % 5 WHEN 0 THEN r.chance * interval '40 days' WHEN 1 THEN r.chance * interval '-1 day' ELSE interval '1 s' END AS at
                 FROM (SELECT n, now() - interval '1 minute' - make_interval(secs => 86400.0 * ${YEARS - 60} * n / $1::int) AS sealed, (n * 7919 % 1000) / 1000.0 AS chance
                         FROM generate_series(1, $1::int) n) r) e`,
      [EVENTS],
    );
    // An action that is not in the log is not looked for.
    await t.sql(`INSERT INTO audit_actions VALUES ('login.failed')`);
    await t.sql('ANALYZE audit_log');
  }, 120_000);

  afterAll(async () => {
    await t.close();
    await t.database.drop();
  });

  it('A16, A11: finds the same whether months are left out or not', async () => {
    const events = t.app.get(AuditLogRepository);
    let state = 4711;
    const random = (below: number): number => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) % below;
    let found = 0;
    for (let n = 0; n < 60; n++) {
      const from = new Date(Date.now() - random((YEARS - 30) * 1440) * 60_000);
      const to = random(2) === 0 ? undefined : new Date(from.getTime() + random(100 * 1440) * 60_000);
      const actor = random(2) === 0 ? undefined : `actor-${random(3)}`;
      const order = random(2) === 0 ? ('newest' as const) : ('oldest' as const);
      const question = { from, ...(to ? { to } : {}), ...(actor === undefined ? {} : { actor }) };
      const page = await events.page({ ...question, action: 'year.told' }, { limit: 5000, order });
      const all = await t.sql<{ id: string }>(
        `SELECT id FROM audit_log WHERE action = 'year.told' AND occurred_at >= $1 AND ($2::timestamptz IS NULL OR occurred_at < $2) AND ($3::text IS NULL OR actor_id = $3)
          ORDER BY id ${order === 'newest' ? 'DESC' : 'ASC'}`,
        [from, to ?? null, actor ?? null],
      );
      expect([question, page.map(({ id }) => id)]).toEqual([question, all.map(({ id }) => id)]);
      found += all.length;
    }
    expect(found).toBeGreaterThan(15_000);
  });

  it.each<[string, AuditQuestion, number]>([
    ['what happened in ten days', { from: new Date(Date.now() - 10 * DAY) }, 11],
    ['what happened to one actor in a year', { from: new Date(Date.now() - 365 * DAY), actor: 'actor-1' }, 366],
    ['what happened in one month long ago', { from: new Date(Date.now() - 700 * DAY), to: new Date(Date.now() - 670 * DAY) }, 701],
  ])('A16: %s is not looked for in the months before', async (_what, question, days) => {
    const first = monthBefore(days);
    for (const order of ['newest', 'oldest'] as const) {
      const months = await visited(t, auditQuery(question, { limit: 50, order }));
      expect(months.length).toBeGreaterThan(0);
      expect(months.filter((month) => month < first)).toEqual([]);
    }
    expect(await visited(t, auditQuery({}, { limit: 50 }))).toContain(first.replace(/^\d{4}/, (year) => String(Number(year) - 1)));
  });

  it('A11: words are looked for without other processes, which take longer to start than that', async () => {
    const eager = [
      'parallel_setup_cost = 0',
      'parallel_tuple_cost = 0',
      'min_parallel_table_scan_size = 0',
      'min_parallel_index_scan_size = 0',
    ];
    const planOf = async (question: AuditQuestion): Promise<string> => {
      const { sql, parameters } = auditQuery(question, { limit: 50 });
      const [row] = await t.sql<{ 'QUERY PLAN': unknown }>(`EXPLAIN (FORMAT JSON) ${sql}`, [...parameters]);
      return JSON.stringify(row!['QUERY PLAN']);
    };
    for (const setting of eager) await t.sql(`SET ${setting}`);
    try {
      expect(gathersOf(JSON.parse(await planOf({ correlationId: 'nowhere' })))).not.toEqual([]);
      for (const question of [{ text: 'web1.example.net' }, { actorName: 'Nobody' }, { text: 'web1.example.net', from: new Date() }])
        expect(gathersOf(JSON.parse(await planOf(question))).filter((part) => part.includes('audit_words'))).toEqual([]);
    } finally {
      for (const setting of eager) await t.sql(`RESET ${setting.split(' ')[0]!}`);
    }
  });

  it.each([
    ['in every event', { text: 'told' }],
    ['in one of three', { text: 'person-1' }],
    ['in few', { text: 'lantern' }],
    ['in none', { text: 'nowhere' }],
    ['of one actor', { text: 'told', actor: 'actor-2' }],
    ['since some time', { text: 'person-1', from: new Date(Date.now() - 400 * DAY) }],
  ] as [string, AuditQuestion][])(
    'A11: words that are %s are found newest and oldest first, and on from there',
    async (_where, question) => {
      const known: unknown[] = [];
      const all = await t.sql<{ id: string }>(
        `SELECT e.id FROM audit_log e WHERE ${logConditions(question, known).join(' AND ')} ORDER BY e.id DESC`,
        known,
      );
      const newestFirst = all.map(({ id }) => id);
      for (const order of ['newest', 'oldest'] as const) {
        const expected = order === 'newest' ? newestFirst : newestFirst.toReversed();
        const found: string[] = [];
        for (;;) {
          const { sql, parameters } = auditQuery(question, { limit: 700, order, after: found.at(-1) });
          const page = await t.sql<{ id: string; filed: boolean }>(sql, [...parameters]);
          found.push(...page.map(({ id }) => id));
          if (page.length < 700) break;
        }
        expect(found).toEqual(expected);
      }
    },
  );

  it('A16, A13: counts the same whether months are left out or not', async () => {
    const statistics = t.app.get(StatisticsRepository);
    let counted = 0;
    for (let n = 0; n < 40; n++) {
      const from = new Date(Date.now() - ((n * 7919) % ((YEARS - 30) * 24)) * 3_600_000);
      const to = new Date(from.getTime() + ((n * 104_729) % (100 * 24)) * 3_600_000);
      const { items } = await statistics.counts('actor', from, to);
      const all = await t.sql<{ key: string; events: number }>(
        `SELECT actor_id AS key, count(*)::int AS events FROM audit_log WHERE occurred_at >= $1 AND occurred_at < $2 AND actor_id LIKE 'actor-%'
          GROUP BY 1 ORDER BY 2 DESC, 1`,
        [from, to],
      );
      expect([from, to, items.filter(({ key }) => key?.startsWith('actor-'))]).toEqual([from, to, all]);
      counted += all.reduce((sum, { events }) => sum + events, 0);
    }
    expect(counted).toBeGreaterThan(1500);
  });

  it.each<[string, () => Promise<unknown>, number]>([
    ['counts of ten days', () => t.app.get(StatisticsRepository).counts('category', new Date(Date.now() - 10 * DAY), new Date()), 11],
    [
      'counts of a month long ago',
      () => t.app.get(StatisticsRepository).counts('day', new Date(Date.now() - 700 * DAY), new Date(Date.now() - 670 * DAY)),
      701,
    ],
    ['what failed in a week', () => t.app.get(StatisticsRepository).failures(), 8],
    ['unusual use of today', () => t.app.get(StatisticsRepository).unusualUsage('day'), 30],
    ['unusual use of this hour', () => t.app.get(StatisticsRepository).unusualUsage('hour'), 30],
    ['what the rules of detection look for', () => t.app.get(Detector).detect(), 2],
  ])('A16, A13, A15: %s visits no month before', async (_what, ask, days) => {
    const months: string[] = [];
    for (const statement of await askedOf(t, ask)) months.push(...(await visited(t, statement)));
    expect(months.length).toBeGreaterThan(0);
    expect(months.filter((month) => month < monthBefore(days))).toEqual([]);
  });

  it('A16: nothing falls into a table for the rest, and what comes after the month has changed has its own', async () => {
    expect(
      await t.sql(
        `SELECT partrelid::regclass FROM pg_partitioned_table WHERE partrelid::regclass::text LIKE 'audit_log%' AND partdefid <> 0`,
      ),
    ).toEqual([]);
    const other = await startTestApp({}, t.database);
    try {
      const [next] = await t.sql<{ month: string; days: number }>(
        `SELECT to_char(m.at AT TIME ZONE 'UTC', 'YYYY_MM') AS month, extract(epoch FROM m.at - now()) / 86400 + 0.01 AS days
           FROM (SELECT date_trunc('month', now(), 'UTC') + interval '1 month' AS at) m`,
      );
      // Nothing is made for it: the table has to be there before.
      await t.sql(
        `CREATE OR REPLACE FUNCTION audit_clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE SET search_path = pg_catalog
           AS $$ SELECT clock_timestamp() + interval '${next!.days} days' $$`,
      );
      await other.app.get(AuditTrail).recordAlone({ action: 'month.changed', category: 'ipam' });
      await allFiled(other);
      expect(await t.sql(`SELECT tableoid::regclass::text AS part FROM audit_log WHERE action = 'month.changed'`)).toEqual([
        { part: `audit_log_ipam_${next!.month}` },
      ]);
    } finally {
      await other.close();
    }
  });
});
