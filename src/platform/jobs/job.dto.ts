import { IsIn, IsOptional, IsString, MaxLength } from 'class-validator';
import { type Json } from '../../kernel/canonical-json.js';
import { CursorPage } from '../http/paging.dto.js';
import { redact } from '../logging/redaction.js';
import { type Job, type JobState, jobStates } from './job.js';

export class JobFilter extends CursorPage {
  @IsOptional()
  @IsIn(jobStates)
  state?: JobState;

  /** What kind of job, such as `platform.clean-up`. */
  @IsOptional()
  @IsString()
  @MaxLength(100)
  name?: string;
}

export class JobView {
  id!: string;
  name!: string;
  state!: JobState;
  /** What it works on. */
  payload!: Json;
  /** Attempts begun so far. */
  attempts!: number;
  /** After so many failures the job is dead. */
  maxAttempts!: number;
  /** Not before. */
  runAt!: string;
  createdAt!: string;
  /** When it was done, or given up. */
  finishedAt!: string | null;
  /** Why the last attempt failed. */
  lastError!: string | null;
  /** The request that sent it. */
  requestId!: string | null;

  static of(job: Job): JobView {
    return {
      id: job.id,
      name: job.name,
      state: job.state,
      payload: redact(job.payload),
      attempts: job.attempts,
      maxAttempts: job.maxAttempts,
      runAt: job.runAt.toISOString(),
      createdAt: job.createdAt.toISOString(),
      finishedAt: job.finishedAt?.toISOString() ?? null,
      lastError: job.lastError,
      requestId: job.requestId,
    };
  }
}

export class JobPage {
  items!: JobView[];
  /** Where the next page begins; null on the last one. */
  next!: string | null;
}
