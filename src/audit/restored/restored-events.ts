import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Month } from '../archive/archive.repository.js';
import { type ArchivedEvent } from '../archive/event-line.js';
import { type AuditQuestion, logConditions } from '../log/audit-query.js';
import { AuditLogRepository } from '../log/audit-log.repository.js';

const COLUMNS = `e.seq, e.id, e.sealed_at::text AS "sealedAt", e.recorded_at::text AS "recordedAt", e.xid::text AS xid, e.cluster_epoch::text AS epoch,
  encode(e.leaf, 'hex') AS leaf, encode(e.emit_mac, 'hex') AS mac, e.payload`;
/** Events of a month at once. */
const PART = 1000;

type Row = { [K in keyof ArchivedEvent]: string | null };

/** Events of archived months that are back in the database for a while. They are a copy: whoever shows one proves it first. */
@Injectable()
export class RestoredEvents {
  constructor(
    private readonly work: UnitOfWork,
    private readonly log: AuditLogRepository,
  ) {}

  /** The first of a month, in that order, that the question means; undefined when the month is not back, or not all of it yet. */
  async find(
    { class: ofClass, period }: Pick<Month, 'class' | 'period'>,
    question: AuditQuestion,
    { limit, order, beyond }: { limit: number; order: 'newest' | 'oldest'; beyond: string | undefined },
  ): Promise<ArchivedEvent[] | undefined> {
    const parameters: unknown[] = [ofClass, period, limit, beyond ?? null];
    const conditions = logConditions(await this.log.understood(question), parameters);
    const [direction, further] = order === 'newest' ? ['DESC', '<'] : ['ASC', '>'];
    // One statement: whether it is back, and what it has, at the same moment.
    const rows = await this.work.query<Row>(
      `SELECT ${COLUMNS}
         FROM audit_rehydration r
         LEFT JOIN LATERAL (
           SELECT * FROM audit_restored e
            WHERE e.class = $1::smallint AND e.period = $2::date AND ($4::uuid IS NULL OR e.id ${further} $4::uuid)
              ${conditions.map((condition) => `AND ${condition}`).join(' ')}
            ORDER BY e.id ${direction} LIMIT $3) e ON true
        WHERE r.class = $1::smallint AND r.period = $2::date AND r.state = 'ready'`,
      parameters,
    );
    if (rows.length === 0) return undefined;
    return rows.filter(({ id }) => id !== null).map(exact);
  }

  /** One event, and the month that is back and has it. */
  async byId(id: string): Promise<{ class: number; period: string; event: ArchivedEvent } | undefined> {
    const [row] = await this.work.query<Row & { class: number; period: string }>(
      `SELECT e.class, e.period::text AS period, ${COLUMNS}
         FROM audit_restored e JOIN audit_rehydration r ON r.class = e.class AND r.period = e.period AND r.state = 'ready'
        WHERE e.id = $1 LIMIT 1`,
      [id],
    );
    return row && { class: row.class, period: row.period, event: exact(row) };
  }

  /** All events of a month in the order of the log; undefined when it is not back. Throws `archive_state_changed` when it goes on the way. */
  async all(month: Pick<Month, 'class' | 'period'>): Promise<AsyncGenerator<ArchivedEvent[]> | undefined> {
    const first = await this.part(month, -1);
    return first && this.parts(month, first);
  }

  private async *parts(month: Pick<Month, 'class' | 'period'>, first: ArchivedEvent[]): AsyncGenerator<ArchivedEvent[]> {
    for (let part: ArchivedEvent[] | undefined = first; part.length > 0;) {
      yield part;
      part = await this.part(month, part.at(-1)?.seq ?? 0);
      if (!part)
        throw AppError.conflict('archive_state_changed', `The month ${month.period} that was back has ended meanwhile: ask again.`);
    }
  }

  private async part({ class: ofClass, period }: Pick<Month, 'class' | 'period'>, above: number): Promise<ArchivedEvent[] | undefined> {
    const rows = await this.work.query<Row>(
      `SELECT ${COLUMNS}
         FROM audit_rehydration r
         LEFT JOIN LATERAL (
           SELECT * FROM audit_restored e WHERE e.class = $1::smallint AND e.period = $2::date AND e.seq > $3::bigint ORDER BY e.seq LIMIT $4) e ON true
        WHERE r.class = $1::smallint AND r.period = $2::date AND r.state = 'ready'`,
      [ofClass, period, above, PART],
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
