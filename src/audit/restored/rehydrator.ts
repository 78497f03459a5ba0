import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { currentContext } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { errorSummary } from '../../platform/jobs/job-error.js';
import { ArchiveRepository, type Month } from '../archive/archive.repository.js';
import { ARCHIVER } from '../archive/archiver.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { type Rehydration, RehydrationsRepository } from './rehydrations.repository.js';
import { RestoredWriter } from './restored-writer.js';

interface Said {
  action: string;
  detail: object;
  outcome?: 'success' | 'failure';
}

/** Reads archived months back. */
@Injectable()
export class Rehydrator {
  constructor(
    private readonly work: UnitOfWork,
    private readonly archive: ArchiveRepository,
    private readonly rehydrations: RehydrationsRepository,
    private readonly writer: RestoredWriter,
    private readonly trail: AuditTrail,
  ) {}

  /**
   * Reads back a month that was asked for, all of it in one transaction: what dies halfway leaves nothing, and nobody sees a part of it. Whoever
   * comes second waits and finds it there. Undefined when nobody wants it any more. Throws `archive_broken`, `period_not_archived` and what the
   * store does, and says so in the trail.
   */
  async load(log: string, period: string): Promise<Rehydration | undefined> {
    const month = await this.archive.month(log, period);
    if (!month) throw AppError.notFound('audit_period', `${log}/${period}`);
    try {
      return await this.work.run(() => this.read(month));
    } catch (error) {
      await this.work.run(async () => {
        await this.rehydrations.failed(month, errorSummary(error));
        await this.say(month, { action: 'audit.period_rehydrated', detail: { reason: errorSummary(error) }, outcome: 'failure' });
      });
      throw error;
    }
  }

  /** Takes a month away again. Throws `rehydration_not_found` and `rehydration_in_progress`. */
  async end(log: string, period: string): Promise<void> {
    const month = await this.archive.month(log, period);
    if (!month || !(await this.remove(month, 'asked'))) throw AppError.notFound('rehydration', `${log}/${period}`);
  }

  /** Takes away what is past its time, and returns how many months it were. */
  async endOver(): Promise<number> {
    let ended = 0;
    for (const { log, period, reason } of await this.rehydrations.over()) {
      const month = await this.archive.month(log, period);
      if (month && (await this.remove(month, reason))) ended++;
    }
    return ended;
  }

  /** False when it is not there. */
  private async remove(month: Month, reason: 'asked' | 'expired' | 'not_archived'): Promise<boolean> {
    return this.work.run(async () => {
      if (!(await this.rehydrations.tryLock(month)))
        throw AppError.conflict('rehydration_in_progress', `${month.log} ${month.period} is being read back just now.`);
      const there = await this.rehydrations.of(month);
      if (!there) return false;
      await this.rehydrations.remove(month);
      await this.say(month, { action: 'audit.rehydration_ended', detail: { reason, rows: there.rows } });
      return true;
    });
  }

  private async read(month: Month): Promise<Rehydration | undefined> {
    await this.rehydrations.lock(month);
    const asked = await this.rehydrations.of(month);
    if (!asked || asked.state === 'ready') return asked;
    const manifest = await this.archive.manifest(month);
    const now = await this.archive.month(month.log, month.period);
    if (!now || manifest === undefined || !isArchived(now)) throw notArchived(month);
    const rows = await this.writer.write(now, manifest);
    await this.rehydrations.ready(month, rows);
    await this.say(month, { action: 'audit.period_rehydrated', detail: { rows, expiresAt: asked.expiresAt.toISOString() } });
    return this.rehydrations.of(month);
  }

  private say({ log, period, root }: Month, { action, detail, outcome = 'success' }: Said): Promise<void> {
    return this.trail.record({
      action,
      category: 'meta',
      severity: outcome === 'success' ? 'info' : 'high',
      outcome,
      ...(currentContext()?.principal ? {} : { actor: ARCHIVER }),
      resource: { type: 'audit_period', id: `${log}/${period}` },
      detail: { root: root.toString('base64'), ...detail },
    });
  }
}

/** Out of the log, and in an archive that was read back. */
export function isArchived({ state, objectKey }: Month): boolean {
  return (state === 'detached' || state === 'dropped') && objectKey !== null;
}

export function notArchived({ log, period, state }: Month): AppError {
  return AppError.conflict('period_not_archived', `${log} ${period.slice(0, 7)} is not in an archive alone: its state is ${state}.`);
}
