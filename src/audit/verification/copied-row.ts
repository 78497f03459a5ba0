import { type ClientBase, type Connection, type Submittable } from 'pg';
import { lies } from '../sealing/merkle.js';

/** The columns of a row of the log in the order in which they are copied. */
export const COPIED = {
  seq: 0,
  sealedAt: 1,
  xid: 2,
  id: 3,
  leaf: 4,
  mac: 5,
  payload: 6,
  occurredAt: 7,
  actorId: 8,
  action: 9,
  category: 10,
  severity: 11,
  outcome: 12,
  resourceType: 13,
  resourceId: 14,
  clientIp: 15,
  correlationId: 16,
  flags: 17,
  names: 18,
  salt: 19,
} as const;

export type Column = (typeof COPIED)[keyof typeof COPIED];

export const COPIED_COLUMNS = `l.seq, l.sealed_at, l.xid, l.id, l.leaf, l.emit_mac, l.payload, l.occurred_at, l.actor_id, l.action, l.category, l.severity,
  l.outcome, l.resource_type, l.resource_id, host(l.client_ip), l.correlation_id, l.flags, l.names, l.salt`;

const COLUMNS = Object.keys(COPIED).length;
/** Signature, flags and the length of an extension that there is not. */
const HEADER_BYTES = 19;
const NULL = -1;
const EPOCH = Date.UTC(2000, 0, 1);

/** One row as COPY sends it in binary. Always the same object, over bytes that are the driver's: good until the next row comes. */
export class CopiedRow {
  bytes: Buffer = Buffer.alloc(0);
  private readonly starts = new Int32Array(COLUMNS);
  private readonly lengths = new Int32Array(COLUMNS);

  /** False for what ends the copy. Throws when it is no row of this shape. */
  read(bytes: Buffer, begin: number): boolean {
    this.bytes = bytes;
    const columns = bytes.readInt16BE(begin);
    if (columns === -1) return false;
    let at = begin + 2;
    for (let column = 0; column < columns && column < COLUMNS; column++) {
      const length = ((bytes[at++] ?? 0) << 24) | ((bytes[at++] ?? 0) << 16) | ((bytes[at++] ?? 0) << 8) | (bytes[at++] ?? 0);
      this.starts[column] = at;
      this.lengths[column] = length;
      if (length > 0) at += length;
    }
    if (columns !== COLUMNS || at !== bytes.length) throw new Error('The server copied rows of another shape than was asked for.');
    return true;
  }

  start(column: Column): number {
    return this.starts[column] ?? 0;
  }

  /** Of a column that is null, -1. */
  length(column: Column): number {
    return this.lengths[column] ?? NULL;
  }

  isNull(column: Column): boolean {
    return this.length(column) === NULL;
  }

  text(column: Column): string | null {
    return this.isNull(column) ? null : this.bytes.toString('utf8', this.start(column), this.start(column) + this.length(column));
  }

  /** A column of eight bytes; 0 where it has another length. Exact below 2^53, and never below it for what is not. */
  integer(column: Column): number {
    if (this.length(column) !== 8) return 0;
    const at = this.start(column);
    return this.bytes.readInt32BE(at) * 2 ** 32 + this.bytes.readUInt32BE(at + 4);
  }

  /** A time as checkpoints write it; one that is not of this world is before or behind all others. */
  instant(column: Column): string {
    const micros = this.integer(column);
    if (!Number.isSafeInteger(micros)) return micros < 0 ? '' : '9999-12-31T23:59:59.999999Z';
    const millis = Math.floor(micros / 1000);
    const rest = String(micros - millis * 1000).padStart(3, '0');
    return `${new Date(EPOCH + millis).toISOString().slice(0, -1)}${rest}Z`;
  }

  copy(column: Column): Buffer | null {
    return this.isNull(column) ? null : Buffer.from(this.bytes.subarray(this.start(column), this.start(column) + this.length(column)));
  }

  id(): string {
    const hex = this.bytes.toString('hex', this.start(COPIED.id), this.start(COPIED.id) + Math.max(0, this.length(COPIED.id)));
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  }

  /** Whether a column has exactly the bytes that lie in `bytes` from `from` to `to`. */
  is(column: Column, bytes: Uint8Array, from: number, to: number): boolean {
    if (this.length(column) !== to - from) return false;
    for (let at = this.start(column), i = from; i < to; i++) if (this.bytes[at++] !== bytes[i]) return false;
    return true;
  }

  /** Whether a column has exactly these bytes, each a character. */
  holds(column: Column, text: string): boolean {
    return this.length(column) === text.length && lies(text, this.bytes, this.start(column));
  }
}

/** Hands over the rows of a query whose columns are `COPIED_COLUMNS`, as fast as they come: nothing is kept, and the server waits meanwhile. */
export function copyRows(client: ClientBase, query: string, take: (row: CopiedRow) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query(new Copying(`COPY (${query}) TO STDOUT (FORMAT binary)`, take, resolve, reject));
  });
}

/** What the driver asks of a query of one's own: a stream of rows would make a Buffer of each. */
class Copying implements Submittable {
  private readonly row = new CopiedRow();
  private begun = false;
  private failure: Error | undefined;

  constructor(
    private readonly text: string,
    private readonly take: (row: CopiedRow) => void,
    private readonly resolve: () => void,
    private readonly reject: (error: Error) => void,
  ) {}

  submit(connection: Connection): void {
    connection.query(this.text);
  }

  /** One row, always (PostgreSQL, "COPY Operations"); the first comes with the header. */
  handleCopyData({ chunk }: { chunk: Buffer }): void {
    if (this.failure) return;
    try {
      if (this.row.read(chunk, this.begun ? 0 : HEADER_BYTES)) this.take(this.row);
    } catch (error) {
      // Thrown here it would come up in the socket.
      this.failure = error instanceof Error ? error : new Error(String(error));
    }
    this.begun = true;
  }

  handleCommandComplete(): void {
    // The server says that it is ready next.
  }

  handleReadyForQuery(): void {
    if (this.failure) this.reject(this.failure);
    else this.resolve();
  }

  handleError(error: Error): void {
    this.reject(error);
  }
}
