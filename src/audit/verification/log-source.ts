import { type ClientBase, type QueryResultRow } from 'pg';
import { type StoredKey } from '../sealing/sealing.repository.js';

export interface LogHead {
  class: number;
  name: string;
  size: number;
}

export interface CheckpointRow {
  number: number;
  size: number;
  root: Buffer;
  at: string;
  epoch: number;
  note: string;
}

export interface PeriodRow {
  period: string;
  firstSeq: number;
  lastSeq: number;
  state: string;
  root: Buffer | null;
  /** Whether the table of its rows is there. */
  present: boolean;
}

export interface RemovalRow {
  payload: string;
  mac: Buffer;
}

/** A checkpoint's place in size and time. */
export interface Bound {
  size: number;
  at: string;
}

const AT = `to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at`;

/** Everything of the logs but their rows, in one snapshot. */
export class LogSource {
  constructor(readonly client: ClientBase) {}

  async installation(): Promise<string> {
    const [row] = await this.rows<{ id: string }>('SELECT id FROM audit_installation');
    return row?.id ?? '';
  }

  keys(): Promise<StoredKey[]> {
    return this.rows<StoredKey>('SELECT ordinal, public_key AS "publicKey", note FROM audit_key ORDER BY ordinal');
  }

  async heads(): Promise<LogHead[]> {
    const rows = await this.rows<{ class: number; name: string; size: string }>('SELECT class, name, size FROM audit_heads ORDER BY class');
    return rows.map((row) => ({ ...row, size: Number(row.size) }));
  }

  async checkpoints(ofClass: number, after: number, limit: number): Promise<CheckpointRow[]> {
    const rows = await this.rows<CheckpointRow & { number: string; size: string }>(
      `SELECT number, size, root, ${AT}, epoch, note FROM audit_checkpoint WHERE class = $1::smallint AND number > $2 ORDER BY number LIMIT $3`,
      [ofClass, after, limit],
    );
    return rows.map((row) => ({ ...row, number: Number(row.number), size: Number(row.size) }));
  }

  async largestCheckpoint(ofClass: number): Promise<number> {
    const [row] = await this.rows<{ size: string | null }>('SELECT max(size) AS size FROM audit_checkpoint WHERE class = $1::smallint', [
      ofClass,
    ]);
    return Number(row?.size ?? 0);
  }

  /** The last checkpoint that lies wholly before the event `seq`. */
  async before(ofClass: number, seq: number): Promise<Bound | undefined> {
    const [row] = await this.rows<{ size: string; at: string }>(
      `SELECT size, ${AT} FROM audit_checkpoint WHERE class = $1::smallint AND size <= $2 ORDER BY size DESC, number DESC LIMIT 1`,
      [ofClass, seq],
    );
    return row && { size: Number(row.size), at: row.at };
  }

  /** The first checkpoint that holds the event before `seq`. */
  async holding(ofClass: number, seq: number): Promise<Bound | undefined> {
    const [row] = await this.rows<{ size: string; at: string }>(
      `SELECT size, ${AT} FROM audit_checkpoint WHERE class = $1::smallint AND size >= $2 ORDER BY size, number LIMIT 1`,
      [ofClass, seq],
    );
    return row && { size: Number(row.size), at: row.at };
  }

  /** How large the log was before an instant, by its checkpoints. */
  async sizeAt(ofClass: number, instant: Date, side: 'before' | 'after'): Promise<number | undefined> {
    const [row] = await this.rows<{ size: string | null }>(
      side === 'before'
        ? 'SELECT max(size) AS size FROM audit_checkpoint WHERE class = $1::smallint AND at < $2'
        : 'SELECT min(size) AS size FROM audit_checkpoint WHERE class = $1::smallint AND at >= $2',
      [ofClass, instant],
    );
    return row?.size == null ? undefined : Number(row.size);
  }

  async tiles(ofClass: number, level: number, from: number, to: number): Promise<Map<number, Buffer>> {
    const rows = await this.rows<{ n: string; hashes: Buffer }>(
      'SELECT n, hashes FROM audit_tile WHERE class = $1::smallint AND level = $2::smallint AND n >= $3 AND n < $4',
      [ofClass, level, from, to],
    );
    return new Map(rows.map(({ n, hashes }) => [Number(n), hashes]));
  }

  /** Hashes of events that were taken out before their tile was full. */
  async leaves(ofClass: number, from: number, to: number): Promise<Map<number, Buffer>> {
    const rows = await this.rows<{ seq: string; leaf: Buffer }>(
      'SELECT seq, leaf FROM audit_leaf WHERE class = $1::smallint AND seq >= $2 AND seq < $3',
      [ofClass, from, to],
    );
    return new Map(rows.map(({ seq, leaf }) => [Number(seq), leaf]));
  }

  /** What the meta log says was taken out and put back, in its order, as far as it is sealed. */
  async removals(): Promise<RemovalRow[]> {
    return this.rows<RemovalRow>(
      `SELECT l.payload, l.emit_mac AS mac FROM audit_log l
        WHERE l.class = 0 AND l.resource_type = 'audit_period'
          AND l.action IN ('audit.period_detached', 'audit.period_dropped', 'audit.archive_undone')
          AND l.seq < (SELECT max(c.size) FROM audit_checkpoint c WHERE c.class = 0)
        ORDER BY l.seq`,
    );
  }

  async manifests(): Promise<Map<string, string>> {
    const rows = await this.rows<{ month: string; manifest: string }>(
      `SELECT h.name || '/' || a.period AS month, a.manifest FROM audit_archive a JOIN audit_heads h ON h.class = a.class WHERE a.manifest IS NOT NULL`,
    );
    return new Map(rows.map(({ month, manifest }) => [month, manifest]));
  }

  async periods({ class: ofClass, name }: LogHead): Promise<PeriodRow[]> {
    const rows = await this.rows<PeriodRow & { firstSeq: string; lastSeq: string }>(
      `SELECT p.period::text AS period, p.first_seq AS "firstSeq", p.last_seq AS "lastSeq", p.state, p.root,
              EXISTS (SELECT FROM pg_inherits i
                       WHERE i.inhrelid = to_regclass('audit_log_' || $2 || to_char(p.period, '_YYYY_MM')) AND NOT i.inhdetachpending) AS present
         FROM audit_period p WHERE p.class = $1::smallint ORDER BY p.period`,
      [ofClass, name],
    );
    return rows.map((row) => ({ ...row, firstSeq: Number(row.firstSeq), lastSeq: Number(row.lastSeq) }));
  }

  private async rows<T extends QueryResultRow>(text: string, values: unknown[] = []): Promise<T[]> {
    return (await this.client.query<T>(text, values)).rows;
  }
}
