import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { type Json } from '../../kernel/canonical-json.js';
import { JobHandlers } from '../../platform/jobs/job-handlers.js';
import { Jobs } from '../../platform/jobs/jobs.js';
import { type VerificationOrder, VerificationsService, VERIFY } from './verifications.service.js';

const NIGHTLY = 'audit.verify-nightly';
const DAY_MS = 86_400_000;

/** Verifications too long to wait for, and the one of every night. */
@Injectable()
export class VerificationJob implements OnModuleInit {
  constructor(
    private readonly verifications: VerificationsService,
    private readonly handlers: JobHandlers,
    private readonly jobs: Jobs,
  ) {}

  onModuleInit(): void {
    this.handlers.register(
      VERIFY,
      async ({ payload }) => {
        await this.verifications.run(orderIn(payload));
      },
      { transactional: false, died: ({ payload, lastError }) => this.verifications.gaveUp(orderIn(payload), lastError) },
    );
    this.handlers.register(
      NIGHTLY,
      async ({ id }) => {
        await this.verifications.scheduled(id);
      },
      { transactional: false, died: ({ id, lastError }) => this.verifications.gaveUp({ id }, lastError) },
    );
  }

  @Cron('40 2 * * *', { name: NIGHTLY, timeZone: 'UTC' })
  async tick(): Promise<void> {
    await this.jobs.tick(NIGHTLY, DAY_MS);
  }
}

/** Of this form: VerificationsService sent it. */
function orderIn(payload: Json): VerificationOrder {
  return payload as { id: string; attempt?: string };
}
