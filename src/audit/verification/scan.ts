import { type ClientBase } from 'pg';
import { HASH_BYTES, leafHashHex } from '../sealing/merkle.js';
import { type WriterMac } from '../sealing/writer-mac.js';
import { type Finding, type FindingCode, found } from './finding.js';
import { PersonalCheck } from './personal-check.js';
import { CLIENT_IP, commitmentIn, EXPECTED_COLUMNS, expectedColumns, LOGGED_ROW, type LoggedRow, PROJECTED } from './projection.js';

/** A part of one log: the events [from, to), all sealed after one checkpoint and not after another. */
export interface ScanOrder {
  class: number;
  log: string;
  from: number;
  to: number;
  after: string | null;
  until: string | null;
  /** What may lie between those two checkpoints: [low, high). */
  low: number;
  high: number;
  /** When the events before `from` were sealed at the latest, and those from `to` on at the earliest: which neighbours another part reads. */
  fromHeldAt: string | null;
  toAfter: string | null;
}

export interface Scanned {
  order: ScanOrder;
  /** 32 bytes for each event; zeros where it is missing. */
  leaves: Uint8Array;
  /** Runs of events that are not there: [from, to). */
  missing: [number, number][];
  /** The first event of each sealing instant, in order. */
  instants: { seq: number; at: string }[];
  findings: Finding[];
  rows: number;
  bytes: number;
  /** What the last audit.checkpointed event of this part says of the logs. */
  heads: Record<string, { number: number; size: number; root: string }> | undefined;
}

const FETCH = 2000;
const FINDINGS_KEPT = 100;
const asText = { getTypeParser: () => (value: string) => value };

/** Reads a part of a log row by row and checks each by itself: hash, writer, columns, order. Memory is that of the hashes. */
export async function scan(client: ClientBase, order: ScanOrder, writers: WriterMac): Promise<Scanned> {
  const result: Scanned = {
    order,
    leaves: new Uint8Array((order.to - order.from) * HASH_BYTES),
    missing: [],
    instants: [],
    findings: [],
    rows: 0,
    bytes: 0,
    heads: undefined,
  };
  const checker = new Checker(client, order, writers, await PersonalCheck.on(client), result);
  await client.query(
    `DECLARE audit_scan NO SCROLL CURSOR FOR
     SELECT ${LOGGED_ROW} FROM audit_log l
      WHERE l.class = ${order.class}::smallint AND l.sealed_at > '${order.after ?? '-infinity'}'::timestamptz
        AND l.sealed_at <= '${order.until ?? 'infinity'}'::timestamptz
      ORDER BY l.sealed_at, l.seq`,
  );
  const fetch = (): Promise<{ rows: (string | null)[][] }> =>
    client.query<(string | null)[]>({ text: `FETCH ${FETCH} FROM audit_scan`, rowMode: 'array', types: asText });
  // The server reads on while what it sent is checked.
  for (let next = fetch(), more = true; more;) {
    const { rows } = await next;
    more = rows.length === FETCH;
    if (more) next = fetch();
    for (const row of rows) {
      const asked = checker.take(rowOf(row));
      if (asked) await asked;
    }
  }
  await client.query('CLOSE audit_scan');
  checker.end();
  return result;
}

function rowOf([seq, sealedAt, id, xid, payload, leaf, mac, names, salt, ...columns]: (string | null)[]): LoggedRow {
  return {
    seq: seq ?? '',
    sealedAt: sealedAt ?? '',
    id: id ?? '',
    xid: xid ?? '',
    payload: payload ?? '',
    leaf: leaf ?? '',
    mac: mac ?? '',
    names: names ?? null,
    salt: salt ?? null,
    columns,
  };
}

class Checker {
  private readonly leaves: Buffer;
  private expected: number;
  private instant = '';
  private before: { xid: bigint; id: string } | undefined;

  constructor(
    private readonly client: ClientBase,
    private readonly order: ScanOrder,
    private readonly writers: WriterMac,
    private readonly personal: PersonalCheck,
    private readonly result: Scanned,
  ) {
    this.leaves = Buffer.from(result.leaves.buffer);
    this.expected = order.from;
  }

  /** A promise only where the server has to be asked. */
  take(row: LoggedRow): Promise<void> | undefined {
    const seq = Number(row.seq);
    const { from, to } = this.order;
    if (!this.belongs(seq, row.sealedAt)) this.say('event_inserted', row, 'it does not lie between the checkpoints that its time says');
    if (seq < from || seq >= to) return undefined;
    if (seq < this.expected) {
      this.say('event_inserted', row, 'there is another event of this number, or it is out of order');
      return undefined;
    }
    if (seq > this.expected) this.result.missing.push([this.expected, seq]);
    this.expected = seq + 1;
    this.result.rows++;
    this.result.bytes += Buffer.byteLength(row.payload);
    this.checkOrder(row, seq);
    this.checkLeaf(row, seq);
    return this.checkColumns(row);
  }

  end(): void {
    if (this.expected < this.order.to) this.result.missing.push([this.expected, this.order.to]);
  }

  private belongs(seq: number, sealedAt: string): boolean {
    const { from, to, low, high, fromHeldAt, toAfter } = this.order;
    if (seq < low || seq >= high) return false;
    if (seq < from) return fromHeldAt !== null && instantOf(sealedAt) <= fromHeldAt;
    return seq < to || toAfter === null || instantOf(sealedAt) > toAfter;
  }

  /** Within one instant events are in the order of their transactions, then of their ids. */
  private checkOrder(row: LoggedRow, seq: number): void {
    const at = { xid: BigInt(row.xid), id: row.id };
    if (row.sealedAt !== this.instant) {
      this.instant = row.sealedAt;
      this.result.instants.push({ seq, at: instantOf(row.sealedAt) });
    } else if (this.before && (this.before.xid > at.xid || (this.before.xid === at.xid && this.before.id >= at.id)))
      this.say('order_altered', row, 'it was written before the event in front of it');
    this.before = at;
  }

  private checkLeaf(row: LoggedRow, seq: number): void {
    const hex = leafHashHex(row.payload);
    const leaf = this.leaves.subarray((seq - this.order.from) * HASH_BYTES, (seq - this.order.from + 1) * HASH_BYTES);
    leaf.write(hex, 'hex');
    if (row.leaf !== `\\x${hex}`) this.say('payload_altered', row, 'its payload does not have the hash that its writer gave it');
    else if (!this.writers.made(Buffer.from(row.mac.slice(2), 'hex'), leaf))
      this.say('writer_unknown', row, 'no writer of ours made its MAC');
  }

  private checkColumns(row: LoggedRow): Promise<void> | undefined {
    const quick = expectedColumns(row.payload);
    const { commitment } = quick ?? {};
    if (quick?.columns.every((text, i) => text === row.columns[i] || (commitment && i === CLIENT_IP))) {
      if (typeof quick.id === 'string' && quick.id !== row.id)
        this.say('column_altered', row, 'its column id is not what its payload says');
      if (!this.personal.knows(commitment)) this.say('key_missing', row, 'a key that it is encrypted with was taken away');
      if (!this.personal.holds(row, commitment))
        this.say('column_altered', row, 'its column client_ip, names or salt is not what its payload says');
      if (this.order.class === 0 && row.columns[2] === 'audit.checkpointed') this.result.heads = headsOf(row.payload) ?? this.result.heads;
      return undefined;
    }
    return this.askServer(row);
  }

  private async askServer(row: LoggedRow): Promise<void> {
    const { rows } = await this.client.query<(string | null)[]>({
      text: EXPECTED_COLUMNS,
      values: [row.payload],
      rowMode: 'array',
      types: asText,
    });
    const [columns = []] = rows;
    const commitment = commitmentIn(row.payload);
    // What cannot be read has the time at which it was received.
    const altered: string[] = PROJECTED.filter(
      (_, i) => columns[i] !== row.columns[i] && !(i === 0 && columns[i] === null) && !(commitment && i === CLIENT_IP),
    );
    if (!this.personal.knows(commitment)) this.say('key_missing', row, 'a key that it is encrypted with was taken away');
    if (!this.personal.holds(row, commitment)) altered.push('client_ip, names or salt');
    if (altered.length > 0) this.say('column_altered', row, `its column ${altered.join(', ')} is not what its payload says`);
  }

  private say(code: FindingCode, { seq, id }: LoggedRow, what: string): void {
    if (this.result.findings.length < FINDINGS_KEPT)
      this.result.findings.push(found(code, this.order.log, `Event ${seq} of ${this.order.log}: ${what}.`, { seq: Number(seq), id }));
  }
}

/** As checkpoints write it. */
function instantOf(text: string): string {
  const [, day = '', time = '', fraction = ''] = /^(\S+) (\d\d:\d\d:\d\d)(?:\.(\d+))?\+00$/.exec(text) ?? [];
  return `${day}T${time}.${fraction.padEnd(6, '0')}Z`;
}

function headsOf(payload: string): Scanned['heads'] {
  const event = JSON.parse(payload) as { detail?: { heads?: Scanned['heads'] } };
  return event.detail?.heads;
}
