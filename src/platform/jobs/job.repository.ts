import { Injectable } from '@nestjs/common';
import { type Json } from '../../kernel/canonical-json.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { type ClaimedJob, type Job, type JobState } from './job.js';

interface NewJob {
  name: string;
  payload: Json;
  requestId: string | undefined;
  runAt?: Date | undefined;
  maxAttempts?: number | undefined;
  fireAt?: Date | undefined;
}

const COLUMNS = `id, name, payload, state, attempts, max_attempts AS "maxAttempts", run_at AS "runAt", last_error AS "lastError",
  request_id AS "requestId", created_at AS "createdAt", finished_at AS "finishedAt"`;

/** The jobs table. Every change of a running job names the fence of its claim, so a worker that lost its lease changes nothing. */
@Injectable()
export class JobRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** The new job's id; undefined when this firing of a schedule is there already. */
  async insert(job: NewJob): Promise<string | undefined> {
    const [row] = await this.work.query<{ id: string }>(
      `INSERT INTO jobs (name, payload, request_id, run_at, max_attempts, fire_at)
       VALUES ($1, $2, $3, coalesce($4, now()), coalesce($5, 5), $6)
       ON CONFLICT (name, fire_at) DO NOTHING RETURNING id`,
      [job.name, JSON.stringify(job.payload), job.requestId ?? null, job.runAt ?? null, job.maxAttempts ?? null, job.fireAt ?? null],
    );
    return row?.id;
  }

  /** Takes up to `limit` due jobs, and those whose worker went silent, oldest first. What others are taking at this moment is passed over. */
  async claim(names: readonly string[], worker: string, limit: number, leaseMs: number): Promise<ClaimedJob[]> {
    return this.work.run(() =>
      this.work.query<ClaimedJob>(
        `WITH silent AS MATERIALIZED (
           SELECT id, run_at FROM jobs WHERE state = 'running' AND lease_until < now() AND name = ANY ($1)
            ORDER BY lease_until LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
         ), due AS MATERIALIZED (
           SELECT id, run_at FROM jobs WHERE state = 'waiting' AND run_at <= now() AND name = ANY ($1)
            ORDER BY run_at LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
         ), taken AS MATERIALIZED (
           SELECT id FROM (SELECT * FROM silent UNION ALL SELECT * FROM due) both_kinds ORDER BY run_at LIMIT $3
         )
         UPDATE jobs SET state = 'running', worker = $2, fence = fence + 1, attempts = attempts + 1,
                lease_until = now() + make_interval(secs => $4)
          WHERE id IN (SELECT id FROM taken) RETURNING ${COLUMNS}, fence`,
        [names, worker, limit, leaseMs / 1000],
      ),
    );
  }

  /** Whether the job is still ours; if so, for another `leaseMs`. */
  async extend(job: ClaimedJob, leaseMs: number): Promise<boolean> {
    return this.ofClaim(job, 'lease_until = clock_timestamp() + make_interval(secs => $3)', leaseMs / 1000);
  }

  /** Whether it was still ours to complete. */
  async complete(job: ClaimedJob): Promise<boolean> {
    return this.ofClaim(job, `state = 'done', lease_until = NULL, finished_at = clock_timestamp()`);
  }

  async postpone(job: ClaimedJob, error: string, delayMs: number): Promise<boolean> {
    return this.ofClaim(
      job,
      `state = 'waiting', lease_until = NULL, run_at = now() + make_interval(secs => $3), last_error = $4`,
      delayMs / 1000,
      error,
    );
  }

  async bury(job: ClaimedJob, error: string): Promise<boolean> {
    return this.ofClaim(job, `state = 'dead', lease_until = NULL, finished_at = now(), last_error = $3`, error);
  }

  /** Gives an unfinished job back: another process may take it at once, and the interrupted attempt does not count. */
  async release(job: ClaimedJob): Promise<boolean> {
    return this.ofClaim(job, `state = 'waiting', lease_until = NULL, attempts = $3`, job.attempts - 1);
  }

  /** Newest first, below the id `after`. */
  async list(filter: {
    state?: JobState | undefined;
    name?: string | undefined;
    after?: string | undefined;
    limit: number;
  }): Promise<Job[]> {
    return this.work.query<Job>(
      `SELECT ${COLUMNS} FROM jobs
        WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR name = $2) AND ($3::uuid IS NULL OR id < $3)
        ORDER BY id DESC LIMIT $4`,
      [filter.state ?? null, filter.name ?? null, filter.after ?? null, filter.limit],
    );
  }

  async locked(id: string): Promise<Job | undefined> {
    const [job] = await this.work.queryInside<Job>(`SELECT ${COLUMNS} FROM jobs WHERE id = $1 FOR NO KEY UPDATE`, [id]);
    return job;
  }

  /** A dead job starts over. */
  async revive(id: string): Promise<Job | undefined> {
    const [job] = await this.work.query<Job>(
      `UPDATE jobs SET state = 'waiting', attempts = 0, run_at = now(), finished_at = NULL WHERE id = $1 AND state = 'dead' RETURNING ${COLUMNS}`,
      [id],
    );
    return job;
  }

  /** How many jobs of each name wait, run or are dead. */
  async unfinished(): Promise<{ name: string; state: JobState; count: number }[]> {
    return this.work.query(`SELECT name, state, count(*)::int AS count FROM jobs WHERE state <> 'done' GROUP BY name, state`);
  }

  private async ofClaim(job: ClaimedJob, change: string, ...values: unknown[]): Promise<boolean> {
    const changed = await this.work.query(`UPDATE jobs SET ${change} WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING id`, [
      job.id,
      job.fence,
      ...values,
    ]);
    return changed.length > 0;
  }
}
