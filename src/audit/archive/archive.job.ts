import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { JobHandlers } from '../../platform/jobs/job-handlers.js';
import { Jobs } from '../../platform/jobs/jobs.js';
import { ArchiveChecks } from './archive-checks.js';
import { ARCHIVE_RUN } from './archive-runs.service.js';
import { ArchiveSchedule } from './archive-schedule.js';
import { RetentionRun } from './retention-run.js';

const NIGHTLY = 'audit.retention-nightly';
const WEEKLY = 'audit.check-archives';
const DAY_MS = 86_400_000;

/** The run of every night, runs that were asked for, and the check of every week. */
@Injectable()
export class ArchiveJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly handlers: JobHandlers,
    private readonly retention: RetentionRun,
    private readonly checks: ArchiveChecks,
    private readonly schedule: ArchiveSchedule,
  ) {}

  onModuleInit(): void {
    const options = { transactional: false };
    this.handlers.register(
      ARCHIVE_RUN,
      async ({ payload, signal }) => {
        // Of this form: ArchiveRuns sent it.
        await this.retention.run({ id: (payload as { id: string }).id, requestedBy: 'system', signal });
      },
      options,
    );
    this.handlers.register(
      NIGHTLY,
      async ({ id, signal }) => {
        // The job's own id: when it is tried again, the run goes on.
        await this.retention.run({ id, requestedBy: 'system', signal });
      },
      options,
    );
    this.handlers.register(
      WEEKLY,
      async () => {
        await this.checks.weekly();
      },
      options,
    );
  }

  /** At each full hour, as the hour is a setting; one run a day, whatever the number of instances. */
  @Cron('0 0 * * * *', { name: NIGHTLY, timeZone: 'UTC' })
  async tick(): Promise<void> {
    if (this.schedule.isDue()) await this.jobs.tick(NIGHTLY, DAY_MS);
  }

  @Cron('0 4 * * 0', { name: WEEKLY, timeZone: 'UTC' })
  async tickWeekly(): Promise<void> {
    await this.jobs.tick(WEEKLY, 7 * DAY_MS);
  }
}
