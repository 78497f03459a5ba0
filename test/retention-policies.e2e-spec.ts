import { type Agent } from 'supertest';
import {
  type RetentionMonthView,
  type RetentionPoliciesView,
  type RetentionPolicyView,
  type RetentionPreviewView,
} from '../src/audit/retention/retention.dto.js';
import { PeriodFates } from '../src/audit/retention/period-fates.js';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { UnitOfWork } from '../src/platform/database/unit-of-work.js';
import { eventsOf } from './support/audit-events.js';
import { monthsLater } from './support/trail-clock.js';
import { asRole } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const POLICIES = '/api/v1/audit/retention/policies';
const PREVIEW = '/api/v1/audit/retention/preview';
const DAY_MS = 86_400_000;

describe('retention policies', () => {
  let t: TestApp;
  let admin: Agent;
  let auditor: Agent;
  let names = 0;

  beforeAll(async () => {
    t = await startTestApp();
    admin = await asRole(t, 'admin');
    auditor = await asRole(t, 'auditor');
    const trail = t.app.get(AuditTrail);
    await t.app.get(UnitOfWork).run(async () => {
      for (let n = 0; n < 10; n++)
        await trail.record({ action: 'pool.updated', category: 'ipam', resource: { type: 'pool', id: `pool-${n}` } });
      for (let n = 0; n < 3; n++)
        await trail.record({
          action: 'vrf.updated',
          category: 'ipam',
          severity: 'high',
          flags: ['sox'],
          resource: { type: 'vrf', id: `${n}` },
        });
      await trail.record({ action: 'thing.read', category: 'reads', resource: { type: 'user', id: 'somebody' } });
      await trail.record({ action: 'thing.broken', category: 'access', severity: 'critical' });
    });
    await monthsLater(t, 40, ['ipam', 'reads', 'access', 'governance']);
  }, 90_000);

  afterAll(() => t.close());

  const aPolicy = (more: object = {}): Record<string, unknown> => ({
    name: `policy ${++names}`,
    logs: ['ipam'],
    archiveAfterDays: 30,
    deleteAfterDays: 60,
    ...more,
  });
  const list = async (agent = auditor): Promise<RetentionPolicyView[]> =>
    ((await agent.get(POLICIES).expect(200)).body as RetentionPoliciesView).items;
  const named = async (name: string): Promise<RetentionPolicyView> => (await list()).find((one) => one.name === name)!;
  const preview = async (body: object = {}): Promise<RetentionPreviewView> =>
    (await auditor.post(PREVIEW).send(body).expect(200)).body as RetentionPreviewView;
  /** The first closed month of a log. */
  const monthOf = (log: string, { months }: RetentionPreviewView): RetentionMonthView => months.find((month) => month.log === log)!;
  const daysAfterEnd = ({ period }: { period: string }, at: string | null): number | null => {
    const start = new Date(`${period}T00:00:00Z`);
    return at === null ? null : (Date.parse(at) - Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1, 1)) / DAY_MS;
  };

  it('T1: as installed, everything is archived after three years and deleted after seven, reads after 90 days, what is critical never', async () => {
    expect(
      (await list()).map(({ name, logs, archiveAfterDays, deleteAfterDays }) => ({ name, logs, archiveAfterDays, deleteAfterDays })),
    ).toEqual([
      { name: 'Critical events', logs: ['critical'], archiveAfterDays: 1096, deleteAfterDays: null },
      { name: 'Everything', logs: ['access', 'ipam', 'governance'], archiveAfterDays: 1096, deleteAfterDays: 2557 },
      { name: 'Reads', logs: ['reads'], archiveAfterDays: null, deleteAfterDays: 90 },
    ]);
    const found = await preview();
    const fates = Object.fromEntries(
      ['ipam', 'reads', 'critical', 'meta'].map((log) => {
        const month = monthOf(log, found);
        return [log, [daysAfterEnd(month, month.archiveAt), daysAfterEnd(month, month.deleteAt)]];
      }),
    );
    expect(fates).toEqual({ ipam: [1096, 2557], reads: [90, 90], critical: [1096, null], meta: [null, null] });
  });

  it('T1: the preview says for each month and policy how much it is about, and adds up with what was sealed', async () => {
    const month = monthOf('ipam', await preview());
    const [sealed] = await t.sql<{ rows: string; bytes: string }>(`SELECT rows, bytes FROM audit_period WHERE class = 3 AND period = $1`, [
      month.period,
    ]);
    expect(month).toMatchObject({ rows: Number(sealed!.rows), bytes: Number(sealed!.bytes), unmatchedRows: 0, holds: [], shift: null });
    expect(month.rows).toBe(13);
    expect(month.policies).toEqual([{ name: 'Everything', rows: 13, bytes: Number(sealed!.bytes) }]);
    const counted = await t.sql(
      `SELECT resource_type, severity, flags, rows::int FROM audit_period_content WHERE class = 3 ORDER BY rows DESC`,
    );
    expect(counted).toEqual([
      { resource_type: 'pool', severity: 'info', flags: [], rows: 10 },
      { resource_type: 'vrf', severity: 'high', flags: ['sox'], rows: 3 },
    ]);
  });

  it('T1: the longest rule wins: a month goes when the last of the policies that match any of its events lets it go', async () => {
    const sox = aPolicy({ regime: 'sox', archiveAfterDays: 1200, deleteAfterDays: 3650 });
    const month = monthOf('ipam', await preview({ policy: sox }));
    expect([daysAfterEnd(month, month.archiveAt), daysAfterEnd(month, month.deleteAt)]).toEqual([1200, 3650]);
    expect(month).toMatchObject({
      shift: 'later',
      policies: [
        { name: 'Everything', rows: 13 },
        { name: sox.name, rows: 3 },
      ],
    });
    expect(monthOf('ipam', await preview({ policy: aPolicy() }))).toMatchObject({ shift: null });
    const nobody = await preview({ policy: aPolicy({ resourceTypes: ['nothing_of_the_kind'], deleteAfterDays: null }) });
    expect(monthOf('ipam', nobody)).toMatchObject({ shift: null, policies: [{ name: 'Everything' }] });
  });

  it('T1: what no policy matches stays for good, and the preview says so', async () => {
    const { id } = await named('Everything');
    const found = await preview({ policy: aPolicy({ resourceTypes: ['pool'] }), replaces: id });
    expect(monthOf('ipam', found)).toMatchObject({ archiveAt: null, deleteAt: null, unmatchedRows: 3, shift: 'later' });
    expect(found.notes.join()).toMatch(/no policy matches/);
    expect(monthOf('ipam', await preview({ replaces: id }))).toMatchObject({ archiveAt: null, deleteAt: null, unmatchedRows: 13 });
    await auditor.post(PREVIEW).send({ replaces: '01890000-0000-7000-8000-000000000000' }).expect(404);
  });

  it('T1: a preview changes nothing, and says what a shorter time does to what is there', async () => {
    const before = await list();
    const fates = await t.app.get(PeriodFates).all();
    const everything = await named('Everything');
    const found = await preview({ policy: aPolicy({ archiveAfterDays: 1, deleteAfterDays: 2 }), replaces: everything.id });
    const month = monthOf('ipam', found);
    expect(month).toMatchObject({ shift: 'sooner', due: null });
    expect(daysAfterEnd(month, month.wasDeleteAt)).toBe(2557);
    expect(found.totals).toMatchObject({ monthsSooner: 1, rowsHeld: 0 });
    expect(found.notes[0]).toMatch(/what is there already.*1 months would go sooner than now, 0 of them/);
    expect([await list(), await t.app.get(PeriodFates).all()]).toEqual([before, fates]);
  });

  it('T1: a policy in force decides the fates, and every change of it is an event with before and after', async () => {
    const made = await admin
      .post(POLICIES)
      .send(aPolicy({ deleteAfterDays: null }))
      .expect(201);
    const { id, name, version } = made.body as RetentionPolicyView;
    expect(made.headers).toMatchObject({ location: `${POLICIES}/${id}`, etag: `"${version}"` });
    const fate = (await t.app.get(PeriodFates).all()).find(({ log }) => log === 'ipam');
    expect(fate).toMatchObject({ class: 3, rows: 13, deleteAt: null, policies: ['Everything', name], holds: [] });
    await admin.patch(`${POLICIES}/${id}`).send({ deleteAfterDays: 9000, reason: 'the regulator' }).set('if-match', '"1"').expect(200);
    expect((await t.app.get(PeriodFates).all()).find(({ log }) => log === 'ipam')?.deleteAt).not.toBeNull();
    await admin.patch(`${POLICIES}/${id}`).send({ reason: 'the regulator' }).expect(200);
    await admin.delete(`${POLICIES}/${id}`).set('if-match', '"2"').expect(204);
    await auditor.get(`${POLICIES}/${id}`).expect(404);
    expect(await eventsOf(t, 'resource_id = $1', id)).toMatchObject([
      { action: 'retention_policy.created', category: 'governance', severity: 'medium', after: { name } },
      {
        action: 'retention_policy.updated',
        changes: [
          { field: 'deleteAfterDays', before: null, after: 9000 },
          { field: 'reason', before: '', after: 'the regulator' },
        ],
      },
      { action: 'retention_policy.deleted', before: { name, deleteAfterDays: 9000 } },
    ]);
  });

  it('T1: of two who edit the same version one wins, and the other is told', async () => {
    const { id } = (await admin.post(POLICIES).send(aPolicy()).expect(201)).body as RetentionPolicyView;
    const answers = await Promise.all(
      [100, 200].map((deleteAfterDays) => admin.patch(`${POLICIES}/${id}`).set('if-match', '"1"').send({ deleteAfterDays })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412]);
    await admin.delete(`${POLICIES}/${id}`).set('if-match', '"1"').expect(412);
    await admin.delete(`${POLICIES}/${id}`).expect(204);
  });

  it.each([
    ['shorter than a year for access', { logs: ['access'], archiveAfterDays: 90, deleteAfterDays: 364 }, 'retention_too_short'],
    [
      'by pci, whatever the reason',
      { logs: ['governance'], archiveAfterDays: 90, deleteAfterDays: 300, regime: 'pci', reason: 'x' },
      'retention_too_short',
    ],
    [
      'by a regime without a reason',
      { logs: ['critical'], archiveAfterDays: 90, deleteAfterDays: 300, regime: 'gdpr' },
      'retention_too_short',
    ],
    ['out of the database within 90 days', { logs: ['access'], archiveAfterDays: 89, deleteAfterDays: 400 }, 'retention_too_short'],
    ['deleted before it is archived', { archiveAfterDays: 61 }, 'deleted_before_archived'],
  ])('T1: refuses a policy that is %s', async (_what, more, code) => {
    const refused = (await admin.post(POLICIES).send(aPolicy(more)).expect(422)).body as { errors: { pointer: string }[] };
    expect(refused).toMatchObject({ code });
    // Nor is it worth a look, alone or in the place of another.
    const before = await list();
    for (const replaces of [undefined, (await named('Everything')).id]) {
      const looked = await auditor
        .post(PREVIEW)
        .send({ policy: aPolicy(more), replaces })
        .expect(422);
      expect(looked.body).toMatchObject({ code, errors: [{ pointer: `/policy${refused.errors[0]!.pointer}` }] });
    }
    expect(await list()).toEqual(before);
  });

  it('T1: a blank reason is none, and a blank name neither', async () => {
    const short = { logs: ['access'], archiveAfterDays: null, deleteAfterDays: 180, regime: 'gdpr', reason: ' ' };
    expect((await admin.post(POLICIES).send(aPolicy(short)).expect(422)).body).toMatchObject({ errors: [{ pointer: '/reason' }] });
    expect(
      (
        await admin
          .post(POLICIES)
          .send(aPolicy({ name: ' ' }))
          .expect(422)
      ).body,
    ).toMatchObject({ errors: [{ pointer: '/name' }] });
    const { id } = await named('Everything');
    await admin.patch(`${POLICIES}/${id}`).send({ reason: '\t' }).expect(422);
  });

  it('T1: takes a shorter time with a regime and a reason, as data protection may ask for', async () => {
    const terms = { logs: ['access'], archiveAfterDays: null, deleteAfterDays: 180, regime: 'gdpr', reason: 'Art. 5(1)(e)' };
    const made = await admin.post(POLICIES).send(aPolicy(terms)).expect(201);
    await admin.delete(`${POLICIES}/${(made.body as RetentionPolicyView).id}`).expect(204);
    await admin
      .post(POLICIES)
      .send(aPolicy({ name: 'EVERYTHING' }))
      .expect(409);
    await auditor
      .post(PREVIEW)
      .send({ policy: aPolicy({ name: 'EVERYTHING' }) })
      .expect(409);
    await auditor
      .post(PREVIEW)
      .send({ policy: aPolicy({ name: 'EVERYTHING' }), replaces: (await named('Everything')).id })
      .expect(200);
    await admin
      .post(POLICIES)
      .send(aPolicy({ logs: ['meta'] }))
      .expect(422);
  });

  it('T1: auditors read, administrators write', async () => {
    await auditor.post(POLICIES).send(aPolicy()).expect(403);
    await (await asRole(t, 'operator')).get(POLICIES).expect(403);
  });

  it('T1: a month that does not add up with what was sealed is never counted, so nothing of it goes', async () => {
    await t.sql(`SET session_replication_role = replica; DELETE FROM audit_period_content WHERE class = 3;
                 UPDATE audit_period SET rows = rows + 1, last_seq = last_seq + 1 WHERE class = 3 AND root IS NOT NULL; SET session_replication_role = origin`);
    expect(monthOf('ipam', await preview())).toMatchObject({ archiveAt: null, deleteAt: null, policies: [] });
    await t.sql(`SET session_replication_role = replica; UPDATE audit_period SET rows = rows - 1, last_seq = last_seq - 1
                  WHERE class = 3 AND root IS NOT NULL; SET session_replication_role = origin`);
    expect(monthOf('ipam', await preview()).deleteAt).not.toBeNull();
  });

  it('T1: neither the program nor a superuser without tricks changes what was counted', async () => {
    await expect(t.sql('DELETE FROM audit_period_content')).rejects.toThrow('insert-only');
    await expect(t.app.get(UnitOfWork).query(`INSERT INTO audit_period_content SELECT * FROM audit_period_content`)).rejects.toThrow(
      'permission denied',
    );
  });
});
