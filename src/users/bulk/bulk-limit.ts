import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';

const PER_HOUR = 10;

/** Ten batches an hour and user, counted where every instance sees it. */
@Injectable()
export class BulkLimit {
  constructor(private readonly work: UnitOfWork) {}

  /** Counts one. Throws `bulk_limit` with the time until the oldest of ten is an hour ago. */
  async count(userId: string): Promise<void> {
    await this.work.run(async () => {
      await this.work.queryInside(`SELECT pg_advisory_xact_lock(hashtextextended('cadastre bulk ' || $1, 0))`, [userId]);
      const [past] = await this.work.queryInside<{ n: number; seconds: number }>(
        `SELECT count(*)::int AS n, ceil(extract(epoch FROM min(begun_at) + interval '1 hour' - now()))::int AS seconds
           FROM user_bulk_runs
          WHERE user_id = $1 AND begun_at > now() - interval '1 hour'`,
        [userId],
      );
      if (past && past.n >= PER_HOUR)
        throw new AppError('too_many', 'bulk_limit', `No more than ${PER_HOUR} batches an hour.`, {
          retryAfterSeconds: Math.max(1, past.seconds),
        });
      await this.work.queryInside(`DELETE FROM user_bulk_runs WHERE user_id = $1 AND begun_at <= now() - interval '1 hour'`, [userId]);
      await this.work.queryInside('INSERT INTO user_bulk_runs (user_id) VALUES ($1)', [userId]);
    });
  }
}
