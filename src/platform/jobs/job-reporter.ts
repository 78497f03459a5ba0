import { Injectable } from '@nestjs/common';
import { Log } from '../logging/log.js';
import { Metrics } from '../metrics/metrics.js';
import { type ClaimedJob } from './job.js';
import { type JobResult } from './job-runner.js';

/** Log lines and figures about jobs. */
@Injectable()
export class JobReporter {
  constructor(
    private readonly log: Log,
    private readonly metrics: Metrics,
  ) {}

  finished(job: ClaimedJob, { outcome, error }: JobResult, ms: number): void {
    this.metrics.jobFinished(job.name, outcome, ms / 1000);
    const fields = { job: job.name, jobId: job.id, attempt: job.attempts, ms: Math.round(ms) };
    if (outcome === 'done') this.log.info('job done', fields);
    else if (outcome === 'dead') this.log.error('job dead', { ...fields, error });
    else this.log.warn(outcome === 'lost' ? 'job lost to another worker' : 'job failed, will be tried again', { ...fields, error });
  }

  released(job: ClaimedJob): void {
    this.log.warn('job released unfinished: this process stops', { job: job.name, jobId: job.id });
  }

  trouble(what: string, error: unknown): void {
    this.log.warn(what, { error });
  }
}
