import { Injectable, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { JobHandlers } from '../../platform/jobs/job-handlers.js';
import { Jobs } from '../../platform/jobs/jobs.js';
import { type Erased, ErasureList } from './erasure-list.js';
import { Erasure, FORGET } from './erasure.service.js';
import { RestoredKeys } from './restored-keys.js';

const AGAIN = 'audit.destroy-restored-keys';
const DAY_MS = 86_400_000;

/** What is left to do after a key was destroyed; and, at each start and every day, a look whether one came back. */
@Injectable()
export class ErasureJob implements OnModuleInit, OnApplicationBootstrap {
  constructor(
    private readonly erasure: Erasure,
    private readonly restored: RestoredKeys,
    private readonly list: ErasureList,
    private readonly handlers: JobHandlers,
    private readonly jobs: Jobs,
  ) {}

  onModuleInit(): void {
    this.handlers.register(
      FORGET,
      async ({ payload }) => {
        // Of this form: Erasure sent it.
        const erased = payload as unknown as Erased;
        await this.list.add(erased);
        await this.erasure.forget(erased);
      },
      { transactional: false },
    );
    this.handlers.register(
      AGAIN,
      async () => {
        await this.restored.destroyAgain();
      },
      { transactional: false },
    );
  }

  /** Whoever was under a legal hold may no longer be. */
  @Cron('50 3 * * *', { name: AGAIN, timeZone: 'UTC' })
  async tick(): Promise<void> {
    if ((await this.list.all()).length > 0) await this.jobs.tick(AGAIN, DAY_MS);
  }

  async onApplicationBootstrap(): Promise<void> {
    if ((await this.list.all()).length > 0) await this.jobs.send(AGAIN);
  }
}
