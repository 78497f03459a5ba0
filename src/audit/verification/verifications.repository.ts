import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type StoredOptions, type Verification } from './verification.js';
import { type VerificationReport } from './verifier.js';

const COLUMNS = `v.id, v.state, v.requested_by AS "requestedBy", v.options, v.result, v.reason, v.report, v.created_at AS "createdAt", v.finished_at AS "finishedAt"`;

@Injectable()
export class VerificationsRepository {
  constructor(private readonly work: UnitOfWork) {}

  async insert(id: string, requestedBy: string, options: StoredOptions): Promise<Verification> {
    const [row] = await this.work.query<Verification>(
      `INSERT INTO audit_verification AS v (id, requested_by, options) VALUES ($1, $2, $3) RETURNING ${COLUMNS}`,
      [id, requestedBy, JSON.stringify(options)],
    );
    if (!row) throw new Error('The verification was not kept.');
    return row;
  }

  /** One with an id from elsewhere; nothing happens when there is one. */
  async insertOnce(id: string, requestedBy: string): Promise<void> {
    await this.work.run(() =>
      this.work.query('INSERT INTO audit_verification (id, requested_by) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING', [id, requestedBy]),
    );
  }

  /** It ended without a result; false when it has one. */
  async fail(id: string, reason: string): Promise<boolean> {
    const rows = await this.work.query(
      `UPDATE audit_verification v SET state = 'failed', reason = $2, finished_at = now() WHERE v.id = $1 AND v.state <> 'done' RETURNING v.id`,
      [id, reason],
    );
    return rows.length > 0;
  }

  async begin(id: string): Promise<Verification | undefined> {
    const [row] = await this.work.query<Verification>(
      `UPDATE audit_verification v SET state = 'running', reason = NULL, finished_at = NULL WHERE v.id = $1 AND v.state <> 'done' RETURNING ${COLUMNS}`,
      [id],
    );
    return row;
  }

  /** Undefined when it had been finished before. */
  async finish(id: string, report: VerificationReport): Promise<Verification | undefined> {
    const [row] = await this.work.query<Verification>(
      `UPDATE audit_verification v SET state = 'done', result = $2, report = $3, finished_at = now()
        WHERE v.id = $1 AND v.state <> 'done' RETURNING ${COLUMNS}`,
      [id, report.result, JSON.stringify(report)],
    );
    return row;
  }

  async byId(id: string): Promise<Verification | undefined> {
    const [row] = await this.work.query<Verification>(`SELECT ${COLUMNS} FROM audit_verification v WHERE v.id = $1`, [id]);
    return row;
  }

  /** Newest first, below the id `after`. */
  async newest(after: string | undefined, limit: number): Promise<Verification[]> {
    return this.work.query<Verification>(
      `SELECT ${COLUMNS} FROM audit_verification v WHERE v.id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') ORDER BY v.id DESC LIMIT $2`,
      [after ?? null, limit],
    );
  }

  /** How many events the logs hold, or one of them; undefined when there is no such log. */
  async eventsIn(log: string | undefined): Promise<number | undefined> {
    const [row] = await this.work.query<{ events: string | null }>(
      'SELECT sum(h.size) AS events FROM audit_heads h WHERE h.name = coalesce($1, h.name)',
      [log ?? null],
    );
    return row?.events == null ? undefined : Number(row.events);
  }
}
