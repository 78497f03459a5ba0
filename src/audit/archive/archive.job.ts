import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { AppError } from '../../kernel/app-error.js';
import { type Json } from '../../kernel/canonical-json.js';
import { Clock } from '../../kernel/clock.js';
import { JobHandlers } from '../../platform/jobs/job-handlers.js';
import { Jobs } from '../../platform/jobs/jobs.js';
import { ArchiveChecks } from './archive-checks.js';
import { ARCHIVE_RUN } from './archive-runs.service.js';
import { ArchiveSchedule } from './archive-schedule.js';
import { RetentionRun } from './retention-run.js';

const NIGHTLY = 'audit.retention-nightly';
const WEEKLY = 'audit.check-archives';
const DAY_MS = 86_400_000;
/** Before this looks again whether another run is over. */
const LATER_MS = 60_000;
const DEAD = 'The job of the run is dead.';

/** The run of every night, runs that were asked for, and the check of every week. */
@Injectable()
export class ArchiveJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly handlers: JobHandlers,
    private readonly retention: RetentionRun,
    private readonly checks: ArchiveChecks,
    private readonly schedule: ArchiveSchedule,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    const options = { transactional: false };
    this.handlers.register(
      ARCHIVE_RUN,
      async ({ payload, signal }) => {
        await this.run(idOf(payload), signal);
      },
      { ...options, died: ({ payload, lastError }) => this.retention.gaveUp(idOf(payload), lastError ?? DEAD) },
    );
    this.handlers.register(
      NIGHTLY,
      async ({ id, signal }) => {
        // The job's own id: when it is tried again, the run goes on.
        await this.run(id, signal);
      },
      { ...options, died: ({ id, lastError }) => this.retention.gaveUp(id, lastError ?? DEAD) },
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
  /** While another run is at it, this one waits: that is no failed attempt. */
  private async run(id: string, signal: AbortSignal): Promise<void> {
    try {
      await this.retention.run({ id, requestedBy: 'system', signal });
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'archive_run_in_progress') throw error;
      await this.jobs.send(ARCHIVE_RUN, { id }, { runAt: new Date(this.clock.now().getTime() + LATER_MS) });
    }
  }
}

/** Of this form: whoever sends such a job sends it. */
function idOf(payload: Json): string {
  return (payload as { id: string }).id;
}
