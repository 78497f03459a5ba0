import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { Idempotency } from '../http/idempotency.js';
import { Log } from '../logging/log.js';
import { JobHandlers } from './job-handlers.js';
import { JobRepository } from './job.repository.js';
import { Jobs } from './jobs.js';

const NAME = 'platform.clean-up';
const DAY_MS = 86_400_000;
const KEPT_DAYS = 7;

/** Every night: forgets jobs long done and answers nobody will ask for again. */
@Injectable()
export class MaintenanceJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly handlers: JobHandlers,
    private readonly repository: JobRepository,
    private readonly idempotency: Idempotency,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.handlers.register(NAME, () => this.run());
  }

  @Cron('0 2 * * *', { name: NAME, timeZone: 'UTC' })
  async tick(): Promise<void> {
    await this.jobs.tick(NAME, DAY_MS);
  }

  private async run(): Promise<void> {
    const jobs = await this.repository.forgetDone(KEPT_DAYS);
    const answers = await this.idempotency.forgetOld();
    this.log.info('cleaned up', { jobs, answers });
  }
}
