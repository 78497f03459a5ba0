import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { AppConfig } from '../../config/app-config.js';
import { JobHandlers } from '../../platform/jobs/job-handlers.js';
import { Jobs } from '../../platform/jobs/jobs.js';
import { Log } from '../../platform/logging/log.js';
import { AuditLogRepository } from '../log/audit-log.repository.js';
import { Anchoring } from './anchoring.js';
import { Sealer } from './sealer.js';
import { SealingSettings } from './sealing-settings.js';

const PARTITIONS = 'audit.ensure-partitions';
const MONTHS_AHEAD = 3;
const DAY_MS = 86_400_000;

/**
 * Seals the trail every second, in whichever process gets the lock first, and keeps partitions ready. A timer, not a durable job: it has no
 * payload, loses nothing when it dies, and one row a second would be most of the jobs table.
 */
@Injectable()
export class SealerJob implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private sealing: Promise<void> = Promise.resolve();
  private stopping = false;
  private failing = '';

  constructor(
    private readonly config: AppConfig,
    private readonly events: AuditLogRepository,
    private readonly sealer: Sealer,
    private readonly anchoring: Anchoring,
    private readonly settings: SealingSettings,
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
    if (!this.config.jobs) return;
    // What a process signed and did not publish before it died.
    this.anchoring.wake();
    // Partitions first: a process that starts after months has none to file into.
    this.sealing = this.guarded(() => this.events.ensurePartitions(MONTHS_AHEAD)).then(() => this.turn());
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.timer);
    await this.sealing;
    await this.anchoring.settled();
  }

  @Cron('30 1 * * *', { name: PARTITIONS, timeZone: 'UTC' })
  async tick(): Promise<void> {
    await this.jobs.tick(PARTITIONS, DAY_MS);
  }

  private async turn(): Promise<void> {
    await this.guarded(async () => {
      while (!this.stopping && (await this.sealer.turn()) >= this.settings.batch);
    });
    if (this.stopping) return;
    this.timer = setTimeout(() => {
      this.sealing = this.turn();
    }, this.settings.everyMs);
  }

  /** What fails is tried again in the next turn; the log hears of it once an outage. */
  private async guarded(act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
      this.failing = '';
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (this.failing !== message) this.log.error('the audit trail cannot be sealed', { error });
      this.failing = message;
    }
  }
}
