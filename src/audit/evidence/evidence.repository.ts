import { Injectable } from '@nestjs/common';
import { type AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type AuditFilter } from '../log/audit-filter.dto.js';
import { AuditLogRepository } from '../log/audit-log.repository.js';
import { ArchivedEvents } from '../restored/archived-events.js';

/** An event at its place in a log. */
export interface LoggedEvent {
  id: string;
  class: number;
  log: string;
  seq: number;
  payload: string;
}

/** Events with their places, for proofs about them. */
@Injectable()
export class EvidenceRepository {
  constructor(
    private readonly work: UnitOfWork,
    private readonly log: AuditLogRepository,
    private readonly archived: ArchivedEvents,
  ) {}

  /** Those of the ids that are in the log, or of a month that is back for a while, by log and place. */
  async logged(ids: readonly string[]): Promise<LoggedEvent[]> {
    const rows = await this.work.query<Omit<LoggedEvent, 'seq'> & { seq: string }>(
      `SELECT l.id, l.class, h.name AS log, l.seq, l.payload FROM audit_log l JOIN audit_heads h ON h.class = l.class
        WHERE l.id = ANY ($1::uuid[])
       UNION ALL
       SELECT r.id, r.class, h.name AS log, r.seq, r.payload FROM audit_restored r JOIN audit_heads h ON h.class = r.class
         JOIN audit_rehydration b ON b.class = r.class AND b.period = r.period AND b.state = 'ready'
        WHERE r.id = ANY ($1::uuid[]) AND NOT EXISTS (SELECT FROM audit_log l WHERE l.id = r.id AND l.class = r.class)
        ORDER BY class, seq`,
      [ids],
    );
    return rows.map((row) => ({ ...row, seq: Number(row.seq) }));
  }

  /** Those of the ids that wait for their place. */
  async waiting(ids: readonly string[]): Promise<string[]> {
    const rows = await this.work.query<{ id: string }>('SELECT i.id FROM audit_inbox i WHERE i.id = ANY ($1::uuid[])', [ids]);
    return rows.map(({ id }) => id);
  }

  /** Why an event is not there. */
  async missing(id: string): Promise<AppError> {
    return this.archived.missing(id);
  }

  /** The ids of what a filter finds, newest first. */
  async find(filter: AuditFilter, limit: number): Promise<string[]> {
    return (await this.log.page(filter, { limit })).map(({ id }) => id);
  }

  async heads(): Promise<{ class: number; name: string }[]> {
    return this.work.query<{ class: number; name: string }>('SELECT h.class, h.name FROM audit_heads h ORDER BY h.class');
  }
}
