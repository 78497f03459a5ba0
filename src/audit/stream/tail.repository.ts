import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { AuditLogRepository } from '../log/audit-log.repository.js';
import { type AuditQuestion, logConditions } from '../log/audit-query.js';
import { type StoredEvent } from '../log/stored-event.js';
import { PersonalReader } from '../personal/personal-reader.js';
import { type Place } from './tail-place.js';

export interface Followed extends StoredEvent {
  place: Place;
}

/**
 * The log in the order in which it is filed. What is filed later comes later, in each class by (sealed_at, seq), so that whoever follows it
 * misses nothing and sees nothing twice. The inbox has no such order: a transaction that ends late would be missed.
 */
@Injectable()
export class TailRepository {
  constructor(
    private readonly work: UnitOfWork,
    private readonly log: AuditLogRepository,
    private readonly personal: PersonalReader,
  ) {}

  /** Where each log ends now. */
  async ends(): Promise<Place[]> {
    return this.work.query<Place & object>(
      `SELECT h.class, h.last_sealed_at::text AS "sealedAt", (h.size - 1)::text AS seq FROM audit_heads h ORDER BY h.class`,
    );
  }

  /** What was filed after the one place of each log and up to the other, as far as the question means it. */
  async between(question: AuditQuestion, from: readonly Place[], to: readonly Place[], limit: number): Promise<Followed[]> {
    const parameters: unknown[] = [];
    const conditions = logConditions(await this.log.understood(question), parameters);
    const parts = to.flatMap((end) => {
      const begin = from.find((place) => place.class === end.class);
      if (!begin || begin.seq === end.seq) return [];
      const [kept, at, seq, last] = [end.class, begin.sealedAt, begin.seq, end.seq].map((value) => `$${parameters.push(value)}`);
      return `
    (SELECT e.id, e.payload, e.recorded_at AS "recordedAt", e.class, e.sealed_at, e.seq
       FROM audit_log e
      WHERE ${[
        `e.class = ${kept}::smallint`,
        `e.sealed_at >= ${at}::timestamptz`,
        `(e.sealed_at, e.seq) > (${at}::timestamptz, ${seq}::bigint)`,
        `e.seq <= ${last}::bigint`,
        ...conditions,
      ].join(' AND ')}
      ORDER BY e.sealed_at, e.seq LIMIT ${limit})`;
    });
    if (parts.length === 0) return [];
    const rows = await this.work.query<Omit<StoredEvent, 'filed'> & { class: number; sealedAt: string; seq: string }>(
      `SELECT p.id, p.payload, p."recordedAt", p.class, p.sealed_at::text AS "sealedAt", p.seq,
              (SELECT q.reason FROM audit_quarantine q WHERE q.id = p.id LIMIT 1) AS quarantined
         FROM (${parts.join(' UNION ALL ')}) p ORDER BY p.sealed_at, p.class, p.seq LIMIT ${limit}`,
      parameters,
    );
    return this.personal.open(
      rows.map(({ class: kept, sealedAt, ...event }) => ({
        ...event,
        filed: true,
        place: { class: kept, sealedAt, seq: event.seq },
      })),
    );
  }
}
