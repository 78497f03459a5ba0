import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { actorName } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Jobs } from '../../platform/jobs/jobs.js';
import { ArchiveRepository, type Month } from '../archive/archive.repository.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { type Rehydration, RehydrationsRepository } from './rehydrations.repository.js';
import { isArchived, notArchived } from './rehydrator.js';

export const REHYDRATE = 'audit.rehydrate';

/** Months that somebody wants back. */
@Injectable()
export class Rehydrations {
  constructor(
    private readonly work: UnitOfWork,
    private readonly archive: ArchiveRepository,
    private readonly rehydrations: RehydrationsRepository,
    private readonly jobs: Jobs,
    private readonly trail: AuditTrail,
  ) {}

  /** Has a job read it back; one that is back already stays longer. Throws `audit_period_not_found` and `period_not_archived`. */
  async request(log: string, period: string, days: number): Promise<Rehydration> {
    return this.work.run(async () => {
      const asked = await this.ask(log, period, days);
      if (asked.state !== 'ready') await this.jobs.send(REHYDRATE, { log, period: asked.period });
      return asked;
    });
  }

  /** The same, for whoever reads it back at once. */
  async ask(log: string, period: string, days: number): Promise<Rehydration> {
    const month = await this.month(log, period);
    if (!isArchived(month)) throw notArchived(month);
    return this.work.run(async () => {
      const asked = await this.rehydrations.ask(month, days, actorName());
      await this.trail.record({
        action: 'audit.rehydration_requested',
        category: 'access',
        severity: 'low',
        resource: { type: 'audit_period', id: `${log}/${month.period}` },
        detail: { days, expiresAt: asked.expiresAt.toISOString() },
      });
      return asked;
    });
  }

  private async month(log: string, period: string): Promise<Month> {
    const month = /^\d{4}-\d\d$/.test(period) ? await this.archive.month(log, `${period}-01`) : undefined;
    if (!month) throw AppError.notFound('audit_period', `${log}/${period}`);
    return month;
  }
}
