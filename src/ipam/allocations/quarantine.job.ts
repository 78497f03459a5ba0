import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { JobHandlers } from '../../platform/jobs/job-handlers.js';
import { Jobs } from '../../platform/jobs/jobs.js';
import { AllocationsRepository } from './allocations.repository.js';

const NAME = 'ipam.return-rested';
const MINUTE_MS = 60_000;
const AT_ONCE = 1000;

/**
 * Every minute: gives addresses back whose rest is over. Nobody waits for it, since a pool that is asked for an address looks itself;
 * it keeps the counters true for those who only look.
 */
@Injectable()
export class QuarantineJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly handlers: JobHandlers,
    private readonly allocations: AllocationsRepository,
  ) {}

  onModuleInit(): void {
    // A pool a transaction: a job that held many pools would make their callers wait for all of them.
    this.handlers.register(NAME, () => this.run(), { transactional: false });
  }

  @Cron('5 * * * * *', { name: NAME, timeZone: 'UTC' })
  async tick(): Promise<void> {
    await this.jobs.tick(NAME, MINUTE_MS);
  }

  private async run(): Promise<void> {
    for (const poolId of await this.allocations.poolsWithRested(AT_ONCE)) await this.allocations.returnRested(poolId);
  }
}
