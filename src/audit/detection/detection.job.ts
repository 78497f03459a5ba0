import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { JobHandlers } from '../../platform/jobs/job-handlers.js';
import { Jobs } from '../../platform/jobs/jobs.js';
import { Detector } from './detector.js';

const DETECT = 'audit.detect';
const MINUTE_MS = 60_000;

/** Every minute, once, whatever the number of instances. */
@Injectable()
export class DetectionJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly handlers: JobHandlers,
    private readonly detector: Detector,
  ) {}

  onModuleInit(): void {
    this.handlers.register(DETECT, async () => {
      await this.detector.detect();
    });
  }

  @Cron('20 * * * * *', { name: DETECT, timeZone: 'UTC' })
  async tick(): Promise<void> {
    await this.jobs.tick(DETECT, MINUTE_MS);
  }
}
