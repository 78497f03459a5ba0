import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Month } from '../archive/archive.repository.js';
import { type ArchivedEvent } from '../archive/event-line.js';
import { type AuditQuestion, logConditions } from '../log/audit-query.js';
import { AuditLogRepository } from '../log/audit-log.repository.js';

type Row = { [K in keyof ArchivedEvent]: string | null };

/** Events of archived months that are back in the database for a while. They are a copy: whoever shows one proves it first. */
@Injectable()
export class RestoredEvents {
  constructor(
    private readonly work: UnitOfWork,
    private readonly log: AuditLogRepository,
  ) {}

  /** The newest of a month that the question means; undefined when the month is not back, or not all of it yet. */
  async find(
    { class: ofClass, period }: Pick<Month, 'class' | 'period'>,
    question: AuditQuestion,
    { limit, below }: { limit: number; below: string | undefined },
  ): Promise<ArchivedEvent[] | undefined> {
    const parameters: unknown[] = [ofClass, period, limit, below ?? null];
    const conditions = logConditions(await this.log.understood(question), parameters);
    // One statement: whether it is back, and what it has, at the same moment.
    const rows = await this.work.query<Row>(
      `SELECT e.seq, e.id, e.sealed_at::text AS "sealedAt", e.recorded_at::text AS "recordedAt", e.xid::text AS xid, e.cluster_epoch::text AS epoch,
              encode(e.leaf, 'hex') AS leaf, encode(e.emit_mac, 'hex') AS mac, e.payload
         FROM audit_rehydration r
         LEFT JOIN LATERAL (
           SELECT * FROM audit_restored e
            WHERE e.class = $1::smallint AND e.period = $2::date AND ($4::uuid IS NULL OR e.id < $4::uuid)
              ${conditions.map((condition) => `AND ${condition}`).join(' ')}
            ORDER BY e.id DESC LIMIT $3) e ON true
        WHERE r.class = $1::smallint AND r.period = $2::date AND r.state = 'ready'`,
      parameters,
    );
    if (rows.length === 0) return undefined;
    return rows.filter(({ id }) => id !== null).map(exact);
  }
}

function exact({ seq, id, sealedAt, recordedAt, xid, epoch, leaf, mac, payload }: Row): ArchivedEvent {
  return {
    ...{ seq: Number(seq), id: id ?? '', sealedAt: sealedAt ?? '', recordedAt: recordedAt ?? '', xid: xid ?? '', epoch: Number(epoch) },
    ...{ leaf: leaf ?? '', mac: mac ?? '', payload: payload ?? '' },
  };
}
