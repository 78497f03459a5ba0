import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type AuditFilter } from './audit-log.dto.js';
import { auditQuery } from './audit-query.js';
import { type StoredEvent } from './stored-event.js';

/** The trail as it can be read: the log, and the tail that is not filed yet. */
@Injectable()
export class AuditLogRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** Newest first, below the id `after`. */
  async newest(filter: AuditFilter, after: string | undefined, limit: number): Promise<StoredEvent[]> {
    const { sql, parameters } = auditQuery(filter, after, limit);
    return this.work.query<StoredEvent>(sql, parameters);
  }

  async byId(id: string): Promise<StoredEvent | undefined> {
    const [event] = await this.work.query<StoredEvent>(
      `SELECT l.id, l.payload, l.recorded_at AS "recordedAt", true AS filed, l.seq,
              (SELECT q.reason FROM audit_quarantine q WHERE q.id = l.id LIMIT 1) AS quarantined
         FROM audit_log l WHERE l.id = $1
       UNION ALL
       SELECT i.id, i.payload, i.recorded_at, false, NULL, NULL FROM audit_inbox i WHERE i.id = $1`,
      [id],
    );
    return event;
  }

  /** How long the oldest event has waited to be filed; 0 when none does. */
  async oldestUnfiledSeconds(): Promise<number> {
    const [row] = await this.work.query<{ age: number }>(
      `SELECT coalesce(extract(epoch FROM now() - min(i.recorded_at)), 0)::float8 AS age FROM audit_inbox i`,
    );
    return row?.age ?? 0;
  }

  /** Makes the log's partitions of this month and the next ones, and returns how many were missing. */
  async ensurePartitions(monthsAhead: number): Promise<number> {
    const [row] = await this.work.run(() => this.work.query<{ made: number }>('SELECT audit_ensure_partitions($1) AS made', [monthsAhead]));
    return row?.made ?? 0;
  }
}
