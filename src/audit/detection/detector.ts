import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { likeOf } from '../log/action-words.js';
import { AuditLogRepository } from '../log/audit-log.repository.js';
import { lowestIdAt, sealedSince } from '../log/audit-query.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { type DetectionRule, detectionRules, subjectColumns } from './detection-rules.js';
import { DetectionRules, type RuleSetting } from './rules.service.js';

interface Finding {
  subject: string;
  events: number;
  firstAt: Date;
  lastAt: Date;
}

/** Ids carry their maker's clock. */
const CLOCK_SLACK_MS = 3_600_000;
const MOST_FINDINGS = 1000;

/** Looks whether something happens too often. */
@Injectable()
export class Detector {
  constructor(
    private readonly work: UnitOfWork,
    private readonly rules: DetectionRules,
    private readonly events: AuditLogRepository,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
  ) {}

  /** Raises an alert for each subject at a rule's threshold that the rule is not quiet about, and returns how many. */
  async detect(): Promise<number> {
    return this.work.run(async () => {
      let raised = 0;
      const now = await this.events.now();
      for (const rule of await this.rules.all())
        if (rule.enabled) for (const finding of await this.findings(rule, now)) raised += (await this.raise(rule, finding)) ? 1 : 0;
      return raised;
    });
  }

  private async findings({ name, threshold, windowSeconds }: RuleSetting, now: Date): Promise<Finding[]> {
    const { actions, subject, outcome }: DetectionRule = detectionRules[name];
    const lowest = lowestIdAt(this.clock.now().getTime() - windowSeconds * 1000 - CLOCK_SLACK_MS);
    const start = new Date(now.getTime() - windowSeconds * 1000);
    const known = await this.events.actionsLike(actions);
    const parameters: unknown[] = [known, actions.map(likeOf), lowest, windowSeconds, threshold, outcome ?? null];
    return this.work.query<Finding & object>(
      `SELECT f.subject, count(*)::int AS events, min(f.occurred_at) AS "firstAt", max(f.occurred_at) AS "lastAt"
         FROM (SELECT ${subjectColumns[subject]} AS subject, e.occurred_at
                 FROM audit_events e
                WHERE (e.action = ANY ($1::text[]) OR (NOT e.filed AND e.action LIKE ANY ($2::text[])))
                  AND ($6::text IS NULL OR e.outcome = $6) AND e.id >= $3::uuid AND e.occurred_at > now() - make_interval(secs => $4)
                  AND ${sealedSince(start, parameters)}) f
        WHERE f.subject IS NOT NULL
        GROUP BY f.subject HAVING count(*) >= $5 ORDER BY f.subject LIMIT ${MOST_FINDINGS}`,
      parameters,
    );
  }

  /** Whether it was raised now: not while an alert of the rule about the subject keeps it quiet, whoever raises it. */
  private async raise({ name, severity, threshold, windowSeconds, cooldownSeconds }: RuleSetting, finding: Finding): Promise<boolean> {
    const { subject, events, firstAt, lastAt } = finding;
    const [row] = await this.work.query<{ id: string }>(
      `INSERT INTO audit_alerts (rule, subject, severity, events, first_at, last_at, quiet)
       VALUES ($1, $2, $3, $4, $5, $6, tstzrange(now(), now() + make_interval(secs => $7)))
       ON CONFLICT ON CONSTRAINT audit_alerts_once DO NOTHING RETURNING id`,
      [name, subject, severity, events, firstAt, lastAt, cooldownSeconds],
    );
    if (!row) return false;
    await this.audit.record({
      action: 'alert.raised',
      category: 'access',
      severity,
      resource: { type: 'alert', id: row.id, name },
      detail: { rule: name, subject, events, threshold, windowSeconds, firstAt, lastAt },
    });
    return true;
  }
}
