import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Month } from '../archive/archive.repository.js';
import { Archives } from '../archive/archives.js';
import { type ArchivedEvent, storedEvent } from '../archive/event-line.js';
import { columnsAgain } from '../personal/columns-again.js';
import { PersonalReader } from '../personal/personal-reader.js';

const AT_ONCE = 500;

/** The columns that the filer makes of a payload (audit_seal_begin), made of it again. */
const INSERT = `
  WITH read AS MATERIALIZED (
    SELECT u.*, audit_readable(u.payload) AS event
      FROM unnest($3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::uuid[], $7::text[], $8::int[], $9::text[], $10::text[], $11::text[], $12::inet[], $13::text[])
        AS u (seq, sealed_at, recorded_at, id, xid, epoch, payload, leaf, mac, client_ip, names)
  )
  INSERT INTO audit_restored (class, period, seq, sealed_at, occurred_at, recorded_at, id, xid, cluster_epoch, actor_id, action, category, severity,
                              outcome, resource_type, resource_id, client_ip, correlation_id, flags, payload, leaf, emit_mac, names)
  SELECT $1::smallint, $2::date, n.seq, n.sealed_at, coalesce((event ->> 'at')::timestamptz, n.recorded_at), n.recorded_at, n.id, n.xid::xid8, n.epoch,
         event #>> '{actor,id}', event ->> 'action', event ->> 'category', event ->> 'severity', event ->> 'outcome', event #>> '{resource,type}',
         event #>> '{resource,id}', coalesce(n.client_ip, (event #>> '{request,clientIp}')::inet), event ->> 'correlationId',
         CASE WHEN event -> 'flags' = '[]' THEN '{}' ELSE ARRAY (SELECT jsonb_array_elements_text(coalesce(event -> 'flags', '[]'))) END,
         n.payload, decode(n.leaf, 'hex'), decode(n.mac, 'hex'), n.names
    FROM read n`;

/** Writes a month back from its archive. */
@Injectable()
export class RestoredWriter {
  constructor(
    private readonly work: UnitOfWork,
    private readonly archives: Archives,
    private readonly personal: PersonalReader,
  ) {}

  /**
   * All of the month inside the open unit of work, which must not be committed when this throws: only at the end every event is proven. Throws
   * `archive_broken` and what the store does.
   */
  async write(month: Month, manifest: string): Promise<number> {
    let batch: ArchivedEvent[] = [];
    let rows = 0;
    await this.archives.check(month, manifest, async (event) => {
      batch.push(event);
      if (batch.length < AT_ONCE) return;
      rows += await this.insert(month, batch);
      batch = [];
    });
    rows += await this.insert(month, batch);
    await this.work.queryInside('SELECT audit_forget_restored($1::smallint, $2::date)', [month.class, month.period]);
    return rows;
  }

  private async insert({ class: ofClass, period }: Month, events: readonly ArchivedEvent[]): Promise<number> {
    if (events.length === 0) return 0;
    const columns = (await this.personal.open(events.map((event) => storedEvent(event)))).map(columnsAgain);
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
    return events.length;
  }
}
