import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { JobHandlers } from '../../platform/jobs/job-handlers.js';
import { Jobs } from '../../platform/jobs/jobs.js';
import { Log } from '../../platform/logging/log.js';
import { StatsService } from './stats.service.js';

const NAME = 'ipam.sample-usage';
const DAY_MS = 86_400_000;

/** Once a day: notes how full every pool is, so that its growth can be told. */
@Injectable()
export class UsageSamplesJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly handlers: JobHandlers,
    private readonly stats: StatsService,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.handlers.register(NAME, async () => {
      this.log.info('sampled the use of pools', { pools: await this.stats.sample() });
    });
  }

  @Cron('30 0 * * *', { name: NAME, timeZone: 'UTC' })
  async tick(): Promise<void> {
    await this.jobs.tick(NAME, DAY_MS);
  }
}
