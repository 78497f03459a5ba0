import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { AppConfig } from '../../config/app-config.js';
import { JobHandlers } from '../../platform/jobs/job-handlers.js';
import { Jobs } from '../../platform/jobs/jobs.js';
import { Log } from '../../platform/logging/log.js';
import { AuditLogRepository } from './audit-log.repository.js';

const PARTITIONS = 'audit.ensure-partitions';
const MONTHS_AHEAD = 3;
const DAY_MS = 86_400_000;
const EVERY_MS = 1000;
const BATCH = 5000;

/**
 * Files the trail's inbox into the log, every second, in whichever process gets the lock first; and keeps partitions ready. A timer, not a
 * durable job: it has no payload, loses nothing when it dies, and one row a second would be most of the jobs table.
 */
@Injectable()
export class FilerJob implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private filing: Promise<void> = Promise.resolve();
  private stopping = false;
  private failing = false;

  constructor(
    private readonly config: AppConfig,
    private readonly events: AuditLogRepository,
    private readonly jobs: Jobs,
    private readonly handlers: JobHandlers,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.handlers.register(PARTITIONS, async () => {
      await this.events.ensurePartitions(MONTHS_AHEAD);
    });
  }

  onApplicationBootstrap(): void {
    // Partitions first: a process that starts after months has none to file into.
    if (this.config.jobs) this.filing = this.guarded(() => this.events.ensurePartitions(MONTHS_AHEAD)).then(() => this.turn());
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.timer);
    await this.filing;
  }

  @Cron('30 1 * * *', { name: PARTITIONS, timeZone: 'UTC' })
  async tick(): Promise<void> {
    await this.jobs.tick(PARTITIONS, DAY_MS);
  }

  private async turn(): Promise<void> {
    await this.guarded(async () => {
      while (!this.stopping && (await this.events.file(BATCH)) === BATCH);
    });
    if (this.stopping) return;
    this.timer = setTimeout(() => {
      this.filing = this.turn();
    }, EVERY_MS);
  }

  /** What fails is tried again in the next turn; the log hears of it once an outage. */
  private async guarded(act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
      this.failing = false;
    } catch (error) {
      if (!this.failing) this.log.error('the audit inbox cannot be filed', { error });
      this.failing = true;
    }
  }
}
