import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type AuditCategory } from '../trail/audit-event.js';
import { type Tile } from './growing-tree.js';

/** A retention class's log as the sealer finds it. */
export interface Head {
  class: number;
  name: AuditCategory;
  /** Events in the log. */
  size: number;
  epoch: number;
  /** The database is another cluster than before. */
  epochBegan: boolean;
  /** It is to be said that the logs are alive. */
  heartbeat: boolean;
  /** Not before anything sealed so far. */
  at: string;
  /** Since its newest checkpoint was signed; below 0 when the clock was set back meanwhile, null when there is none. */
  idleSeconds: number | null;
}

/** Events of one class that lie behind each other in the log; the three buffers hold 32 bytes for each. */
export interface Batch {
  class: number;
  firstSeq: number;
  events: number;
  sealedAt: string;
  /** SHA-256(0x00 ‖ payload), of the payload as it stands. */
  hashes: Buffer;
  /** The same, as the writer said. */
  leaves: Buffer;
  macs: Buffer;
}

export interface StoredCheckpoint {
  class: number;
  number: number;
  size: number;
  root: Buffer;
  at: string;
  epoch: number;
  note: string;
}

export interface StoredKey {
  ordinal: number;
  publicKey: Buffer;
  note: string;
}

export interface Period {
  class: number;
  name: string;
  period: string;
  firstSeq: number;
  lastSeq: number;
  rows: number;
  bytes: string;
}

type Texts<T, K extends keyof T> = Omit<T, K> & Record<K, string>;

const INSTANT = `'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'`;
const CHECKPOINT = `c.class, c.number, c.size, c.root, to_char(c.at AT TIME ZONE 'UTC', ${INSTANT}) AS at, c.epoch, c.note`;
const BATCH = `count(*)::int AS events, to_char(max(l.sealed_at) AT TIME ZONE 'UTC', ${INSTANT}) AS "sealedAt",
  string_agg(sha256('\\x00'::bytea || convert_to(l.payload, 'UTF8')), '' ORDER BY l.seq) AS hashes,
  string_agg(l.leaf, '' ORDER BY l.seq) AS leaves, string_agg(l.emit_mac, '' ORDER BY l.seq) AS macs`;

/** More than a sealing instant ever has. */
const UNSEALED = 20_000;

/** What the sealer reads and writes. Positions and sizes are exact numbers: a log of 2^53 events is not of this world. */
@Injectable()
export class SealingRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** Whether there is anything to seal, or it is time for a heartbeat: one read that locks nothing. */
  async isDue(heartbeatSeconds: number): Promise<boolean> {
    const [row] = await this.work.query<{ due: boolean }>(
      `SELECT EXISTS (SELECT FROM audit_inbox i WHERE i.xid < (SELECT pg_snapshot_xmin(pg_current_snapshot()))
                                                  OR i.xid >= (SELECT pg_snapshot_xmax(pg_current_snapshot())))
           OR EXISTS (SELECT FROM audit_heads h WHERE h.heartbeat_at IS NULL OR h.heartbeat_at < audit_clock() - make_interval(secs => $1)
                                                   OR h.heartbeat_at > audit_clock()
                                                   OR h.size > coalesce((SELECT c.size FROM audit_checkpoint c WHERE c.class = h.class
                                                                          ORDER BY c.number DESC LIMIT 1), 0)) AS due`,
      [heartbeatSeconds],
    );
    return row?.due === true;
  }

  /** Makes this transaction the one sealer; empty while another one is. */
  async begin(heartbeatSeconds: number): Promise<Head[]> {
    const rows = await this.work.query<Texts<Head, 'size'>>(
      `SELECT class, name, size, epoch, epoch_began AS "epochBegan", heartbeat, to_char(at AT TIME ZONE 'UTC', ${INSTANT}) AS at,
              idle_seconds AS "idleSeconds"
         FROM audit_seal_begin($1)`,
      [heartbeatSeconds],
    );
    return rows.map((row) => ({ ...row, size: Number(row.size) }));
  }

  /** Moves up to `limit` events from the inbox to the log. */
  async file(limit: number): Promise<Batch[]> {
    const rows = await this.work.query<Texts<Batch, 'firstSeq'>>(
      `SELECT class, first_seq AS "firstSeq", events, to_char(sealed_at AT TIME ZONE 'UTC', ${INSTANT}) AS "sealedAt", hashes, leaves, macs
         FROM audit_file($1)`,
      [limit],
    );
    return rows.map((row) => ({ ...row, firstSeq: Number(row.firstSeq) }));
  }

  /**
   * Events that are in the log and in no checkpoint yet, from `from` on, up to the end of a sealing instant; undefined when they do not lie
   * behind each other from there.
   */
  async unsealed(ofClass: number, from: number, after: string | undefined): Promise<Batch | undefined> {
    const [row] = await this.work.query<Batch & { last: string }>(
      `WITH next AS MATERIALIZED (
         SELECT l.* FROM audit_log l WHERE l.class = $1::smallint AND l.seq >= $2 AND l.sealed_at > coalesce($3::timestamptz, '-infinity')
          ORDER BY l.sealed_at, l.seq LIMIT $4
       ), whole AS (
         SELECT CASE WHEN count(*) < $4 THEN 'infinity' ELSE max(n.sealed_at) END AS until FROM next n
       )
       SELECT ${BATCH}, max(l.seq) AS last FROM next l JOIN whole w ON l.sealed_at < w.until`,
      [ofClass, from, after ?? null, UNSEALED],
    );
    if (!row || row.events === 0 || Number(row.last) !== from + row.events - 1) return undefined;
    return { ...row, class: ofClass, firstSeq: from };
  }

  /** The hashes of the `count` events that end at `size`, in their order; fewer when they are not all there. */
  async lastHashes(ofClass: number, size: number, at: string, count: number): Promise<Buffer> {
    if (count === 0) return Buffer.alloc(0);
    const [row] = await this.work.query<{ hashes: Buffer | null }>(
      `SELECT string_agg(k.hash, '' ORDER BY k.seq) AS hashes
         FROM (SELECT * FROM (SELECT l.seq, sha256('\\x00'::bytea || convert_to(l.payload, 'UTF8')) AS hash FROM audit_log l
                               WHERE l.class = $1::smallint AND l.seq >= $2::bigint - $4::int AND l.seq < $2 AND l.sealed_at <= $3::timestamptz
                               ORDER BY l.sealed_at DESC, l.seq DESC LIMIT $4) l
                UNION
               SELECT f.seq, f.leaf FROM audit_leaf f WHERE f.class = $1::smallint AND f.seq >= $2::bigint - $4::int AND f.seq < $2) k`,
      [ofClass, size, at, count],
    );
    return row?.hashes ?? Buffer.alloc(0);
  }

  /** The ids of events that were sealed after one instant and not after another, by their seq. */
  async idsOf(ofClass: number, after: string | undefined, until: string, seqs: readonly number[]): Promise<Map<number, string>> {
    const rows = await this.work.query<{ seq: string; id: string }>(
      `SELECT l.seq, l.id FROM audit_log l
        WHERE l.class = $1::smallint AND l.sealed_at > coalesce($2::timestamptz, '-infinity') AND l.sealed_at <= $3::timestamptz
          AND l.seq = ANY ($4::bigint[])`,
      [ofClass, after ?? null, until, seqs],
    );
    return new Map(rows.map(({ seq, id }) => [Number(seq), id]));
  }

  async quarantine(ofClass: number, rows: readonly { seq: number; id: string; reason: string }[]): Promise<void> {
    await this.work.queryInside(
      `INSERT INTO audit_quarantine (class, seq, id, reason) SELECT $1::smallint, * FROM unnest($2::bigint[], $3::uuid[], $4::text[])`,
      [ofClass, rows.map((r) => r.seq), rows.map((r) => r.id), rows.map((r) => r.reason)],
    );
  }

  async tiles(ofClass: number, level: number, from: number, to: number): Promise<Map<number, Buffer>> {
    if (to <= from) return new Map();
    const rows = await this.work.query<{ n: string; hashes: Buffer }>(
      'SELECT t.n, t.hashes FROM audit_tile t WHERE t.class = $1::smallint AND t.level = $2::smallint AND t.n >= $3 AND t.n < $4 ORDER BY t.n',
      [ofClass, level, from, to],
    );
    return new Map(rows.map(({ n, hashes }) => [Number(n), hashes]));
  }

  async addTiles(ofClass: number, tiles: readonly Tile[]): Promise<void> {
    if (tiles.length === 0) return;
    await this.work.queryInside(
      'INSERT INTO audit_tile (class, level, n, hashes) SELECT $1::smallint, * FROM unnest($2::smallint[], $3::bigint[], $4::bytea[])',
      [ofClass, tiles.map((t) => t.level), tiles.map((t) => t.n), tiles.map((t) => t.hashes)],
    );
  }

  async addCheckpoint(c: StoredCheckpoint): Promise<void> {
    await this.work.queryInside(
      'INSERT INTO audit_checkpoint (class, number, size, root, at, epoch, note) VALUES ($1, $2, $3, $4, $5, $6, $7)',
      [c.class, c.number, c.size, c.root, c.at, c.epoch, c.note],
    );
  }

  /** The newest checkpoint of each class. */
  async newestCheckpoints(): Promise<Map<number, StoredCheckpoint>> {
    const rows = await this.work.query<Texts<StoredCheckpoint, 'number' | 'size'>>(
      `SELECT ${CHECKPOINT} FROM audit_heads h
        CROSS JOIN LATERAL (SELECT * FROM audit_checkpoint c WHERE c.class = h.class ORDER BY c.number DESC LIMIT 1) c`,
    );
    return new Map(rows.map((row) => [row.class, exact(row)]));
  }

  /** The first checkpoint of a class that holds so many events. */
  async checkpointHolding(ofClass: number, size: number): Promise<StoredCheckpoint | undefined> {
    const [row] = await this.work.query<Texts<StoredCheckpoint, 'number' | 'size'>>(
      `SELECT ${CHECKPOINT} FROM audit_checkpoint c WHERE c.class = $1::smallint AND c.size >= $2 ORDER BY c.size, c.number LIMIT 1`,
      [ofClass, size],
    );
    return row && exact(row);
  }

  /** Checkpoints of a class with a number below `before`, newest first. */
  async checkpointsBefore(ofClass: number, before: number, limit: number): Promise<StoredCheckpoint[]> {
    const rows = await this.work.query<Texts<StoredCheckpoint, 'number' | 'size'>>(
      `SELECT ${CHECKPOINT} FROM audit_checkpoint c WHERE c.class = $1::smallint AND c.number < $2 ORDER BY c.number DESC LIMIT $3`,
      [ofClass, before, limit],
    );
    return rows.map(exact);
  }

  /** Months that are over and not closed yet. */
  async overdueClosings(): Promise<Period[]> {
    const rows = await this.work.query<Texts<Period, 'firstSeq' | 'lastSeq' | 'rows'>>(
      `SELECT p.class, h.name, p.period::text AS period, p.first_seq AS "firstSeq", p.last_seq AS "lastSeq", p.rows, p.bytes
         FROM audit_period p JOIN audit_heads h ON h.class = p.class
        WHERE p.state = 'open'
          AND ((p.period + interval '1 month') AT TIME ZONE 'UTC' <= audit_clock()
               OR EXISTS (SELECT FROM audit_period later WHERE later.class = p.class AND later.period > p.period))
        ORDER BY p.class, p.period`,
    );
    return rows.map((row) => ({ ...row, firstSeq: Number(row.firstSeq), lastSeq: Number(row.lastSeq), rows: Number(row.rows) }));
  }

  async closePeriod({ class: ofClass, period }: Period, root: Buffer): Promise<void> {
    await this.work.queryInside('SELECT audit_close_period($1::smallint, $2::date, $3)', [ofClass, period, root]);
  }

  async installation(): Promise<string> {
    const [row] = await this.work.query<{ id: string }>('SELECT id FROM audit_installation');
    if (!row) throw new Error('The audit log has lost its installation.');
    return row.id;
  }

  async keys(): Promise<StoredKey[]> {
    return this.work.query<StoredKey>('SELECT k.ordinal, k.public_key AS "publicKey", k.note FROM audit_key k ORDER BY k.ordinal');
  }

  async addKey({ ordinal, publicKey, note }: StoredKey): Promise<void> {
    await this.work.queryInside('INSERT INTO audit_key (ordinal, public_key, note) VALUES ($1, $2, $3)', [ordinal, publicKey, note]);
  }
}

function exact(row: Texts<StoredCheckpoint, 'number' | 'size'>): StoredCheckpoint {
  return { ...row, number: Number(row.number), size: Number(row.size) };
}
