import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Month } from '../archive/archive.repository.js';
import { type ArchivedEvent } from '../archive/event-line.js';
import { type PersonalColumns } from '../personal/personal-members.js';

type Key = Pick<Month, 'class' | 'period'>;

/** Rows removed in one statement. */
const MOST = 5000;

/**
 * The columns that the filer makes of a payload (audit_seal_begin), made of it again; nothing personal under a key that is destroyed. What is
 * destroyed after this has looked is erased by whoever destroys it, who waits for whoever holds the month.
 */
const INSERT = `
  WITH read AS MATERIALIZED (
    SELECT u.*, audit_readable(u.payload) AS event,
           (u.client_ip IS NOT NULL OR u.names IS NOT NULL)
             AND (SELECT EXISTS (SELECT FROM audit_subject_key k WHERE k.destroyed_at IS NOT NULL)) AND audit_is_erased(u.payload) AS erased
      FROM unnest($3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::uuid[], $7::text[], $8::int[], $9::text[], $10::text[], $11::text[], $12::inet[], $13::text[])
        AS u (seq, sealed_at, recorded_at, id, xid, epoch, payload, leaf, mac, client_ip, names)
  )
  INSERT INTO audit_restored (class, period, seq, sealed_at, occurred_at, recorded_at, id, xid, cluster_epoch, actor_id, action, category, severity,
                              outcome, resource_type, resource_id, client_ip, correlation_id, flags, payload, leaf, emit_mac, names)
  SELECT $1::smallint, $2::date, n.seq, n.sealed_at, coalesce((event ->> 'at')::timestamptz, n.recorded_at), n.recorded_at, n.id, n.xid::xid8, n.epoch,
         event #>> '{actor,id}', event ->> 'action', event ->> 'category', event ->> 'severity', event ->> 'outcome', event #>> '{resource,type}',
         event #>> '{resource,id}', CASE WHEN NOT n.erased THEN coalesce(n.client_ip, (event #>> '{request,clientIp}')::inet) END,
         event ->> 'correlationId',
         CASE WHEN event -> 'flags' = '[]' THEN '{}' ELSE ARRAY (SELECT jsonb_array_elements_text(coalesce(event -> 'flags', '[]'))) END,
         n.payload, decode(n.leaf, 'hex'), decode(n.mac, 'hex'), CASE WHEN NOT n.erased THEN n.names END
    FROM read n`;

/** The rows of months that are read back. Whoever changes them holds the month (RehydrationsRepository). */
@Injectable()
export class RestoredRepository {
  constructor(private readonly work: UnitOfWork) {}

  async insert({ class: ofClass, period }: Key, events: readonly ArchivedEvent[], columns: readonly PersonalColumns[]): Promise<void> {
    await this.work.queryInside(INSERT, [
      ofClass,
      period,
      events.map(({ seq }) => seq),
      events.map(({ sealedAt }) => sealedAt),
      events.map(({ recordedAt }) => recordedAt),
      events.map(({ id }) => id),
      events.map(({ xid }) => xid),
      events.map(({ epoch }) => epoch),
      events.map(({ payload }) => payload),
      events.map(({ leaf }) => leaf),
      events.map(({ mac }) => mac),
      columns.map(({ clientIp }) => clientIp),
      columns.map(({ names }) => names),
    ]);
  }

  async count({ class: ofClass, period }: Key): Promise<number> {
    const [row] = await this.work.query<{ n: string }>('SELECT count(*) AS n FROM audit_restored e WHERE e.class = $1 AND e.period = $2', [
      ofClass,
      period,
    ]);
    return Number(row?.n);
  }

  /**
   * Removes the first few thousand events behind a place, and returns the place of the last; undefined when there are no more. Going on from
   * there does not pass what was removed, which stays in the index until it is vacuumed. By ctid: by their places the planner, who knows nothing
   * yet of a copy that is new, would look through the whole month.
   */
  async remove({ class: ofClass, period }: Key, after: number): Promise<number | undefined> {
    const [gone] = await this.work.queryInside<{ n: number; last: string | null }>(
      `WITH gone AS (
         DELETE FROM audit_restored r
          WHERE r.ctid = ANY (ARRAY (SELECT e.ctid FROM audit_restored e WHERE e.class = $1 AND e.period = $2 AND e.seq > $3 ORDER BY e.seq LIMIT $4))
         RETURNING r.seq
       )
       SELECT count(*)::int AS n, max(gone.seq) AS last FROM gone`,
      [ofClass, period, after, MOST],
    );
    return gone?.n === MOST ? Number(gone.last) : undefined;
  }
}
