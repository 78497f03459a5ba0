import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { JobHandlers } from '../../../platform/jobs/job-handlers.js';
import { Jobs } from '../../../platform/jobs/jobs.js';
import { Log } from '../../../platform/logging/log.js';
import { LdapReconcile } from './ldap-reconcile.js';

const NAME = 'identity.reconcile-ldap';
const DAY_MS = 86_400_000;

/** Once a night: who left a directory, or was switched off there, is out here too. */
@Injectable()
export class LdapReconcileJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly handlers: JobHandlers,
    private readonly reconcile: LdapReconcile,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    // It asks other machines, and each person is a transaction of their own: run again, it finds done what was done.
    this.handlers.register(
      NAME,
      async ({ signal }) => {
        this.log.info('reconciled with the directories', { providers: await this.reconcile.all(signal) });
      },
      { transactional: false },
    );
  }

  @Cron('30 3 * * *', { name: NAME, timeZone: 'UTC' })
  async tick(): Promise<void> {
    await this.jobs.tick(NAME, DAY_MS);
  }
}
