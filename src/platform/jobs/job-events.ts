import { type Job } from './job.js';

/** Told, inside the unit of work that does it, of what an auditor wants to know about jobs; the audit trail listens. */
export abstract class JobEvents {
  /** All attempts failed; nobody will try again unless asked to. */
  abstract died(job: Job): Promise<void>;

  abstract retried(before: Job, after: Job): Promise<void>;
}
