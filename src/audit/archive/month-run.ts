import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { Clock } from '../../kernel/clock.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { errorSummary } from '../../platform/jobs/job-error.js';
import { type PeriodFate } from '../retention/period-fates.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { ArchiveRepository, type Month } from './archive.repository.js';
import { goesArchived, type PlannedMonth } from './archive-plan.js';
import { type RunStep } from './archive-runs.repository.js';
import { nextSteps } from './archive-steps.js';
import { Archiver } from './archiver.js';
import { byArchiver } from './archiver-actor.js';

/** What is said of a month that was told to stop. */
export const ABORTED = 'aborted';
const FIRST_DELAY_MS = 600_000;
const MOST_DELAY_MS = 12 * 3_600_000;

/** Takes a month as far as one action goes, and says where it failed. */
@Injectable()
export class MonthRun {
  constructor(
    private readonly work: UnitOfWork,
    private readonly archive: ArchiveRepository,
    private readonly archiver: Archiver,
    private readonly trail: AuditTrail,
    private readonly clock: Clock,
  ) {}

  /** Throws nothing that concerns this month alone: other months go on. */
  async take({ log, period, action, state }: PlannedMonth, fate: PeriodFate | undefined, signal?: AbortSignal): Promise<RunStep> {
    const found = await this.archive.month(log, period);
    const step: RunStep = { log, period, from: state, to: state };
    if (found?.state !== state) return { ...step, error: 'archive_state_changed' };
    let month = found;
    try {
      month = await this.archive.claim(found);
      const way = goesArchived(month, fate) ? 'archived' : 'removed';
      for (let next = nextSteps[way][month.state]; next?.by === action; next = nextSteps[way][month.state]) {
        signal?.throwIfAborted();
        month = await this.archiver.take(month, next.to, fate);
      }
      return { ...step, to: month.state };
    } catch (error) {
      if (error instanceof AppError && error.code === 'archive_state_changed') return { ...step, to: month.state, error: error.code };
      if (signal?.aborted === true) return { ...step, to: month.state, error: ABORTED };
      await this.sayFailed(month, error);
      return { ...step, to: month.state, error: errorSummary(error) };
    }
  }

  private async sayFailed(month: Month, error: unknown): Promise<void> {
    const reason = errorSummary(error);
    await this.work.run(async () => {
      const nextTry = new Date(this.clock.now().getTime() + Math.min(FIRST_DELAY_MS * 2 ** month.attempts, MOST_DELAY_MS));
      const attempts = await this.archive.failed(month, reason, nextTry);
      await this.trail.record({
        action: 'audit.archive_failed',
        category: 'meta',
        severity: 'high',
        outcome: 'failure',
        ...byArchiver(),
        resource: { type: 'audit_period', id: `${month.log}/${month.period}` },
        detail: { state: month.state, reason, code: error instanceof AppError ? error.code : 'unexpected', attempts, nextTry },
      });
    });
  }
}
