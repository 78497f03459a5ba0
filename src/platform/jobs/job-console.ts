import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { idIn, pageById } from '../http/cursor.js';
import { type Job } from './job.js';
import { type JobFilter } from './job.dto.js';
import { JobEvents } from './job-events.js';
import { JobRepository } from './job.repository.js';
import { Jobs } from './jobs.js';

/** What an operator sees of jobs and may do about the dead ones. */
@Injectable()
export class JobConsole {
  constructor(
    private readonly work: UnitOfWork,
    private readonly repository: JobRepository,
    private readonly jobs: Jobs,
    private readonly events: JobEvents,
  ) {}

  async list(filter: JobFilter): Promise<{ items: Job[]; next: string | null }> {
    const { state, name, limit } = filter;
    return pageById(await this.repository.list({ state, name, after: idIn(filter.after), limit: limit + 1 }), limit);
  }

  /** Lets a dead job start over. Throws `job_not_dead`. */
  async retry(id: string): Promise<Job> {
    return this.work.run(async () => {
      const before = await this.repository.locked(id);
      if (!before) throw AppError.notFound('job', id);
      const after = await this.repository.revive(id);
      if (!after) throw AppError.conflict('job_not_dead', `Only a dead job can be retried; this one is ${before.state}.`);
      await this.events.retried(before, after);
      this.jobs.announce();
      return after;
    });
  }
}
