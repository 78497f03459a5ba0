import { createHash } from 'node:crypto';
import { type Agent } from 'supertest';
import { type AuditEventPage, type AuditEventView } from '../src/audit/log/audit-event.dto.js';
import { pciRequirements, requirementsOf } from '../src/audit/reports/pci-requirements.js';
import { type FailuresView, type StatisticsView, type UnusualUsageView } from '../src/audit/reports/statistics.dto.js';
import { type AuditEvent } from '../src/audit/trail/audit-event.js';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { runInContext } from '../src/platform/context/request-context.js';
import { allFiled, eventsOf, holdFiling } from './support/audit-events.js';
import { asRole, createUser, signIn, type TestUser, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const AUDIT = '/api/v1/audit';
const ann = { kind: 'user', id: 'id-of-ann', name: 'ann' };

/** Events as a superuser writes them: of any day. */
async function past(t: TestApp, actor: string, daysAgo: number, count: number, outcome = 'success'): Promise<void> {
  await t.sql(
    `INSERT INTO audit_log (class, seq, sealed_at, occurred_at, recorded_at, id, xid, actor_id, action, category, severity, outcome, flags, payload, leaf, emit_mac)
     SELECT 3, 1000000 + (random() * 1e9)::bigint, now(), a.at, a.at, uuidv7(a.at - now()), '1', $1, 'usage.made', 'ipam', 'info', $4, '{}',
            jsonb_build_object('action', 'usage.made', 'category', 'ipam', 'severity', 'info', 'outcome', $4::text, 'at', a.at, 'flags', '[]'::jsonb,
              'actor', jsonb_build_object('kind', 'api_key', 'id', $1::text, 'name', 'name of ' || $1::text)), sha256('x'), sha256('x')
       FROM (SELECT CASE WHEN $2::int = 0 THEN now() ELSE date_trunc('day', now(), 'UTC') - make_interval(days => $2::int) + interval '5 hours' END AS at) a,
            generate_series(1, $3::int)`,
    [actor, daysAgo, count, outcome],
  );
}

describe('figures of the trail', () => {
  let t: TestApp;
  let auditor: Agent;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false' });
    auditor = await asRole(t, 'auditor');
    for (let day = 1; day <= 31; day++) await past(t, `actor-${day % 3}`, day, (day % 5) + 1);
    const trail = t.app.get(AuditTrail);
    await trail.recordAlone({ action: 'thing.failed', category: 'meta', outcome: 'failure', severity: 'high', actor: ann });
    await trail.recordAlone({ action: 'thing.failed', category: 'meta', outcome: 'failure', severity: 'critical', actor: ann });
    await trail.recordAlone({ action: 'thing.failed', category: 'meta', outcome: 'denied', severity: 'low', actor: ann });
  });

  afterAll(() => t.close());

  it.each([
    ['action', 'action'],
    ['category', 'category'],
    ['severity', 'severity'],
    ['outcome', 'outcome'],
    ['actor', 'actor_id'],
    ['day', `to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')`],
  ])('A13: counts by %s are those of SQL, filed or not', async (by, column) => {
    const [limits] = await t.sql<{ from: Date; to: Date }>(`SELECT now() - interval '27 days' AS from, now() AS to`);
    const from = limits!.from;
    const to = limits!.to;
    const expected = await t.sql(
      `SELECT ${column} AS key, count(*)::int AS events FROM audit_events WHERE occurred_at >= $1 AND occurred_at < $2 GROUP BY 1 ORDER BY 1`,
      [from, to],
    );
    const answer = await auditor
      .get(`${AUDIT}/stats`)
      .query({ by, from: from.toISOString(), to: to.toISOString() })
      .set('x-request-id', `counting-${by}`)
      .expect(200);
    const { items, events, groups } = answer.body as StatisticsView;
    expect(items.toSorted((a, b) => (String(a.key) < String(b.key) ? -1 : 1))).toEqual(
      expected.toSorted((a, b) => (String(a.key) < String(b.key) ? -1 : 1)),
    );
    expect({ events, groups }).toEqual({ events: expected.reduce((sum, row) => sum + (row.events as number), 0), groups: expected.length });
    expect(await eventsOf(t, 'correlation_id = $1', `counting-${by}`)).toMatchObject([
      { action: 'audit.read', detail: { question: 'stats', filters: { by }, count: events } },
    ]);
  });

  it('A13: shows what was high or critical in 24 hours, and what failed in seven days by who and what', async () => {
    // That an export began is no failure.
    await auditor.get(`${AUDIT}/export?action=none.at_all`).buffer(true).expect(200);
    const high = (await auditor.get(`${AUDIT}/monitoring/high-severity`).expect(200)).body as AuditEventPage;
    expect(high.items.map(({ action, severity }) => [action, severity])).toEqual([
      ['thing.failed', 'critical'],
      ['thing.failed', 'high'],
    ]);
    const { items } = (await auditor.get(`${AUDIT}/monitoring/failures`).expect(200)).body as FailuresView;
    expect(items).toMatchObject([
      { actorId: 'id-of-ann', action: 'thing.failed', outcome: 'failure', events: 2 },
      { actorId: 'id-of-ann', action: 'thing.failed', outcome: 'denied', events: 1 },
    ]);
  });

  it('A13: unusual is more than mean + 3σ of 28 days, days without events included, and at least 20', async () => {
    // Ten a day on 14 of 28 days: mean 5, σ 5, so 20 is the most that is usual.
    for (let day = 1; day <= 28; day += 2) {
      await past(t, 'usual', day, 10);
      await past(t, 'unusual', day, 10);
    }
    await past(t, 'usual', 0, 20);
    await past(t, 'unusual', 0, 21);
    await past(t, 'new and quiet', 0, 19);
    await past(t, 'new and loud', 0, 20);
    // What began and what came of it are one.
    await past(t, 'new and long', 0, 10);
    await past(t, 'new and long', 0, 10, 'unknown');
    const { items } = (await auditor.get(`${AUDIT}/monitoring/unusual-usage`).expect(200)).body as UnusualUsageView;
    expect(items.filter(({ actorKind }) => actorKind === 'api_key')).toEqual([
      { actorId: 'new and loud', actorKind: 'api_key', actorName: 'name of new and loud', events: 20, mean: 0, deviation: 0 },
      { actorId: 'unusual', actorKind: 'api_key', actorName: 'name of unusual', events: 21, mean: 5, deviation: 5 },
    ]);
    const hour = (await auditor.get(`${AUDIT}/monitoring/unusual-usage?per=hour`).expect(200)).body as UnusualUsageView;
    expect(hour.items.map(({ actorId }) => actorId)).toEqual(expect.arrayContaining(['new and loud', 'unusual', 'usual']));
  });

  it('A12: nobody without the right sees a figure', async () => {
    const viewer = await asRole(t, 'viewer');
    for (const path of ['stats', 'monitoring/failures', 'reports/pci', 'export', 'alerts', 'rules', 'stream', 'timeline'])
      await viewer.get(`${AUDIT}/${path}`).expect(403);
  });
});

interface ReportMade {
  head: Record<string, unknown>;
  lines: (AuditEventView & Record<string, unknown>)[];
  last: { count: number; digest: string };
  text: string;
}

describe('reports', () => {
  let t: TestApp;
  let auditor: Agent;
  let subject: TestUser;
  let letFile: () => Promise<void>;

  async function report(name: string, query: Record<string, string> = {}, requestId = `report-${name}`): Promise<ReportMade> {
    const { text } = await auditor
      .get(`${AUDIT}/reports/${name}`)
      .query(query)
      .set('x-request-id', requestId)
      .buffer(true)
      .parse((answer, done) => {
        let all = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => (all += chunk));
        answer.on('end', () => {
          done(null, all);
        });
      })
      .expect(200)
      .then(({ body }) => ({ text: body as string }));
    const [head, ...rest] = text.trimEnd().split('\n');
    return {
      head: JSON.parse(head!) as Record<string, unknown>,
      lines: rest.slice(0, -1).map((line) => JSON.parse(line) as ReportMade['lines'][0]),
      last: JSON.parse(rest.at(-1)!) as ReportMade['last'],
      text,
    };
  }

  const record = (event: Partial<AuditEvent> & { action: string }): Promise<void> =>
    runInContext({ requestId: 'reported' }, () => t.app.get(AuditTrail).recordAlone({ category: 'governance', actor: ann, ...event }));

  beforeAll(async () => {
    t = await startTestApp();
    auditor = await asRole(t, 'auditor');
    subject = await createUser(t, { roles: ['viewer'] });
    const resource = { type: 'user', id: subject.id, name: subject.username };
    await withToken(t, (await signIn(t, subject)).accessToken)
      .get('/api/v1/audit/events')
      .expect(403);
    await record({ action: 'user.updated', resource, before: { city: 'Bern' }, after: { city: 'Biel' } });
    await record({ action: 'group.member_added', resource: { type: 'group', id: 'g1' }, detail: { userId: subject.id } });
    await allFiled(t);
    letFile = await holdFiling(t);
    await record({ action: 'pool.deleted', category: 'ipam', before: { network: '10.0.0.0/24' }, detail: { approvedBy: 'carla' } });
    await record({ action: 'user.deactivated', resource, before: { active: true }, after: { active: false } });
    await record({ action: 'key.revoked', resource: { type: 'key', id: 'k1' }, actor: { kind: 'api_key', id: 'k2', name: 'k2' } });
  });

  afterAll(async () => {
    await letFile();
    await t.close();
  });

  it('A13: a data subject’s report lists all by, about and with one user, filed or not, once each', async () => {
    const { head, lines, last, text } = await report('data-subject', { user: subject.id });
    expect(lines.map(({ relation, action }) => [relation, action])).toEqual([
      ['by', 'login.succeeded'],
      ['by', 'request.denied'],
      ['about', 'user.updated'],
      ['mentioned', 'group.member_added'],
      ['about', 'user.deactivated'],
    ]);
    const ids = await t.sql<{ id: string }>(`SELECT id FROM audit_events WHERE payload LIKE '%' || $1 || '%' ORDER BY id`, [subject.id]);
    const before = ids.filter(({ id }) => id <= lines.at(-1)!.id);
    expect(lines.map(({ id }) => id)).toEqual(before.map(({ id }) => id));
    expect(head).toMatchObject({
      report: 'data-subject',
      parameters: { user: subject.id },
      madeAt: expect.stringMatching(/Z$/) as string,
      madeBy: { name: expect.stringMatching(/^auditor-/) as string },
      notRecorded: expect.any(Array) as unknown[],
    });
    const body = text.slice(0, text.lastIndexOf('\n', text.length - 2) + 1);
    expect(last).toEqual({ archivedMonths: 0, count: 5, digest: `sha256:${createHash('sha256').update(body).digest('hex')}` });
    const asked = { question: 'report:data-subject', filters: { user: subject.id } };
    const events = await eventsOf(t, 'correlation_id = $1', 'report-data-subject');
    expect(events).toMatchObject([
      { action: 'audit.report_started', outcome: 'unknown', detail: asked },
      { action: 'audit.read', outcome: 'success', detail: { ...asked, attempt: events[0]!.id, count: 5, digest: last.digest } },
    ]);
  });

  it('A13: the change trail has what was before and after, who made it and who approved it', async () => {
    const { lines } = await report('change-trail');
    const mine = lines.filter(({ correlationId }) => correlationId === 'reported');
    expect(mine.map(({ action, changedBy, approvedBy, changes, before }) => ({ action, changedBy, approvedBy, changes, before }))).toEqual([
      { action: 'user.updated', changedBy: ann, approvedBy: null, changes: [{ field: 'city', before: 'Bern', after: 'Biel' }] },
      { action: 'pool.deleted', changedBy: ann, approvedBy: 'carla', before: { network: '10.0.0.0/24' } },
      { action: 'user.deactivated', changedBy: ann, approvedBy: null, changes: [{ field: 'active', before: true, after: false }] },
    ]);
    expect((await report('change-trail', { resourceType: 'user' })).lines.map(({ action }) => action)).toEqual([
      'user.updated',
      'user.deactivated',
    ]);
    expect((await report('change-trail', { to: '2020-01-01T00:00:00Z' })).lines).toEqual([]);
  });

  it('A13: the report of access has reads of the trail and what was denied, and says what is not recorded', async () => {
    const { head, lines } = await report('access');
    expect(new Set(lines.map(({ action }) => action))).toEqual(new Set(['audit.read', 'audit.report_started', 'request.denied']));
    expect(head.notRecorded).toEqual([
      'reads of a kind while its setting audit.reads.* is off, as that of the address space is by default',
    ]);
  });

  it('A13: the PCI report has the events of each requirement of 10.2.1, and says of each what is missing', async () => {
    const { head, lines } = await report('pci');
    expect(Object.keys(head.requirements ?? {})).toEqual([1, 2, 3, 4, 5, 6, 7].map((n) => `10.2.1.${n}`));
    expect((head.notRecorded as string[]).map((text) => text.split(':')[0])).toEqual(
      Object.entries(pciRequirements).flatMap(([id, { notRecorded }]) => (notRecorded === undefined ? [] : [id])),
    );
    const byAction = new Map(lines.map(({ action, requirements }) => [action, requirements]));
    expect(Object.fromEntries(byAction)).toMatchObject({
      'audit.read': ['10.2.1.3'],
      'request.denied': ['10.2.1.4'],
      'user.deactivated': ['10.2.1.2', '10.2.1.5'],
      'key.revoked': ['10.2.1.5'],
      'pool.deleted': ['10.2.1.7'],
    });
    const all = await t.sql<{ action: string }>('SELECT DISTINCT action FROM audit_events');
    const expected = all.map(({ action }) => action).filter((action) => requirementsOf(action).length > 0);
    expect([...byAction.keys()].sort()).toEqual(expected.sort());
    expect(byAction.has('login.succeeded')).toBe(false);
  });

  it('A12: that a report was asked for is in the trail before its first line, whatever becomes of its end', async () => {
    await t.sql(`ALTER TABLE audit_inbox ADD CONSTRAINT refuse_reads CHECK (payload NOT LIKE '%"action":"audit.read"%') NOT VALID`);
    await expect(report('change-trail', {}, 'a-report-without-end')).rejects.toThrow();
    await t.sql('ALTER TABLE audit_inbox DROP CONSTRAINT refuse_reads');
    expect(await eventsOf(t, 'correlation_id = $1', 'a-report-without-end')).toMatchObject([
      { action: 'audit.report_started', outcome: 'unknown', detail: { question: 'report:change-trail' } },
    ]);
  });

  it('A13: a report asks for what it is about, and HEAD makes none', async () => {
    await auditor.get(`${AUDIT}/reports/data-subject`).expect(400);
    await auditor.get(`${AUDIT}/reports/sox`).expect(404);
    await auditor.head(`${AUDIT}/reports/pci`).set('x-request-id', 'head-of-a-report').expect(200);
    expect(await eventsOf(t, 'correlation_id = $1', 'head-of-a-report')).toEqual([]);
  });
});
