import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type AuditFilter } from '../log/audit-log.dto.js';
import { AuditLogRepository } from '../log/audit-log.repository.js';

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
  ) {}

  /** Those of the ids that are in the log, by log and place. */
  async logged(ids: readonly string[]): Promise<LoggedEvent[]> {
    const rows = await this.work.query<Omit<LoggedEvent, 'seq'> & { seq: string }>(
      `SELECT l.id, l.class, h.name AS log, l.seq, l.payload FROM audit_log l JOIN audit_heads h ON h.class = l.class
        WHERE l.id = ANY ($1::uuid[]) ORDER BY l.class, l.seq`,
      [ids],
    );
    return rows.map((row) => ({ ...row, seq: Number(row.seq) }));
  }

  /** Those of the ids that wait for their place. */
  async waiting(ids: readonly string[]): Promise<string[]> {
    const rows = await this.work.query<{ id: string }>('SELECT i.id FROM audit_inbox i WHERE i.id = ANY ($1::uuid[])', [ids]);
    return rows.map(({ id }) => id);
  }

  /** The ids of what a filter finds, newest first. */
  async find(filter: AuditFilter, limit: number): Promise<string[]> {
    return (await this.log.page(filter, { limit })).map(({ id }) => id);
  }

  async heads(): Promise<{ class: number; name: string }[]> {
    return this.work.query<{ class: number; name: string }>('SELECT h.class, h.name FROM audit_heads h ORDER BY h.class');
  }
}
