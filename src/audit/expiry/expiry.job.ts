import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { Clock } from '../../kernel/clock.js';
import { JobHandlers } from '../../platform/jobs/job-handlers.js';
import { Jobs } from '../../platform/jobs/jobs.js';
import { retentionHour } from '../../platform/retention/kept-days.js';
import { Settings } from '../../platform/settings/settings.js';
import { ExpiryRuns } from './expiry-runs.js';

const EXPIRE = 'retention.expire';
const DAY_MS = 86_400_000;

/** Once a day, in the hour that is set, whatever the number of instances. */
@Injectable()
export class ExpiryJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly handlers: JobHandlers,
    private readonly runs: ExpiryRuns,
    private readonly settings: Settings,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    // A batch a transaction.
    this.handlers.register(
      EXPIRE,
      async ({ id, signal }) => {
        await this.runs.run(id, signal);
      },
      { transactional: false },
    );
  }

  /** At the full hour; the day's slot makes it one run, also when the hour is set anew that day. */
  @Cron('0 0 * * * *', { name: EXPIRE, timeZone: 'UTC' })
  async tick(): Promise<void> {
    if (this.clock.now().getUTCHours() === this.settings.get(retentionHour)) await this.jobs.tick(EXPIRE, DAY_MS);
  }
}
