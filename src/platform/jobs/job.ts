import { type Json } from '../../kernel/canonical-json.js';

export const jobStates = ['waiting', 'running', 'done', 'dead'] as const;
export type JobState = (typeof jobStates)[number];

/** A row of the jobs table. */
export interface Job {
  id: string;
  name: string;
  payload: Json;
  state: JobState;
  attempts: number;
  maxAttempts: number;
  runAt: Date;
  lastError: string | null;
  requestId: string | null;
  createdAt: Date;
  finishedAt: Date | null;
}

/** A job in the hands of this process. It may change the job only while the fence is still its own: the next claim raises it. */
export interface ClaimedJob extends Job {
  fence: number;
}

/** What a handler is given. */
export interface JobRun {
  readonly id: string;
  readonly name: string;
  readonly payload: Json;
  /** 1 for the first. */
  readonly attempt: number;
  /** Aborted when the lease is lost or the process stops: a long handler gives up then. */
  readonly signal: AbortSignal;
}

export type JobHandler = (run: JobRun) => Promise<void>;

/** How a worker works; tests shorten the times. */
export class JobSettings {
  enabled = true;
  /** Jobs at once in this process. */
  concurrency = 2;
  /** How long a silent worker keeps its job. It beats three times as often. */
  leaseMs = 30_000;
  pollMs = 1000;
  /** How long a stopping process waits for its handlers. */
  drainMs = 10_000;
}
