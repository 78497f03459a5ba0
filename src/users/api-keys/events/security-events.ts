import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../../audit/trail/audit-trail.js';
import { type AuditSeverity } from '../../../audit/trail/audit-event.js';
import { AppError } from '../../../kernel/app-error.js';
import { actorName } from '../../../platform/context/request-context.js';
import { UnitOfWork } from '../../../platform/database/unit-of-work.js';
import { idIn, pageById } from '../../../platform/http/cursor.js';
import { staleVersion } from '../../../platform/http/etag.js';
import { type AlarmRule } from './alarm-rules.js';
import { type EventState, type PatchSecurityEvent, type SecurityEventFilter } from './security-event.dto.js';

export interface SecurityEvent {
  id: string;
  rule: AlarmRule;
  severity: AuditSeverity;
  keyId: string | null;
  keyName: string | null;
  windowStart: Date;
  raisedAt: Date;
  detail: Record<string, unknown>;
  state: EventState;
  note: string;
  acknowledgedAt: Date | null;
  acknowledgedBy: string | null;
  resolvedAt: Date | null;
  resolvedBy: string | null;
  version: number;
}

const EVENT = `
  SELECT e.id, e.rule, e.severity, e.key_id AS "keyId", k.name AS "keyName", e.window_start AS "windowStart", e.raised_at AS "raisedAt", e.detail,
         e.state, e.note, e.acknowledged_at AS "acknowledgedAt", e.acknowledged_by AS "acknowledgedBy", e.resolved_at AS "resolvedAt",
         e.resolved_by AS "resolvedBy", e.version
    FROM security_events e LEFT JOIN api_keys k ON k.id = e.key_id`;
const PAGE = `${EVENT}
   WHERE ($1::text IS NULL OR e.state = $1) AND ($2::text IS NULL OR e.rule = $2) AND ($3::text IS NULL OR e.severity = $3)
     AND ($4::uuid IS NULL OR e.key_id = $4) AND ($5::uuid IS NULL OR e.id < $5)
   ORDER BY e.id DESC LIMIT $6`;

/** From which state an event goes where. */
export const eventSteps: Record<EventState, readonly EventState[]> = {
  open: ['acknowledged'],
  acknowledged: ['resolved'],
  resolved: [],
};

/** What was odd about keys, and what people made of it. */
@Injectable()
export class SecurityEvents {
  constructor(
    private readonly work: UnitOfWork,
    private readonly audit: AuditTrail,
  ) {}

  /** Newest first. Throws `bad_cursor`. */
  async list({
    state,
    rule,
    severity,
    keyId,
    after,
    limit,
  }: SecurityEventFilter): Promise<{ items: SecurityEvent[]; next: string | null }> {
    const rows = await this.work.query<SecurityEvent>(PAGE, [
      state ?? null,
      rule ?? null,
      severity ?? null,
      keyId ?? null,
      idIn(after) ?? null,
      limit + 1,
    ]);
    return pageById(rows, limit);
  }

  /** Throws `security_event_not_found`. */
  async get(id: string): Promise<SecurityEvent> {
    const [event] = await this.work.query<SecurityEvent>(`${EVENT} WHERE e.id = $1`, [id]);
    if (!event) throw AppError.notFound('security_event', id);
    return event;
  }

  /** Throws `security_event_not_found`, `stale_version` or `no_such_step`. */
  patch(id: string, { state: to, note }: PatchSecurityEvent, expected: number | undefined): Promise<SecurityEvent> {
    return this.work.run(async () => {
      await this.work.queryInside('SELECT FROM security_events WHERE id = $1 FOR NO KEY UPDATE', [id]);
      const before = await this.get(id);
      if (expected !== undefined && expected !== before.version) throw staleVersion(before.version);
      if (to && to !== before.state && !eventSteps[before.state].includes(to))
        throw AppError.conflict('no_such_step', `What is ${before.state} cannot become ${to}.`);
      const state = to ?? before.state;
      if (state === before.state && (note ?? before.note) === before.note) return before;
      await this.work.query(
        `UPDATE security_events
            SET state = $2, note = $3, version = version + 1,
                acknowledged_at = CASE WHEN $2 = 'acknowledged' AND state = 'open' THEN now() ELSE acknowledged_at END,
                acknowledged_by = CASE WHEN $2 = 'acknowledged' AND state = 'open' THEN $4 ELSE acknowledged_by END,
                resolved_at = CASE WHEN $2 = 'resolved' AND state <> 'resolved' THEN now() ELSE resolved_at END,
                resolved_by = CASE WHEN $2 = 'resolved' AND state <> 'resolved' THEN $4 ELSE resolved_by END
          WHERE id = $1`,
        [id, state, note ?? before.note, actorName()],
      );
      const after = await this.get(id);
      await this.audit.record({
        ...stepOf(before.state, after.state),
        category: 'governance',
        resource: { type: 'security_event', id, name: after.rule },
        before,
        after,
      });
      return after;
    });
  }
}

function stepOf(
  from: EventState,
  to: EventState,
): { action: 'security_event.noted' | 'security_event.acknowledged' | 'security_event.resolved' } {
  if (from === to || to === 'open') return { action: 'security_event.noted' };
  return { action: to === 'resolved' ? 'security_event.resolved' : 'security_event.acknowledged' };
}
