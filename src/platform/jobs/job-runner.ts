import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../database/unit-of-work.js';
import { backoffMs } from './backoff.js';
import { type ClaimedJob, type JobRun } from './job.js';
import { errorSummary, LeaseLostError } from './job-error.js';
import { JobEvents } from './job-events.js';
import { JobHandlers } from './job-handlers.js';
import { JobRepository } from './job.repository.js';

export interface JobResult {
  outcome: 'done' | 'failed' | 'dead' | 'lost';
  error?: unknown;
}

/** One attempt at one claimed job, to whatever end. */
@Injectable()
export class JobRunner {
  constructor(
    private readonly work: UnitOfWork,
    private readonly repository: JobRepository,
    private readonly handlers: JobHandlers,
    private readonly events: JobEvents,
  ) {}

  async run(job: ClaimedJob, signal: AbortSignal): Promise<JobResult> {
    try {
      // The worker of the last attempt died without a word, perhaps of this very job.
      if (job.attempts > job.maxAttempts) throw new Error('The worker went silent during the last attempt.');
      await this.attempt(job, signal);
      return { outcome: 'done' };
    } catch (error) {
      if (error instanceof LeaseLostError) return { outcome: 'lost', error };
      return { outcome: await this.fail(job, error), error };
    }
  }

  private async attempt(job: ClaimedJob, signal: AbortSignal): Promise<void> {
    const { handle, transactional } = this.handlers.for(job.name);
    const run: JobRun = { id: job.id, name: job.name, payload: job.payload, attempt: job.attempts, signal };
    if (!transactional) await handle(run);
    await this.work.run(async () => {
      if (transactional) await handle(run);
      if (!(await this.repository.complete(job))) throw new LeaseLostError(job.name, job.id);
    });
  }

  private async fail(job: ClaimedJob, error: unknown): Promise<'failed' | 'dead' | 'lost'> {
    const lastError = errorSummary(error);
    const dead = job.attempts >= job.maxAttempts;
    return this.work.run(async () => {
      const ours = dead
        ? await this.repository.bury(job, lastError)
        : await this.repository.postpone(job, lastError, backoffMs(job.attempts));
      if (!ours) return 'lost';
      if (dead) {
        const buried = { ...job, state: 'dead', lastError } as const;
        await this.handlers.for(job.name).died?.(buried);
        await this.events.died(buried);
      }
      return dead ? 'dead' : 'failed';
    });
  }
}
