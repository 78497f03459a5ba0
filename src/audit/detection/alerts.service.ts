import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { Clock } from '../../kernel/clock.js';
import { actorName } from '../../platform/context/request-context.js';
import { explainConstraint } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { idIn, pageById } from '../../platform/http/cursor.js';
import { staleVersion } from '../../platform/http/etag.js';
import { type AuditSeverity } from '../trail/audit-event.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { type AlertState, alertSteps } from './alert-steps.js';
import { type AuditAlertFilter, type PatchAuditAlert } from './detection.dto.js';
import { type DetectionRuleName } from './detection-rules.js';

export interface Alert {
  id: string;
  rule: DetectionRuleName;
  subject: string;
  severity: AuditSeverity;
  events: number;
  firstAt: Date;
  lastAt: Date;
  raisedAt: Date;
  quietUntil: Date;
  state: AlertState;
  note: string;
  acknowledgedAt: Date | null;
  acknowledgedBy: string | null;
  closedAt: Date | null;
  closedBy: string | null;
  version: number;
}

const ALERT = `
  SELECT a.id, a.rule, a.subject, a.severity, a.events, a.first_at AS "firstAt", a.last_at AS "lastAt", a.raised_at AS "raisedAt",
         upper(a.quiet) AS "quietUntil", a.state, a.note, a.acknowledged_at AS "acknowledgedAt", a.acknowledged_by AS "acknowledgedBy",
         a.closed_at AS "closedAt", a.closed_by AS "closedBy", a.version
    FROM audit_alerts a`;
const PAGE = `${ALERT}
   WHERE ($1::text IS NULL OR a.state = $1) AND ($2::text IS NULL OR a.rule = $2) AND ($3::text IS NULL OR a.severity = $3)
     AND ($4::text IS NULL OR a.subject = $4) AND ($5::uuid IS NULL OR a.id < $5)
   ORDER BY a.id DESC LIMIT $6`;
const DAY_MS = 86_400_000;
const SUPPRESSED_MS = 7 * DAY_MS;
const LONGEST_MS = 90 * DAY_MS;

explainConstraint('audit_alerts_once', () =>
  AppError.conflict('alert_superseded', 'The rule has raised a newer alert about the same subject: suppress that one.'),
);

/** What the rules noticed, and what people made of it. */
@Injectable()
export class Alerts {
  constructor(
    private readonly work: UnitOfWork,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
  ) {}

  /** Newest first. Throws `bad_cursor`. */
  async list({ state, rule, severity, subject, after, limit }: AuditAlertFilter): Promise<{ items: Alert[]; next: string | null }> {
    const asked = [state ?? null, rule ?? null, severity ?? null, subject ?? null, idIn(after) ?? null, limit + 1];
    return pageById(await this.work.query<Alert & object>(PAGE, asked), limit);
  }

  /** Throws `alert_not_found`, `stale_version`, `no_such_step`, `until_refused` or `alert_superseded`. */
  patch(id: string, { state: to, note, until }: PatchAuditAlert, expected: number | undefined): Promise<Alert> {
    return this.work.run(async () => {
      await this.work.queryInside('SELECT FROM audit_alerts WHERE id = $1 FOR NO KEY UPDATE', [id]);
      const before = await this.get(id);
      if (expected !== undefined && expected !== before.version) throw staleVersion(before.version);
      if (to && to !== before.state && !alertSteps[before.state].includes(to))
        throw AppError.conflict('no_such_step', `What is ${before.state} cannot become ${to}.`);
      const state = to ?? before.state;
      const moves = state !== before.state;
      const quietUntil = this.quietUntil(moves && state === 'suppressed', until);
      if (!moves && (note ?? before.note) === before.note) return before;
      await this.work.query(
        `UPDATE audit_alerts
            SET state = $2, note = $3, version = version + 1, quiet = CASE WHEN $5::timestamptz IS NULL THEN quiet ELSE tstzrange(lower(quiet), $5) END,
                acknowledged_at = CASE WHEN $6 AND $2 = 'acknowledged' THEN now() ELSE acknowledged_at END,
                acknowledged_by = CASE WHEN $6 AND $2 = 'acknowledged' THEN $4 ELSE acknowledged_by END,
                closed_at = CASE WHEN $6 AND $2 <> 'acknowledged' THEN now() ELSE closed_at END,
                closed_by = CASE WHEN $6 AND $2 <> 'acknowledged' THEN $4 ELSE closed_by END
          WHERE id = $1`,
        [id, state, note ?? before.note, actorName(), quietUntil ?? null, moves],
      );
      const after = await this.get(id);
      const resource = { type: 'alert', id, name: after.rule };
      await this.audit.record({ ...actionOf(moves, after.state), category: 'governance', resource, before, after });
      return after;
    });
  }

  private async get(id: string): Promise<Alert> {
    const [alert] = await this.work.query<Alert & object>(`${ALERT} WHERE a.id = $1`, [id]);
    if (!alert) throw AppError.notFound('alert', id);
    return alert;
  }

  private quietUntil(suppresses: boolean, until: Date | undefined): Date | undefined {
    const now = this.clock.now().getTime();
    if (!suppresses) {
      if (until) throw AppError.field('/until', 'until_refused', 'Only what becomes suppressed is so until an instant.');
      return undefined;
    }
    const end = until?.getTime() ?? now + SUPPRESSED_MS;
    if (end <= now || end > now + LONGEST_MS)
      throw AppError.field('/until', 'until_refused', 'Suppress until an instant within the next 90 days.');
    return new Date(end);
  }
}

function actionOf(
  moves: boolean,
  to: AlertState,
): { action: 'alert.noted' | 'alert.acknowledged' | 'alert.resolved' | 'alert.suppressed' } {
  if (!moves || to === 'open') return { action: 'alert.noted' };
  return { action: `alert.${to}` };
}
