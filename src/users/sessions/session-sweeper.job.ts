import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { JobHandlers } from '../../platform/jobs/job-handlers.js';
import { Jobs } from '../../platform/jobs/jobs.js';
import { Log } from '../../platform/logging/log.js';
import { LoginThrottle } from './login-throttle.js';
import { SessionSweeper } from './session-sweeper.js';

const SWEEP = 'users.sweep-sessions';
const FORGET = 'users.forget-sign-ins';
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** Every minute: ends sessions that are over. Every night: forgets failures no rule looks at any more. Sessions go with retention. */
@Injectable()
export class SessionSweeperJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly handlers: JobHandlers,
    private readonly sweeper: SessionSweeper,
    private readonly throttle: LoginThrottle,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    // A batch a transaction: the first sweep after a long stop may find many.
    this.handlers.register(
      SWEEP,
      async () => {
        await this.sweeper.sweep();
      },
      { transactional: false },
    );
    this.handlers.register(FORGET, async () => {
      this.log.info('forgot old sign-ins', { failures: await this.throttle.forgetOld() });
    });
  }

  @Cron('35 * * * * *', { name: SWEEP, timeZone: 'UTC' })
  async tickSweep(): Promise<void> {
    await this.jobs.tick(SWEEP, MINUTE_MS);
  }

  @Cron('20 2 * * *', { name: FORGET, timeZone: 'UTC' })
  async tickForget(): Promise<void> {
    await this.jobs.tick(FORGET, DAY_MS);
  }
}
