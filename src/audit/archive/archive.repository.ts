import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { explainPgError } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type ArchiveState } from './archive-steps.js';

/** Where the table of a month is. */
export type PartitionPlace = 'attached' | 'detaching' | 'alone' | 'trash' | 'gone';

/** A closed month of a log, and how far it has gone. */
export interface Month {
  class: number;
  log: string;
  period: string;
  firstSeq: number;
  lastSeq: number;
  rows: number;
  bytes: number;
  root: Buffer;
  state: ArchiveState;
  fence: number;
  objectKey: string | null;
  objectBytes: number | null;
  manifestKey: string | null;
  attempts: number;
  reason: string | null;
  nextTry: Date | null;
  detachedAt: Date | null;
  checkedAt: Date | null;
  broken: string | null;
}

/** A month, and whether a legal hold keeps it. */
export interface HeldMonth extends Month {
  held: boolean;
}

/** What a step leaves in the row besides its state. */
export interface MonthChange {
  objectKey?: string;
  objectBytes?: number;
  manifestKey?: string;
  manifest?: string;
  detachedAt?: Date | null;
  nextTry?: Date | null;
  reason?: string | null;
}

type Texts<T, K extends keyof T> = Omit<T, K> & Record<K, string>;
type Row = Texts<Month, 'firstSeq' | 'lastSeq' | 'rows' | 'bytes' | 'fence' | 'objectBytes'>;

const COLUMNS = `
         p.class, h.name AS log, p.period::text AS period, p.first_seq AS "firstSeq", p.last_seq AS "lastSeq", p.rows, p.bytes, p.root,
         coalesce(a.state, 'closed') AS state, coalesce(a.fence, 0) AS fence, a.object_key AS "objectKey", a.object_bytes AS "objectBytes",
         a.manifest_key AS "manifestKey", coalesce(a.attempts, 0) AS attempts, a.reason, a.next_try AS "nextTry",
         a.detached_at AS "detachedAt", a.checked_at AS "checkedAt", a.broken`;
const FROM = `
    FROM audit_period p
    JOIN audit_heads h ON h.class = p.class
    LEFT JOIN audit_archive a ON a.class = p.class AND a.period = p.period`;
const MONTH = `SELECT ${COLUMNS} ${FROM}`;

/** The months that can be archived, and the step each has taken. */
@Injectable()
export class ArchiveRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** Every closed month. */
  async months(): Promise<Month[]> {
    const rows = await this.work.query<Row>(`${MONTH} WHERE p.root IS NOT NULL ORDER BY p.class, p.period`);
    return rows.map(exact);
  }

  /** The same, each with what the holds say. */
  async heldMonths(): Promise<HeldMonth[]> {
    const rows = await this.work.query<Row & { held: boolean }>(
      `SELECT ${COLUMNS}, audit_held(p.class, p.period) AS held ${FROM} WHERE p.root IS NOT NULL ORDER BY p.class, p.period`,
    );
    return rows.map((row) => ({ ...exact(row), held: row.held }));
  }

  /** Those that are no longer in the log, or are just being taken out of it, and have an archive that was read back. */
  async archived(): Promise<Month[]> {
    const rows = await this.work.query<Row>(
      `${MONTH}
        WHERE a.object_key IS NOT NULL
          AND CASE WHEN a.state = 'detaching' THEN audit_partition_place(p.class, p.period) <> 'attached' ELSE a.state IN ('detached', 'dropped') END
        ORDER BY p.class, p.period`,
    );
    return rows.map(exact);
  }

  /** The hashes that a log sealed in these places; nothing for a place of which it keeps none. */
  async leavesAt(ofClass: number, seqs: readonly number[]): Promise<ReadonlyMap<number, Buffer>> {
    const rows = await this.work.query<{ seq: string; leaf: Buffer }>(
      `SELECT s.seq, coalesce(substring(t.hashes FROM (s.seq % 256)::int * 32 + 1 FOR 32), f.leaf) AS leaf
         FROM unnest($2::bigint[]) AS s (seq)
         LEFT JOIN audit_tile t ON t.class = $1::smallint AND t.level = 0 AND t.n = s.seq / 256
         LEFT JOIN audit_leaf f ON f.class = $1::smallint AND f.seq = s.seq
        WHERE t.n IS NOT NULL OR f.seq IS NOT NULL`,
      [ofClass, seqs],
    );
    return new Map(rows.map(({ seq, leaf }) => [Number(seq), leaf]));
  }

  /** Whether a hold keeps the month. Inside a unit of work, nobody places one until that is over. */
  async held({ class: ofClass, period }: Month): Promise<boolean> {
    const [row] = await this.work.query<{ held: boolean }>('SELECT audit_held($1::smallint, $2::date) AS held', [ofClass, period]);
    return row?.held === true;
  }

  /** Which of the events were under quarantine as they were sealed, and why. */
  async quarantined(ids: readonly string[]): Promise<ReadonlyMap<string, 'leaf' | 'writer'>> {
    if (ids.length === 0) return new Map();
    const rows = await this.work.query<{ id: string; reason: 'leaf' | 'writer' }>(
      'SELECT q.id, q.reason FROM audit_quarantine q WHERE q.id = ANY ($1::uuid[])',
      [ids],
    );
    return new Map(rows.map(({ id, reason }) => [id, reason]));
  }

  async month(log: string, period: string): Promise<Month | undefined> {
    const [row] = await this.work.query<Row>(`${MONTH} WHERE p.root IS NOT NULL AND h.name = $1 AND p.period::text = $2`, [log, period]);
    return row && exact(row);
  }

  /** Makes the month the caller's own: nobody who had it before changes anything any more. Throws `archive_state_changed` when it is elsewhere. */
  async claim(month: Month): Promise<Month> {
    const [row] = await this.work.query<{ fence: string }>(
      `INSERT INTO audit_archive AS a (class, period, fence) VALUES ($1, $2, 1)
       ON CONFLICT ON CONSTRAINT audit_archive_key DO UPDATE SET fence = a.fence + 1 WHERE a.state = $3 AND a.fence = $4
       RETURNING a.fence`,
      [month.class, month.period, month.state, month.fence],
    );
    if (!row) throw changed(month);
    return { ...month, fence: Number(row.fence) };
  }

  /** Takes the step, inside the open unit of work, if nobody else has it. Throws `archive_state_changed`. */
  async step(month: Month, to: ArchiveState, change: MonthChange = {}): Promise<Month> {
    const [row] = await this.work.queryInside<{ state: string }>(
      `UPDATE audit_archive a
          SET state = $5, object_key = coalesce($6, a.object_key), object_bytes = coalesce($7, a.object_bytes),
              manifest_key = coalesce($8, a.manifest_key), manifest = coalesce($9, a.manifest), attempts = 0, reason = $10, next_try = $11,
              detached_at = CASE WHEN $5 = 'detached' THEN $12 ELSE a.detached_at END
        WHERE a.class = $1 AND a.period = $2 AND a.state = $3 AND a.fence = $4
       RETURNING a.state`,
      [
        ...[month.class, month.period, month.state, month.fence, to, change.objectKey, change.objectBytes, change.manifestKey],
        ...[change.manifest, change.reason, change.nextTry, change.detachedAt],
      ].map((value) => value ?? null),
    );
    if (!row) throw changed(month);
    return { ...month, state: to };
  }

  async failed({ class: ofClass, period, fence }: Month, reason: string, nextTry: Date): Promise<number> {
    const [row] = await this.work.queryInside<{ attempts: number }>(
      `UPDATE audit_archive a SET attempts = a.attempts + 1, reason = $4, next_try = $5
        WHERE a.class = $1 AND a.period = $2 AND a.fence = $3 RETURNING a.attempts`,
      [ofClass, period, fence, reason, nextTry],
    );
    return row?.attempts ?? 0;
  }

  async checked({ class: ofClass, period }: Month, at: Date, broken: string | null): Promise<void> {
    await this.work.queryInside('UPDATE audit_archive a SET checked_at = $3, broken = $4 WHERE a.class = $1 AND a.period = $2', [
      ofClass,
      period,
      at,
      broken,
    ]);
  }

  async manifest({ class: ofClass, period }: Pick<Month, 'class' | 'period'>): Promise<string | undefined> {
    const [row] = await this.work.query<{ manifest: string | null }>(
      'SELECT a.manifest FROM audit_archive a WHERE a.class = $1 AND a.period = $2',
      [ofClass, period],
    );
    return row?.manifest ?? undefined;
  }

  /** Keeps the hashes of a month that no full tile holds: once its table is gone, nothing else would. */
  async keepLeaves({ class: ofClass, period }: Month): Promise<void> {
    await this.work.queryInside(
      `INSERT INTO audit_leaf (class, seq, leaf)
       SELECT l.class, l.seq, sha256('\\x00'::bytea || convert_to(l.payload, 'UTF8'))
         FROM audit_log l
        WHERE l.class = $1::smallint AND l.sealed_at >= $2::timestamp AT TIME ZONE 'UTC'
          AND l.sealed_at < ($2::timestamp + interval '1 month') AT TIME ZONE 'UTC'
          AND NOT EXISTS (SELECT FROM audit_tile t WHERE t.class = l.class AND t.level = 0 AND t.n = l.seq / 256)
       ON CONFLICT ON CONSTRAINT audit_leaf_key DO NOTHING`,
      [ofClass, `${period} 00:00:00`],
    );
  }

  /** Whether this is the last that the sealed log says of the month being taken out and put back: what is done to it is done after it was said. */
  async saidUnderSeal({ log, period }: Month, action: string): Promise<boolean> {
    const [row] = await this.work.query<{ action: string }>(
      `SELECT l.action FROM audit_log l
        WHERE l.class = 0 AND l.resource_type = 'audit_period' AND l.resource_id = $1
          AND l.action IN ('audit.period_detached', 'audit.archive_undone')
          AND l.seq < (SELECT c.size FROM audit_checkpoint c WHERE c.class = 0 ORDER BY c.number DESC LIMIT 1)
        ORDER BY l.seq DESC LIMIT 1`,
      [`${log}/${period}`],
    );
    return row?.action === action;
  }

  async ensurePartitions(monthsAhead: number): Promise<void> {
    await this.work.query('SELECT audit_ensure_partitions($1::int)', [monthsAhead]);
  }

  async place({ class: ofClass, period }: Pick<Month, 'class' | 'period'>): Promise<PartitionPlace> {
    const [row] = await this.work.query<{ place: PartitionPlace }>('SELECT audit_partition_place($1::smallint, $2::date) AS place', [
      ofClass,
      period,
    ]);
    return row?.place ?? 'gone';
  }

  /** Throws `archive_period_held` and `archive_state_changed`. */
  async drop({ class: ofClass, period }: Month): Promise<void> {
    await this.change('SELECT audit_drop_period($1::smallint, $2::date)', ofClass, period);
  }

  /** Throws `archive_state_changed`. */
  async attach({ class: ofClass, period }: Month): Promise<void> {
    await this.change('SELECT audit_attach_period($1::smallint, $2::date)', ofClass, period);
  }

  private async change(sql: string, ofClass: number, period: string): Promise<void> {
    try {
      await this.work.queryInside(sql, [ofClass, period]);
    } catch (error) {
      throw explainPgError(error) ?? error;
    }
  }
}

function changed({ log, period }: Month): AppError {
  return AppError.conflict('archive_state_changed', `The month ${period} of ${log} was taken on by somebody else meanwhile.`);
}

function exact(row: Row): Month {
  return {
    ...row,
    firstSeq: Number(row.firstSeq),
    lastSeq: Number(row.lastSeq),
    rows: Number(row.rows),
    bytes: Number(row.bytes),
    fence: Number(row.fence),
    // The driver gives a bigint as text, and null as null.
    objectBytes: (row.objectBytes as string | null) === null ? null : Number(row.objectBytes),
  };
}
