import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { ArchiveRepository, type Month } from '../archive/archive.repository.js';
import { RehydrationTrail } from './rehydration-trail.js';
import { RehydrationsRepository } from './rehydrations.repository.js';
import { RestoredWriter } from './restored-writer.js';

/** Takes months that were read back away again. */
@Injectable()
export class RehydrationEnd {
  constructor(
    private readonly work: UnitOfWork,
    private readonly archive: ArchiveRepository,
    private readonly rehydrations: RehydrationsRepository,
    private readonly writer: RestoredWriter,
    private readonly trail: RehydrationTrail,
  ) {}

  /** Also one that is being read back just now. Throws `rehydration_not_found`. */
  async end(log: string, period: string): Promise<void> {
    const month = await this.archive.month(log, period);
    if (!month || !(await this.remove(month, 'asked'))) throw AppError.notFound('rehydration', `${log}/${period}`);
  }

  /** Takes away what is past its time and what was left halfway, and returns how many months it were. */
  async endOver(): Promise<number> {
    let ended = 0;
    for (const { log, period, reason } of await this.rehydrations.over()) {
      const month = await this.archive.month(log, period);
      if (month && (await this.remove(month, reason))) ended++;
    }
    return ended;
  }

  /** Nobody sees it from the first transaction on, which is the event; then its rows go. False when it is not there. */
  private async remove(month: Month, reason: 'asked' | 'expired' | 'not_archived'): Promise<boolean> {
    const ending = await this.work.run(async () => {
      const now = await this.rehydrations.endNow(month);
      if (now?.began) await this.trail.say(month, { action: 'audit.rehydration_ended', detail: { reason, rows: now.rows } });
      return now;
    });
    if (!ending) return false;
    // Somebody may want it back before all of it is gone: then whoever reads it back removes the rest.
    if (await this.writer.clear(month, ending.attempt))
      await this.work.run(async () => {
        if (await this.rehydrations.hold(month, ending.attempt)) await this.rehydrations.gone(month);
      });
    return true;
  }
}
