import { type ClaimedJob } from './job.js';
import { type JobRepository } from './job.repository.js';

/** Keeps a claimed job ours while its handler runs: a beat three times per lease. Its signal tells the handler when there is no more sense in going on. */
export class Lease {
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout;
  private expires: number;

  constructor(
    private readonly repository: JobRepository,
    private readonly job: ClaimedJob,
    private readonly leaseMs: number,
  ) {
    this.expires = performance.now() + leaseMs;
    this.timer = setInterval(() => void this.beat(), leaseMs / 3);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Tells the handler to give up. */
  abort(): void {
    this.controller.abort();
  }

  end(): void {
    clearInterval(this.timer);
  }

  /** A beat that fails says nothing; only one that finds another's fence, or none that succeeds in time, means that the job is lost. */
  private async beat(): Promise<void> {
    const asked = performance.now();
    try {
      if (await this.repository.extend(this.job, this.leaseMs)) this.expires = asked + this.leaseMs;
      else this.abort();
    } catch {
      if (performance.now() > this.expires) this.abort();
    }
  }
}
