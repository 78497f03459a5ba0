import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { AppError } from '../../kernel/app-error.js';
import { Clock } from '../../kernel/clock.js';
import { JobHandlers } from '../../platform/jobs/job-handlers.js';
import { Jobs } from '../../platform/jobs/jobs.js';
import { RehydrationEnd } from './rehydration-end.js';
import { REHYDRATE } from './rehydrations.service.js';
import { Rehydrator } from './rehydrator.js';

const HOURLY = 'audit.end-rehydrations';
/** Before this looks again at a month that somebody else is reading back. */
const LATER_MS = 30_000;

/** Reads back what was asked for, and takes away what is past its time. */
@Injectable()
export class RehydrationJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly handlers: JobHandlers,
    private readonly rehydrator: Rehydrator,
    private readonly ends: RehydrationEnd,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.handlers.register(
      REHYDRATE,
      async ({ payload, signal }) => {
        // Of this form: Rehydrations sent it.
        const { log, period } = payload as { log: string; period: string };
        try {
          const now = await this.rehydrator.load(log, period, signal);
          // Whoever is at it may die at it; waiting here would keep other jobs from being done.
          if (now?.state === 'loading')
            await this.jobs.send(REHYDRATE, { log, period }, { runAt: new Date(this.clock.now().getTime() + LATER_MS) });
        } catch (error) {
          // What is broken is said, and is no better in a minute; a store that is away may be back.
          if (!(error instanceof AppError) || error.kind !== 'conflict') throw error;
        }
      },
      { transactional: false },
    );
    this.handlers.register(
      HOURLY,
      async () => {
        await this.ends.endOver();
      },
      { transactional: false },
    );
  }

  @Cron('0 23 * * * *', { name: HOURLY, timeZone: 'UTC' })
  async tick(): Promise<void> {
    await this.jobs.tick(HOURLY, 3_600_000);
  }
}
