import { randomUUID } from 'node:crypto';
import { jest } from '@jest/globals';
import { type Agent } from 'supertest';
import { type ExpiriesView, type ExpiryView } from '../src/audit/expiry/expiry.dto.js';
import { ExpiryJob } from '../src/audit/expiry/expiry.job.js';
import { ExpiryRuns } from '../src/audit/expiry/expiry-runs.js';
import { Clock } from '../src/kernel/clock.js';
import { Expiries } from '../src/platform/retention/expiries.js';
import { Settings } from '../src/platform/settings/settings.js';
import { eventsOf, expectSeveritiesOfCatalogue } from './support/audit-events.js';
import { aKeyOf } from './support/examples/keys.js';
import { Builders } from './support/builders.js';
import { createUser, asRole } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const EXPIRIES = '/api/v1/audit/retention/expiries';

describe('what else expires', () => {
  let t: TestApp;
  let auditor: Agent;
  let make: Builders;
  let runs: ExpiryRuns;
  let userId: string;
  let keyId: string;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false' });
    auditor = await asRole(t, 'auditor');
    make = await Builders.of(t);
    runs = t.app.get(ExpiryRuns);
    userId = (await createUser(t)).id;
    keyId = (await aKeyOf(make.root)).id;
  });

  afterAll(() => t.close());

  /** One row of each kind, so many days past its end. */
  const MAKE: Record<string, (days: number) => Promise<unknown>> = {
    alerts: (days) =>
      t.sql(
        `INSERT INTO audit_alerts (rule, subject, severity, events, first_at, last_at, quiet, state, closed_at)
         VALUES ('denials', $2, 'low', 5, now(), now(), tstzrange(now() - interval '2 hours', now() - interval '1 hour'), 'resolved', now() - make_interval(days => $1))`,
        [days, `subject ${randomUUID()}`],
      ),
    answers: (days) =>
      t.sql(
        `INSERT INTO idempotency_keys (principal_id, key, request_hash, created_at) VALUES ('x', $2, '\\x00', now() - make_interval(days => $1))`,
        [days, randomUUID()],
      ),
    invitations: (days) =>
      t.sql(
        `INSERT INTO invitations (email, roles, token_hash, invited_by, expires_at) VALUES ($2::text, '{viewer}', sha256(convert_to($2::text, 'UTF8')), 'x', now() - make_interval(days => $1))`,
        [days, `${randomUUID()}@example.net`],
      ),
    jobs: (days) =>
      t.sql(`INSERT INTO jobs (name, state, finished_at) VALUES ('test.old', 'done', now() - make_interval(days => $1))`, [days]),
    key_usage: (days) =>
      t.sql(
        `INSERT INTO api_key_usage (key_id, hour, route, status_class, address_prefix, n, ms_sum, ms_max, buckets)
         VALUES ($2, now() - make_interval(days => $1), $3, 2, '10.0.0.0/24', 1, 1, 1, '{1}')`,
        [days, keyId, randomUUID()],
      ),
    security_events: (days) =>
      t.sql(
        `INSERT INTO security_events (rule, severity, key_id, window_start, detail, state, resolved_at, resolved_by)
         VALUES ('spike', 'low', $2, now() - random() * interval '1000 days', '{}', 'resolved', now() - make_interval(days => $1), 'x')`,
        [days, keyId],
      ),
    sessions: (days) =>
      t.sql(
        `INSERT INTO auth_sessions (user_id, expires_at, ended_at, end_reason) VALUES ($2, now(), now() - make_interval(days => $1), 'logout')`,
        [days, userId],
      ),
    verifications: (days) =>
      t.sql(
        `INSERT INTO audit_verification (state, requested_by, result, finished_at) VALUES ('done', 'x', 'sound', now() - make_interval(days => $1))`,
        [days],
      ),
    archive_runs: (days) =>
      t.sql(`INSERT INTO audit_archive_run (state, requested_by, finished_at) VALUES ('failed', 'x', now() - make_interval(days => $1))`, [
        days,
      ]),
    work_sessions: (days) =>
      t.sql(`INSERT INTO work_sessions (user_id, thread_id, title, ended_at) VALUES ($2, $3, 'old', now() - make_interval(days => $1))`, [
        days,
        userId,
        randomUUID(),
      ]),
  };

  const list = async (): Promise<Record<string, ExpiryView>> =>
    Object.fromEntries(((await auditor.get(EXPIRIES).expect(200)).body as ExpiriesView).items.map((one) => [one.name, one]));

  it('T7: each has a policy, and each policy is a setting with a floor', async () => {
    const items = await list();
    expect(Object.keys(items)).toEqual(Object.keys(MAKE).sort());
    expect(Object.fromEntries(Object.values(items).map(({ name, setting, days }) => [name, `${setting} ${days}`]))).toEqual({
      alerts: 'retention.alertsDays 730',
      answers: 'retention.answersDays 1',
      archive_runs: 'retention.archiveRunsDays 730',
      invitations: 'retention.invitationsDays 30',
      jobs: 'retention.jobsDays 7',
      key_usage: 'keys.usageKeptDays 400',
      security_events: 'retention.securityEventsDays 730',
      sessions: 'session.keptDays 90',
      verifications: 'retention.verificationsDays 400',
      work_sessions: 'retention.workSessionsDays 365',
    });
    const admin = await asRole(t, 'admin');
    for (const key of ['retention.securityEventsDays', 'retention.alertsDays', 'retention.verificationsDays', 'retention.archiveRunsDays'])
      await admin.put(`/api/v1/settings/${key}`).send({ value: 30 }).expect(422);
  });

  it.each(Object.keys(MAKE))('T7: %s go past their days and not before, and a dry run says so and changes nothing', async (name) => {
    await runs.run(randomUUID());
    const { days } = (await list())[name]!;
    await MAKE[name]!(days - 1);
    expect((await list())[name]).toMatchObject({ due: 0, held: 0 });
    expect((await runs.run(randomUUID()))[name]).toBe(0);
    await MAKE[name]!(days + 1);
    await MAKE[name]!(days + 1);
    expect((await list())[name]).toMatchObject({ due: 2, held: 0 });
    expect((await list())[name]).toMatchObject({ due: 2, held: 0 });
    expect((await runs.run(randomUUID()))[name]).toBe(2);
    expect((await list())[name]).toMatchObject({ due: 0 });
  });

  it('T7: verifications that failed and runs that are done go as well, and what still runs stays', async () => {
    for (const [state, finished] of [
      ['failed', "now() - interval '9 years'"],
      ['running', 'NULL'],
    ] as const)
      await t.sql(
        `INSERT INTO audit_verification (state, requested_by, created_at, finished_at) VALUES ('${state}', 'forever', now() - interval '9 years', ${finished})`,
      );
    await t.sql(`INSERT INTO audit_archive_run (state, requested_by, finished_at) VALUES ('done', 'forever', now() - interval '9 years')`);
    await t.sql(
      `INSERT INTO audit_archive_run (state, requested_by, created_at) VALUES ('waiting', 'forever', now() - interval '9 years')`,
    );
    expect(await runs.run(randomUUID())).toMatchObject({ verifications: 1, archive_runs: 1 });
    expect(
      await t.sql(
        'SELECT state FROM audit_verification WHERE requested_by = $1 UNION ALL SELECT state FROM audit_archive_run WHERE requested_by = $1',
        ['forever'],
      ),
    ).toEqual([{ state: 'running' }, { state: 'waiting' }]);
  });

  it('T7: what is not over stays however old: dead jobs, open security events and alerts, live sessions', async () => {
    await t.sql(`INSERT INTO jobs (name, state, finished_at) VALUES ('test.dead', 'dead', now() - interval '9 years')`);
    await t.sql(
      `INSERT INTO security_events (rule, severity, key_id, window_start, detail, raised_at) VALUES ('dormant_use', 'low', $1, now() - interval '9 years', '{}', now() - interval '9 years')`,
      [keyId],
    );
    const counts = await runs.run(randomUUID());
    expect(Object.values(counts).every((n) => n === 0)).toBe(true);
    await expect(t.sql(`DELETE FROM security_events WHERE rule = 'dormant_use'`)).rejects.toThrow('stay as they were raised');
  });

  it('T7: more than a batch goes in several, and one event says how many of each', async () => {
    await t.sql(
      `INSERT INTO jobs (name, state, finished_at) SELECT 'test.many', 'done', now() - interval '8 days' FROM generate_series(1, 2500)`,
    );
    const id = randomUUID();
    expect(await runs.run(id)).toMatchObject({ jobs: 2500 });
    const events = await eventsOf(t, 'resource_id = $1', id);
    expect(events).toMatchObject([
      {
        action: 'retention.expired',
        category: 'governance',
        outcome: 'success',
        detail: { counts: { jobs: 2500, sessions: 0 }, failed: [] },
      },
    ]);
    expect(await runs.run(randomUUID())).toMatchObject({ jobs: 0 });
  });

  it('T7, T1: a legal hold on somebody keeps what is evidence about them, and on nobody else', async () => {
    const stranger = (await createUser(t)).id;
    await MAKE.sessions!(100);
    await MAKE.security_events!(1000);
    await MAKE.key_usage!(1000);
    await MAKE.jobs!(100);
    await t.sql(
      `INSERT INTO auth_sessions (user_id, expires_at, ended_at, end_reason) VALUES ($1, now(), now() - interval '100 days', 'logout')`,
      [stranger],
    );
    const HOLDS = '/api/v1/audit/holds';
    const place = async (name: string, actor: string): Promise<string> =>
      ((await make.root.post(HOLDS).send({ name, reason: 'a lawsuit', actor }).expect(201)).body as { id: string }).id;
    const holds = [await place('somebody', userId), await place('whose key it is', make.rootUser.id)];
    const held = await list();
    expect([held.sessions, held.security_events, held.key_usage]).toMatchObject([
      { due: 1, held: 1 },
      { due: 0, held: 1 },
      { due: 0, held: 1 },
    ]);
    expect(await runs.run(randomUUID())).toMatchObject({ sessions: 1, security_events: 0, key_usage: 0, jobs: 1 });
    const other = await asRole(t, 'admin');
    for (const id of holds) await other.post(`${HOLDS}/${id}/release`).send({ reason: 'settled' }).expect(200);
    expect(await runs.run(randomUUID())).toMatchObject({ sessions: 1, security_events: 1, key_usage: 1 });
  });

  it('T7: what cannot expire keeps nothing else from going, is named in the event, and fails the job', async () => {
    await MAKE.jobs!(100);
    t.app.get(Expiries).register({
      name: 'broken',
      text: 'cannot',
      days: { key: 'retention.jobsDays', default: 7, rule: t.app.get(Expiries).all[0]!.days.rule },
      count: () => Promise.resolve({ due: 0, held: 0 }),
      expire: () => Promise.reject(new Error('the disk is full')),
    });
    const id = randomUUID();
    await expect(runs.run(id)).rejects.toThrow('broken');
    expect(await eventsOf(t, 'resource_id = $1', id)).toMatchObject([
      { outcome: 'failure', severity: 'high', detail: { counts: { jobs: 1 }, failed: ['broken'] } },
    ]);
    await expectSeveritiesOfCatalogue(t);
  });

  it('T7: runs once a day, in the hour that is set, whatever the number of instances', async () => {
    const other = await startTestApp({ CADASTRE_JOBS: 'false' }, t.database);
    const clocks = [t, other].map(({ app }) => jest.spyOn(app.get(Clock), 'now'));
    const at = (instant: string): void => {
      for (const clock of clocks) clock.mockReturnValue(new Date(instant));
    };
    const tick = (): Promise<unknown> => Promise.all([t, other].flatMap(({ app }) => [1, 2].map(() => app.get(ExpiryJob).tick())));
    const sent = async (): Promise<number> => (await t.sql(`SELECT FROM jobs WHERE name = 'retention.expire'`)).length;
    at('2030-05-01T01:00:00Z');
    await tick();
    expect(await sent()).toBe(0);
    at('2030-05-01T02:00:00Z');
    await tick();
    expect(await sent()).toBe(1);
    at('2030-05-02T02:00:00Z');
    await tick();
    expect(await sent()).toBe(2);
    for (const clock of clocks) clock.mockRestore();
    expect(t.app.get(Settings).effective('retention.hour')).toBeUndefined();
    await other.close();
  });
});
