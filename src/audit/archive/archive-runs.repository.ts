import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';

export const archiveRunStates = ['waiting', 'running', 'done', 'failed'] as const;

/** What a run did with a month. */
export interface RunStep {
  log: string;
  period: string;
  from: string;
  to: string;
  error?: string;
}

/** How much of a log is where, after a run. */
export interface LogSize {
  log: string;
  /** In the database: events, months and bytes with their indexes. */
  rows: number;
  months: number;
  bytes: number;
  archivedRows: number;
  archivedMonths: number;
  archiveBytes: number;
}

export interface ArchiveRun {
  id: string;
  state: (typeof archiveRunStates)[number];
  requestedBy: string;
  planHash: string | null;
  steps: RunStep[];
  sizes: LogSize[];
  error: string | null;
  createdAt: Date;
  finishedAt: Date | null;
}

const RUN = `r.id, r.state, r.requested_by AS "requestedBy", r.plan_hash AS "planHash", r.steps, r.sizes, r.error, r.created_at AS "createdAt",
  r.finished_at AS "finishedAt"`;

@Injectable()
export class ArchiveRunsRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** Once for each id, whoever asks how often. */
  async insert(id: string, requestedBy: string, planHash: string | null): Promise<ArchiveRun> {
    await this.work.query(
      'INSERT INTO audit_archive_run (id, requested_by, plan_hash) VALUES ($1, $2, $3) ON CONFLICT ON CONSTRAINT audit_archive_run_key DO NOTHING',
      [id, requestedBy, planHash],
    );
    const run = await this.byId(id);
    if (!run) throw new Error('A run that was written is not there.');
    return run;
  }

  async begin(id: string): Promise<void> {
    // Whoever runs holds the lock of runs: what else says that it runs was cut off.
    await this.work.query(
      `UPDATE audit_archive_run r SET state = 'failed', error = 'The run was cut off.', finished_at = now() WHERE r.state = 'running' AND r.id <> $1`,
      [id],
    );
    await this.work.query(`UPDATE audit_archive_run r SET state = 'running' WHERE r.id = $1 AND r.state IN ('waiting', 'running')`, [id]);
  }

  async finish(id: string, { steps, sizes, error }: Pick<ArchiveRun, 'steps' | 'sizes' | 'error'>): Promise<void> {
    await this.work.query(
      `UPDATE audit_archive_run r SET state = CASE WHEN $4::text IS NULL THEN 'done' ELSE 'failed' END, steps = $2, sizes = $3, error = $4, finished_at = now()
        WHERE r.id = $1 AND r.state = 'running'`,
      [id, JSON.stringify(steps), JSON.stringify(sizes), error],
    );
  }

  /** Keeps what was done so far of one that goes on later. */
  async pause(id: string, steps: readonly RunStep[]): Promise<void> {
    await this.work.query(`UPDATE audit_archive_run r SET steps = $2 WHERE r.id = $1 AND r.state = 'running'`, [id, JSON.stringify(steps)]);
  }

  /** Ends one that waits or runs. */
  async giveUp(id: string, error: string): Promise<void> {
    await this.work.query(
      `UPDATE audit_archive_run r SET state = 'failed', error = $2, finished_at = now() WHERE r.id = $1 AND r.state IN ('waiting', 'running')`,
      [id, error],
    );
  }

  async byId(id: string): Promise<ArchiveRun | undefined> {
    const [run] = await this.work.query<ArchiveRun>(`SELECT ${RUN} FROM audit_archive_run r WHERE r.id = $1`, [id]);
    return run;
  }

  async newest(before: string | undefined, limit: number): Promise<ArchiveRun[]> {
    return this.work.query<ArchiveRun>(
      `SELECT ${RUN} FROM audit_archive_run r WHERE $1::uuid IS NULL OR r.id < $1::uuid ORDER BY r.id DESC LIMIT $2`,
      [before ?? null, limit],
    );
  }

  async sizes(): Promise<LogSize[]> {
    const rows = await this.work.query<Record<keyof LogSize, string>>(
      `SELECT h.name AS log, coalesce(s.rows, 0) AS rows, coalesce(s.months, 0) AS months,
              (SELECT coalesce(sum(pg_total_relation_size(t.relid)), 0) FROM pg_partition_tree(('audit_log_' || h.name)::regclass) t WHERE t.isleaf) AS bytes,
              coalesce(s.archived, 0) AS "archivedRows", coalesce(s.archives, 0) AS "archivedMonths", coalesce(s.kept, 0) AS "archiveBytes"
         FROM audit_heads h
         LEFT JOIN (SELECT p.class,
                           sum(p.rows) FILTER (WHERE coalesce(a.state, 'closed') NOT IN ('detached', 'dropped', 'purging', 'purged')) AS rows,
                           count(*) FILTER (WHERE coalesce(a.state, 'closed') NOT IN ('detached', 'dropped', 'purging', 'purged')) AS months,
                           sum(p.rows) FILTER (WHERE a.state IN ('verified', 'detaching', 'detached', 'dropped') AND a.object_key IS NOT NULL) AS archived,
                           count(*) FILTER (WHERE a.state IN ('verified', 'detaching', 'detached', 'dropped') AND a.object_key IS NOT NULL) AS archives,
                           sum(a.object_bytes) FILTER (WHERE a.state <> 'purged') AS kept
                      FROM audit_period p LEFT JOIN audit_archive a ON a.class = p.class AND a.period = p.period GROUP BY p.class) s ON s.class = h.class
        ORDER BY h.class`,
    );
    return rows.map(({ log, ...counts }) => ({
      log,
      rows: Number(counts.rows),
      months: Number(counts.months),
      bytes: Number(counts.bytes),
      archivedRows: Number(counts.archivedRows),
      archivedMonths: Number(counts.archivedMonths),
      archiveBytes: Number(counts.archiveBytes),
    }));
  }
}
