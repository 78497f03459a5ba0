import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { AuditTrail } from '../../../audit/trail/audit-trail.js';
import { Clock } from '../../../kernel/clock.js';
import { UnitOfWork } from '../../../platform/database/unit-of-work.js';
import { Log } from '../../../platform/logging/log.js';
import { asProgram } from '../../as-program.js';
import { type Alarm, alarmRules, windowOf } from './alarm-rules.js';

/** Raises security events: one for each rule, key and window, whoever and how often it is noticed. */
@Injectable()
export class KeyAlarms {
  /** What this process raised, or found raised: noticed again, it costs nothing. */
  private readonly known = new LRUCache<string, true>({ max: 10_000 });

  constructor(
    private readonly work: UnitOfWork,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Notices that a key was refused; the refusal does not wait for it. */
  refused(rule: 'revoked_use' | 'expired_use' | 'address_denied', keyId: string, detail: Record<string, unknown>): void {
    void this.notice({ rule, keyId, at: this.clock.now(), detail });
  }

  /** Like raise(), but a failure is only logged. */
  async notice(alarm: Alarm): Promise<void> {
    await this.raise(alarm).catch((error: unknown) => {
      this.log.warn('a security event could not be raised', { rule: alarm.rule, keyId: alarm.keyId, error });
    });
  }

  /** Whether it was raised now: false when it had been before. */
  async raise(alarm: Alarm): Promise<boolean> {
    const { rule, keyId, detail, severity = alarmRules[rule].severity } = alarm;
    const window = windowOf(alarm);
    const name = `${rule} ${keyId ?? ''} ${window.getTime()}`;
    if (this.known.has(name)) return false;
    return asProgram(() =>
      this.work.run(async () => {
        const [row] = await this.work.query<{ id: string }>(
          `INSERT INTO security_events (rule, severity, key_id, window_start, detail) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT ON CONSTRAINT security_events_once DO NOTHING RETURNING id`,
          [rule, severity, keyId, window, JSON.stringify(detail)],
        );
        if (row)
          await this.audit.record({
            action: 'security.event_raised',
            category: 'access',
            severity,
            resource: { type: 'security_event', id: row.id, name: rule },
            detail: { ...detail, rule, keyId, window },
          });
        this.work.afterCommit(() => this.known.set(name, true));
        return row !== undefined;
      }),
    );
  }
}
