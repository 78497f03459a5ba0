import { AsyncResource } from 'node:async_hooks';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { type RequestContext, runInContext } from '../context/request-context.js';
import { type ClaimedJob, JobSettings } from './job.js';
import { JobHandlers } from './job-handlers.js';
import { JobReporter } from './job-reporter.js';
import { JobRepository } from './job.repository.js';
import { JobRunner } from './job-runner.js';
import { Jobs } from './jobs.js';
import { Lease } from './lease.js';

interface Running {
  job: ClaimedJob;
  lease: Lease;
  ended: Promise<void>;
}

/** Claims due jobs and runs them, a few at a time: every second, after each commit here that sent one, and after each one that ended. */
@Injectable()
export class JobWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly name = `${hostname()}:${process.pid}`;
  private readonly running = new Map<string, Running>();
  private timer: NodeJS.Timeout | undefined;
  private stopping = false;
  private claiming: Promise<void> | undefined;
  private again = false;
  private failing = false;
  // Bound to no request: what wakes the worker is not what its jobs belong to.
  private readonly wake = AsyncResource.bind(() => {
    this.fill();
  });

  constructor(
    private readonly jobs: Jobs,
    private readonly repository: JobRepository,
    private readonly runner: JobRunner,
    private readonly handlers: JobHandlers,
    private readonly reporter: JobReporter,
    private readonly settings: JobSettings,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.settings.enabled) return;
    this.jobs.onSent(this.wake);
    this.timer = setInterval(this.wake, this.settings.pollMs);
    this.wake();
  }

  /** Claims nothing more, lets handlers finish, then gives back what they did not: another process takes it at once. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    clearInterval(this.timer);
    await this.claiming;
    const all = Promise.all([...this.running.values()].map(({ ended }) => ended));
    const late = new AbortController();
    await Promise.race([all, delay(this.settings.drainMs, undefined, { signal: late.signal }).catch(() => undefined)]);
    late.abort();
    for (const { job, lease } of this.running.values()) {
      lease.abort();
      lease.end();
      if (await this.repository.release(job)) this.reporter.released(job);
    }
  }

  private fill(): void {
    this.again = true;
    this.claiming ??= this.claimWhileAsked().finally(() => {
      this.claiming = undefined;
      if (this.again && !this.stopping) this.fill();
    });
  }

  private async claimWhileAsked(): Promise<void> {
    while (this.again && !this.stopping) {
      this.again = false;
      const free = this.settings.concurrency - this.running.size;
      if (free <= 0 || this.handlers.names.length === 0) return;
      try {
        for (const job of await this.repository.claim(this.handlers.names, this.name, free, this.settings.leaseMs)) this.start(job);
        this.failing = false;
      } catch (error) {
        // Once an outage, not once a second.
        if (!this.failing) this.reporter.trouble('no jobs can be claimed', error);
        this.failing = true;
      }
    }
  }

  private start(job: ClaimedJob): void {
    const lease = new Lease(this.repository, job, this.settings.leaseMs);
    const ended = runInContext(contextOf(job), () => this.perform(job, lease)).finally(() => {
      lease.end();
      this.running.delete(job.id);
      this.wake();
    });
    this.running.set(job.id, { job, lease, ended });
  }

  private async perform(job: ClaimedJob, lease: Lease): Promise<void> {
    const began = performance.now();
    try {
      const result = await this.runner.run(job, lease.signal);
      this.reporter.finished(job, result, performance.now() - began);
    } catch (error) {
      // Not even the failure could be written down; the lease runs out and somebody tries again.
      this.reporter.trouble('a job’s end could not be recorded', error);
    }
  }
}

/** The request that sent the job goes on in it: one id joins its log lines and audit events. */
function contextOf(job: ClaimedJob): RequestContext {
  return {
    requestId: job.requestId ?? job.id,
    principal: { kind: 'system', id: 'system', name: `job ${job.name}`, permissions: new Set() },
  };
}
