import { type ClientBase } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { type ArchivedEvent } from './event-line.js';

/** A row of the log, with what a summary is made of. */
export interface CopiedRow extends ArchivedEvent {
  occurredAt: string;
  severity: string;
  actor: string | null;
  resourceType: string | null;
  resource: string | null;
  correlation: string | null;
}

const instant = (column: string): string => `to_char(l.${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** Signature, flags and the length of an extension that there is not. */
const HEADER_BYTES = 19;
const END = -1;
const FIELDS = 14;

/** The events of a month in their order, as they stand: a COPY in binary, which is read as fast as it comes and kept nowhere. */
export async function* copiedRows(client: ClientBase, ofClass: number, period: string): AsyncGenerator<CopiedRow> {
  // COPY takes no parameters: a number and a date of ours.
  if (!Number.isInteger(ofClass) || !/^\d{4}-\d\d-01$/.test(period)) throw new Error(`There is no month ${period} of ${ofClass}.`);
  const month = `'${period} 00:00:00+00'::timestamptz`;
  const stream = client.query(
    copyTo(
      `COPY (SELECT l.seq::text, l.id::text, ${instant('sealed_at')}, ${instant('recorded_at')}, l.xid::text, l.cluster_epoch::text,
                    encode(l.leaf, 'hex'), encode(l.emit_mac, 'hex'), l.payload, ${instant('occurred_at')}, l.severity, l.actor_id,
                    l.resource_type || E'\\n' || coalesce(l.resource_id, ''), l.correlation_id
               FROM audit_log l
              WHERE l.class = ${ofClass}::smallint AND l.sealed_at >= ${month} AND l.sealed_at < (${month} AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC'
              ORDER BY l.sealed_at, l.seq)
         TO STDOUT (FORMAT binary)`,
    ),
  );
  const unread = new Unread();
  let begun = false;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    unread.add(chunk);
    if (!begun && !(begun = unread.skip(HEADER_BYTES))) continue;
    for (let row = unread.row(); row; row = unread.row()) yield rowOf(row);
  }
}

/** The fields of a row, by their lengths; bytes that are no whole row yet wait. */
class Unread {
  private bytes: Buffer = Buffer.alloc(0);
  private at = 0;

  add(chunk: Buffer): void {
    this.bytes = this.at === this.bytes.length ? chunk : Buffer.concat([this.bytes.subarray(this.at), chunk]);
    this.at = 0;
  }

  skip(bytes: number): boolean {
    if (this.bytes.length < bytes) return false;
    this.at = bytes;
    return true;
  }

  row(): (string | null)[] | undefined {
    const { bytes } = this;
    let at = this.at;
    if (bytes.length - at < 2) return undefined;
    if (bytes.readInt16BE(at) === END) return undefined;
    at += 2;
    const fields: (string | null)[] = [];
    for (let field = 0; field < FIELDS; field++) {
      if (bytes.length - at < 4) return undefined;
      const length = bytes.readInt32BE(at);
      at += 4;
      if (length >= 0 && bytes.length - at < length) return undefined;
      fields.push(length < 0 ? null : bytes.toString('utf8', at, at + length));
      at += Math.max(length, 0);
    }
    this.at = at;
    return fields;
  }
}

function rowOf(fields: (string | null)[]): CopiedRow {
  const [seq, id, sealedAt, recordedAt, xid, epoch, leaf, mac, payload, occurredAt, severity, actor, resource, correlation] = fields;
  const [type, ...rest] = resource?.split('\n') ?? [];
  return {
    seq: Number(seq),
    id: id ?? '',
    sealedAt: sealedAt ?? '',
    recordedAt: recordedAt ?? '',
    xid: xid ?? '',
    epoch: Number(epoch),
    leaf: leaf ?? '',
    mac: mac ?? '',
    payload: payload ?? '',
    occurredAt: occurredAt ?? '',
    severity: severity ?? '',
    actor: actor ?? null,
    resourceType: type ?? null,
    resource: rest.length === 0 || rest.join('\n') === '' ? null : rest.join('\n'),
    correlation: correlation ?? null,
  };
}
