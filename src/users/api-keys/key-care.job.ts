import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { JobHandlers } from '../../platform/jobs/job-handlers.js';
import { Jobs } from '../../platform/jobs/jobs.js';
import { Log } from '../../platform/logging/log.js';
import { KeyCare } from './key-care.js';

const NAME = 'users.care-for-keys';
const DAY_MS = 86_400_000;

/** Every night: prepares rotations that are due, says which keys end soon, forgets what nobody needs. */
@Injectable()
export class KeyCareJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly handlers: JobHandlers,
    private readonly care: KeyCare,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.handlers.register(NAME, async () => {
      this.log.info('cared for keys', await this.care.run());
    });
  }

  @Cron('15 1 * * *', { name: NAME, timeZone: 'UTC' })
  async tick(): Promise<void> {
    await this.jobs.tick(NAME, DAY_MS);
  }
}
