import { jest } from '@jest/globals';
import { type Agent } from 'supertest';
import {
  type AuditAlertPage,
  type AuditAlertView,
  type DetectionRulesView,
  type DetectionRuleView,
} from '../src/audit/detection/detection.dto.js';
import { alertStates, alertSteps } from '../src/audit/detection/alert-steps.js';
import { DetectionJob } from '../src/audit/detection/detection.job.js';
import { detectionRuleNames, detectionRules, type DetectionRuleName } from '../src/audit/detection/detection-rules.js';
import { Detector } from '../src/audit/detection/detector.js';
import { type AuditEventView } from '../src/audit/log/audit-event.dto.js';
import { ReadBuffer } from '../src/audit/reads/read-buffer.js';
import { AnchorWatch } from '../src/audit/sealing/anchor-watch.js';
import { AnchoringRepository } from '../src/audit/sealing/anchoring.repository.js';
import { FileAnchor } from '../src/audit/sealing/file-anchor.js';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { VerificationJob } from '../src/audit/verification/verification.job.js';
import { runInContext } from '../src/platform/context/request-context.js';
import { allFiled, eventsOf, holdFiling } from './support/audit-events.js';
import { eventually } from './support/eventually.js';
import { allSealed, asAttacker, record, sharedKeys } from './support/sealed-log.js';
import { asRole, createUser } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const ALERTS = '/api/v1/audit/alerts';
const RULES = '/api/v1/audit/rules';

describe('what is noticed in the trail', () => {
  let t: TestApp;
  let admin: Agent;
  let auditor: Agent;
  let detector: Detector;
  let subjects = 0;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false' });
    admin = await asRole(t, 'admin');
    auditor = await asRole(t, 'auditor');
    detector = t.app.get(Detector);
  });

  afterAll(() => t.close());

  const alerts = async (query: object = {}): Promise<AuditAlertView[]> =>
    ((await auditor.get(ALERTS).query(query).expect(200)).body as AuditAlertPage).items;
  const rules = async (): Promise<DetectionRuleView[]> => ((await auditor.get(RULES).expect(200)).body as DetectionRulesView).items;

  /** Events that a rule counts, of one subject. */
  async function happen(name: DetectionRuleName, subject: string, times: number, action?: string): Promise<void> {
    const rule = detectionRules[name];
    const trail = t.app.get(AuditTrail);
    const event = {
      action: action ?? rule.actions[0].replace('*.', 'thing.').replace('.*', '.changed'),
      category: 'meta',
      ...('outcome' in rule ? { outcome: rule.outcome } : {}),
      actor: { kind: 'user', id: rule.subject === 'actor' ? subject : `somebody-${++subjects}`, name: subject },
      resource: { type: 'user', id: ['account', 'resource'].includes(rule.subject) ? subject : 'unknown' },
      detail: rule.subject === 'account' ? {} : { usernameDigest: `digest-${++subjects}` },
    } as const;
    for (let n = 0; n < times; n++)
      await runInContext({ requestId: `happened-${subject}`, ...(rule.subject === 'client' ? { clientAddress: subject } : {}) }, () =>
        trail.recordAlone({ ...event, actor: rule.subject === 'actor' ? event.actor : { ...event.actor, id: `${event.actor.id}-${n}` } }),
      );
  }

  const aSubject = (name: DetectionRuleName): string => {
    const { subject } = detectionRules[name];
    return subject === 'trail' ? 'audit_log' : subject === 'client' ? `198.51.100.${++subjects}` : `subject-${++subjects}`;
  };

  /** The rule with a threshold that a test reaches soon; as installed it is kept in the table. */
  async function setRule(name: DetectionRuleName, patch: object): Promise<DetectionRuleView> {
    const rule = (await rules()).find((one) => one.name === name)!;
    return (await admin.patch(`${RULES}/${rule.id}`).send(patch).expect(200)).body as DetectionRuleView;
  }

  it('A15: the rules of the database are those of the code, as installed', async () => {
    expect(
      (await rules()).map(({ name, threshold, windowSeconds, cooldownSeconds, severity, enabled }) => ({
        name,
        threshold,
        windowSeconds,
        cooldownSeconds,
        severity,
        enabled,
      })),
    ).toEqual(
      detectionRuleNames.map((name) => {
        const { threshold, windowSeconds, cooldownSeconds, severity } = detectionRules[name];
        return { name, threshold, windowSeconds, cooldownSeconds, severity, enabled: true };
      }),
    );
    expect(await t.sql('SELECT name FROM audit_rules')).toHaveLength(detectionRuleNames.length);
  });

  it.each(detectionRuleNames)('A15: %s raises an alert at its threshold and not one event before', async (name) => {
    const subject = aSubject(name);
    const { threshold, severity } = detectionRules[name];
    await happen(name, subject, threshold - 1);
    await detector.detect();
    expect(await alerts({ rule: name, subject })).toEqual([]);
    await happen(name, subject, 1);
    await detector.detect();
    const [alert, ...others] = await alerts({ rule: name, subject });
    expect(others).toEqual([]);
    expect(alert).toMatchObject({ rule: name, subject, severity, events: threshold, state: 'open', note: '', version: 1 });
    expect(await eventsOf(t, `action = 'alert.raised' AND resource_id = $1`, alert!.id)).toMatchObject([
      { category: 'access', severity, resource: { type: 'alert', name }, detail: { rule: name, subject, events: threshold, threshold } },
    ]);
  });

  it('A15: one alert a rule and subject while the cooldown lasts, and another one after it', async () => {
    const [subject, other] = [aSubject('denials'), aSubject('denials')];
    await happen('denials', subject, 5);
    expect(await detector.detect()).toBe(1);
    await happen('denials', subject, 20);
    expect(await detector.detect()).toBe(0);
    await happen('denials', other, 5);
    expect(await detector.detect()).toBe(1);
    await t.sql(`UPDATE audit_alerts SET quiet = tstzrange(now() - interval '2 hours', now()) WHERE subject = $1`, [subject]);
    expect(await detector.detect()).toBe(1);
    expect((await alerts({ subject })).map(({ events }) => events)).toEqual([25, 5]);
  });

  it('A15: what lies outside of the window does not count, nor what the program does itself, nor a rule that is off', async () => {
    const subject = aSubject('denials');
    await happen('denials', subject, 4);
    await t.sql(
      `INSERT INTO audit_log (class, seq, sealed_at, occurred_at, recorded_at, id, xid, actor_id, action, category, severity, outcome, flags, payload, leaf, emit_mac)
       SELECT 0, 1000000, now(), now() - interval '6 minutes', now(), uuidv7(interval '-6 minutes'), '1', $1, 'request.denied', 'meta', 'info', 'denied', '{}', '{}', sha256('x'), sha256('x')`,
      [subject],
    );
    await happen('denials', 'system', 5);
    expect(await detector.detect()).toBe(0);
    const rule = await setRule('denials', { enabled: false });
    await happen('denials', subject, 5);
    expect(await detector.detect()).toBe(0);
    await admin.patch(`${RULES}/${rule.id}`).send({ enabled: true }).expect(200);
    expect(await detector.detect()).toBe(1);
  });

  it('A15: a failed login with a name that nobody has is told by the digest of the name', async () => {
    await setRule('failed_logins', { threshold: 3 });
    for (let n = 0; n < 3; n++)
      await t.anonymous.post('/api/v1/auth/login').send({ username: 'nobody.of.that.name', password: 'x' }).expect(401);
    expect(await detector.detect()).toBe(1);
    const [alert] = await alerts({ rule: 'failed_logins' });
    const [event] = await eventsOf(t, `action = 'login.failed'  AND payload LIKE '%unknown_user%'`);
    expect(alert!.subject).toBe((event!.detail as { usernameDigest: string }).usernameDigest);
  });

  it('A15: filed or not, each event counts once', async () => {
    const other = await startTestApp({}, t.database);
    const subject = aSubject('mass_deletion');
    await happen('mass_deletion', subject, 30);
    await allFiled(t);
    const letFile = await holdFiling(t);
    await other.close();
    await happen('mass_deletion', subject, 20, 'surely.never_seen_removed');
    await detector.detect();
    expect(await alerts({ subject })).toMatchObject([{ events: 50 }]);
    await letFile();
  });

  describe('an alert’s life', () => {
    async function anAlert(state: AuditAlertView['state']): Promise<string> {
      const [row] = await t.sql<{ id: string }>(
        `INSERT INTO audit_alerts (rule, subject, severity, events, first_at, last_at, quiet, state)
         VALUES ('denials', $1, 'medium', 5, now(), now(), tstzrange(now(), now() + interval '1 hour'), $2) RETURNING id`,
        [aSubject('denials'), state],
      );
      return row!.id;
    }

    const pairs = alertStates.flatMap((from) => (['acknowledged', 'resolved', 'suppressed'] as const).map((to) => [from, to] as const));
    it.each(pairs)('A15: from %s to %s as the table says', async (from, to) => {
      const id = await anAlert(from);
      const answer = await admin.patch(`${ALERTS}/${id}`).send({ state: to });
      const allowed = alertSteps[from].includes(to);
      expect([answer.status, (answer.body as { code?: string }).code ?? (answer.body as AuditAlertView).state]).toEqual(
        allowed ? [200, to] : from === to ? [200, to] : [409, 'no_such_step'],
      );
      const events = await eventsOf(t, 'resource_id = $1', id);
      expect(events.map(({ action }) => action)).toEqual(allowed ? [`alert.${to}`] : []);
    });

    it('A15: says who did what and when, and keeps the note', async () => {
      const id = await anAlert('open');
      const first = (await admin.patch(`${ALERTS}/${id}`).send({ state: 'acknowledged', note: 'looking' }).expect(200))
        .body as AuditAlertView;
      expect(first).toMatchObject({
        acknowledgedBy: expect.stringMatching(/^admin-/) as string,
        note: 'looking',
        closedAt: null,
        version: 2,
      });
      const second = (await admin.patch(`${ALERTS}/${id}`).set('if-match', '"2"').send({ state: 'resolved' }).expect(200))
        .body as AuditAlertView;
      expect(second).toMatchObject({ closedBy: first.acknowledgedBy, acknowledgedAt: first.acknowledgedAt, note: 'looking', version: 3 });
      await admin.patch(`${ALERTS}/${id}`).set('if-match', '"2"').send({ note: 'late' }).expect(412);
      await admin.patch(`${ALERTS}/${id}`).send({ note: 'it was a test' }).expect(200);
      expect((await eventsOf(t, 'resource_id = $1', id)).map(({ action }) => action)).toEqual([
        'alert.acknowledged',
        'alert.resolved',
        'alert.noted',
      ]);
      await auditor.patch(`${ALERTS}/${id}`).send({ note: 'mine' }).expect(403);
      await admin.patch(`${ALERTS}/0199aaaa-0000-7000-8000-000000000000`).send({ note: 'x' }).expect(404);
    });

    it('A15: what is suppressed stays quiet until the instant that was named', async () => {
      const subject = aSubject('denials');
      await happen('denials', subject, 5);
      await detector.detect();
      const [alert] = await alerts({ subject });
      const path = `${ALERTS}/${alert!.id}`;
      await admin.patch(path).send({ state: 'acknowledged', until: '2030-01-01T00:00:00Z' }).expect(422);
      await admin.patch(path).send({ state: 'acknowledged' }).expect(200);
      const day = 86_400_000;
      const tooLate = new Date(Date.now() + 91 * day).toISOString();
      for (const until of ['2020-01-01T00:00:00Z', tooLate]) await admin.patch(path).send({ state: 'suppressed', until }).expect(422);
      const until = new Date(Date.now() + 30 * day).toISOString();
      expect((await admin.patch(path).send({ state: 'suppressed', until }).expect(200)).body).toMatchObject({
        state: 'suppressed',
        quietUntil: until,
      });
      await happen('denials', subject, 5);
      expect(await detector.detect()).toBe(0);
    });

    it('A15: an alert that a newer one has followed cannot be suppressed over it', async () => {
      const subject = aSubject('denials');
      await happen('denials', subject, 5);
      await detector.detect();
      await t.sql(
        `UPDATE audit_alerts SET quiet = tstzrange(now() - interval '2 hours', now()), state = 'acknowledged' WHERE subject = $1`,
        [subject],
      );
      await detector.detect();
      const [, older] = await alerts({ subject });
      const answer = await admin.patch(`${ALERTS}/${older!.id}`).send({ state: 'suppressed' }).expect(409);
      expect(answer.body).toMatchObject({ code: 'alert_superseded' });
    });

    it('A15: alerts are listed newest first, page by page, by state, rule, severity and subject', async () => {
      const all = await alerts({ limit: 1000 });
      const pages: string[] = [];
      for (let after: string | null = ''; after !== null;) {
        const page: AuditAlertPage = (
          await auditor
            .get(ALERTS)
            .query({ limit: 7, ...(after === '' ? {} : { after }) })
            .expect(200)
        ).body as AuditAlertPage;
        pages.push(...page.items.map(({ id }) => id));
        after = page.next;
      }
      expect(pages).toEqual(all.map(({ id }) => id));
      expect(pages).toEqual(pages.toSorted().reverse());
      const some = await alerts({ state: 'open', rule: 'denials', severity: 'medium', limit: 1000 });
      expect(some).toEqual(all.filter(({ state, rule, severity }) => state === 'open' && rule === 'denials' && severity === 'medium'));
      for (const query of ['state=new', 'rule=none', 'severity=awful', 'after=abc']) await auditor.get(`${ALERTS}?${query}`).expect(400);
    });
  });

  it('A15: a rule is set with its version, its event and within its limits', async () => {
    const rule = (await rules()).find(({ name }) => name === 'keys_made')!;
    const path = `${RULES}/${rule.id}`;
    await auditor.patch(path).send({ threshold: 2 }).expect(403);
    expect((await admin.patch(path).send({ cooldownSeconds: 60 }).expect(422)).body).toMatchObject({
      code: 'cooldown_too_short',
      errors: [{ pointer: '/cooldownSeconds' }],
    });
    await admin.patch(path).send({ threshold: 0 }).expect(422);
    const answer = await admin.patch(path).set('if-match', '"1"').send({ threshold: 2, severity: 'high' }).expect(200);
    expect(answer.headers.etag).toBe('"2"');
    await admin.patch(path).set('if-match', '"1"').send({ threshold: 3 }).expect(412);
    await admin.patch(path).send({ threshold: 2 }).expect(200);
    expect(await eventsOf(t, `action = 'detection_rule.updated' AND resource_id = $1`, rule.id)).toMatchObject([
      {
        category: 'governance',
        changes: [
          { field: 'severity', after: 'high' },
          { field: 'threshold', after: 2 },
        ],
      },
    ]);
  });
});

describe('what the trail notices about itself', () => {
  const variables = { ...sharedKeys(), CADASTRE_PINNED_SETTINGS: '{"audit.anchorLagSeconds":1}' };
  let t: TestApp;

  beforeAll(async () => {
    t = await startTestApp(variables);
  });

  afterAll(() => t.close());

  /** Alerts of a rule, once the rules were compared with the trail. */
  async function raised(rule: DetectionRuleName): Promise<Record<string, unknown>[]> {
    await t.app.get(Detector).detect();
    return t.sql('SELECT subject, severity, events FROM audit_alerts WHERE rule = $1 ORDER BY id', [rule]);
  }

  it('A3, A15: a nightly verification that finds the trail altered raises an alert, one that finds it sound does not', async () => {
    const verified = async (count: number): Promise<AuditEventView> => {
      await t.sql(`DELETE FROM jobs WHERE name = 'audit.verify-nightly'`);
      await t.app.get(VerificationJob).tick();
      await eventually(async () => (await eventsOf(t, `action = 'audit.verified'`)).length === count, 30_000);
      return (await eventsOf(t, `action = 'audit.verified'`)).at(-1)!;
    };
    await record(t, 'ipam', 3);
    await allSealed(t);
    expect(await verified(1)).toMatchObject({ outcome: 'success' });
    expect(await raised('verification_failed')).toEqual([]);
    await asAttacker(t.database, `UPDATE audit_log SET payload = replace(payload, '"n":1', '"n":7') WHERE action = 'test.sealed'`);
    expect(await verified(2)).toMatchObject({ outcome: 'failure', actor: { id: 'system' } });
    expect(await raised('verification_failed')).toEqual([{ subject: 'audit_log', severity: 'critical', events: 1 }]);
  });

  it('A15: reads that were lost raise an alert', async () => {
    expect(await raised('reads_lost')).toEqual([]);
    t.app.get(ReadBuffer).missed(new Error('no place is left'));
    const [event] = await eventually(async () => {
      const events = await eventsOf(t, `action = 'audit.reads_lost'`);
      return events.length > 0 && events;
    });
    expect(event!.actor).toMatchObject({ kind: 'system', id: 'system' });
    expect(await raised('reads_lost')).toEqual([{ subject: 'audit_log', severity: 'high', events: 1 }]);
  });

  it('A15: an event that was forged before it was sealed raises an alert', async () => {
    expect(await raised('quarantined')).toEqual([]);
    await t.sql(
      `INSERT INTO audit_inbox (id, class, payload, leaf, emit_mac) VALUES (uuidv7(), 3, '{"action":"forged.made"}', sha256('x'), sha256('y'))`,
    );
    await eventually(async () => (await eventsOf(t, `action = 'audit.quarantined'`)).length > 0);
    expect(await raised('quarantined')).toEqual([{ subject: 'audit_log', severity: 'critical', events: 1 }]);
  });

  it('A4, A15: an anchor that is late is said once an outage, whoever looks, and raises an alert', async () => {
    const other = await startTestApp(variables, t.database);
    const said = (): Promise<AuditEventView[]> => eventsOf(t, `action = 'audit.anchor_lagged'`);
    const lag = (): Promise<number> => t.app.get(AnchoringRepository).lagSeconds('file');
    const watches = [t, other].map(({ app }) => app.get(AnchorWatch));
    const look = async (): Promise<void> => {
      for (const watch of [...watches, ...watches]) await watch.look();
    };
    try {
      await eventually(async () => (await lag()) === 0);
      await look();
      expect(await said()).toEqual([]);
      expect(await raised('anchor_lag')).toEqual([]);
      const away = [t, other].map(({ app }) => jest.spyOn(app.get(FileAnchor), 'publish').mockRejectedValue(new Error('no such folder')));
      await t.app.get(AuditTrail).recordAlone({ action: 'thing.made', category: 'ipam' });
      await eventually(async () => (await lag()) > 1.1);
      for (let n = 0; n < 3; n++) await look();
      expect(await said()).toMatchObject([
        { outcome: 'failure', severity: 'high', resource: { type: 'audit_anchor', id: 'file' }, detail: { limitSeconds: 1 } },
      ]);
      expect(await raised('anchor_lag')).toEqual([{ subject: 'file', severity: 'high', events: 1 }]);
      for (const spy of away) spy.mockRestore();
      // An anchor that failed is tried again after ten seconds.
      await eventually(async () => (await lag()) === 0, 20_000);
      await look();
      expect(await t.sql('SELECT FROM audit_anchor_outage')).toEqual([]);
      expect(await said()).toHaveLength(1);
    } finally {
      await other.close();
    }
  });
});

describe('several instances', () => {
  let all: TestApp[];

  beforeAll(async () => {
    const first = await startTestApp();
    all = [first, await startTestApp({}, first.database), await startTestApp({}, first.database)];
  });

  afterAll(async () => {
    for (const one of all.toReversed()) await one.close();
  });

  it('A15: look once a minute together', async () => {
    const [t] = all;
    await t!.sql(`DELETE FROM jobs WHERE name = 'audit.detect'`);
    await Promise.all(all.map((one) => one.app.get(DetectionJob).tick()));
    const jobs = (): Promise<{ state: string }[]> => t!.sql(`SELECT state FROM jobs WHERE name = 'audit.detect'`);
    await eventually(async () => (await jobs()).every(({ state }) => state === 'done'));
    expect((await jobs()).length).toBeLessThanOrEqual(2);
  });

  it('A15: that look at the same moment raise one alert', async () => {
    const [t] = all;
    const { id } = await createUser(t!);
    for (let n = 0; n < 5; n++)
      await t!.app
        .get(AuditTrail)
        .recordAlone({ action: 'request.denied', category: 'access', actor: { kind: 'user', id, name: 'racer' } });
    const raised = await Promise.all(Array.from({ length: 12 }, (_, n) => all[n % 3]!.app.get(Detector).detect()));
    // None, when the look of the minute came between.
    expect(raised.reduce((sum, n) => sum + n, 0)).toBeLessThanOrEqual(1);
    expect(await t!.sql('SELECT FROM audit_alerts WHERE subject = $1', [id])).toHaveLength(1);
    expect(await eventsOf(t!, `action = 'alert.raised' AND payload LIKE '%' || $1 || '%'`, id)).toHaveLength(1);
  });
});
