import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type PublishedCheckpoint } from './anchor.js';

/** By the clock of then: what a checkpoint says is never before the one before it, also after the clock was set back. */
const SIGNED = 'coalesce(c.signed_at, c.at)';

/** What was published where. */
@Injectable()
export class AnchoringRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** Checkpoints that this anchor has not got, oldest first within a log. */
  async waiting(anchor: string, limit: number): Promise<(PublishedCheckpoint & { class: number })[]> {
    const rows = await this.work.query<{ class: number; log: string; number: string; size: string; note: string }>(
      `SELECT c.class, h.name AS log, c.number, c.size, c.note
         FROM audit_heads h
        CROSS JOIN LATERAL (SELECT * FROM audit_checkpoint c
                             WHERE c.class = h.class
                               AND c.number > coalesce((SELECT a.number FROM audit_anchoring a WHERE a.anchor = $1 AND a.class = h.class), -1)
                             ORDER BY c.number LIMIT $2) c
        ORDER BY c.class, c.number`,
      [anchor, limit],
    );
    return rows.map((row) => ({ ...row, number: Number(row.number), size: Number(row.size) }));
  }

  async published(anchor: string, ofClass: number, number: number): Promise<void> {
    await this.work.query(
      `INSERT INTO audit_anchoring AS a (anchor, class, number) VALUES ($1, $2, $3)
       ON CONFLICT (anchor, class) DO UPDATE SET number = greatest(a.number, EXCLUDED.number), last_error = NULL`,
      [anchor, ofClass, number],
    );
  }

  async failed(anchor: string, ofClass: number, error: string): Promise<void> {
    await this.work.query(
      `INSERT INTO audit_anchoring AS a (anchor, class, number, last_error) VALUES ($1, $2, -1, $3)
       ON CONFLICT (anchor, class) DO UPDATE SET last_error = EXCLUDED.last_error`,
      [anchor, ofClass, error],
    );
  }

  /** How long the oldest checkpoint has waited for this anchor; 0 when none does. */
  async lagSeconds(anchor: string): Promise<number> {
    const [row] = await this.work.query<{ lag: number }>(
      `SELECT coalesce(extract(epoch FROM clock_timestamp() - min(c.signed)), 0)::float8 AS lag
         FROM audit_heads h
        CROSS JOIN LATERAL (SELECT ${SIGNED} AS signed FROM audit_checkpoint c
                             WHERE c.class = h.class
                               AND c.number > coalesce((SELECT a.number FROM audit_anchoring a WHERE a.anchor = $1 AND a.class = h.class), -1)
                             ORDER BY c.number LIMIT 1) c`,
      [anchor],
    );
    return row?.lag ?? 0;
  }

  /** Whether nobody has noticed yet that it is late. */
  async outageBegan(anchor: string): Promise<boolean> {
    const rows = await this.work.queryInside(
      'INSERT INTO audit_anchor_outage (anchor) VALUES ($1) ON CONFLICT ON CONSTRAINT audit_anchor_outage_key DO NOTHING RETURNING anchor',
      [anchor],
    );
    return rows.length > 0;
  }

  async outageOver(anchor: string): Promise<void> {
    await this.work.query('DELETE FROM audit_anchor_outage WHERE anchor = $1', [anchor]);
  }

  /** How long ago it was signed how large each log is: by its own newest checkpoint, or by that of the meta log while nothing of it is unsealed. */
  async checkpointAges(): Promise<{ log: string; seconds: number }[]> {
    return this.work.query<{ log: string; seconds: number }>(
      `SELECT h.name AS log, extract(epoch FROM clock_timestamp() - CASE WHEN h.size = c.size THEN greatest(c.signed, m.signed) ELSE c.signed END)::float8 AS seconds
         FROM audit_heads h
        CROSS JOIN LATERAL (SELECT ${SIGNED} AS signed, c.size FROM audit_checkpoint c WHERE c.class = h.class ORDER BY c.number DESC LIMIT 1) c
         LEFT JOIN LATERAL (SELECT ${SIGNED} AS signed FROM audit_checkpoint c WHERE c.class = 0 ORDER BY c.number DESC LIMIT 1) m ON true`,
    );
  }
}
