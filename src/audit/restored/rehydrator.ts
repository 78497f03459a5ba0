import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { errorSummary } from '../../platform/jobs/job-error.js';
import { ArchiveRepository, type Month } from '../archive/archive.repository.js';
import { RehydrationTrail } from './rehydration-trail.js';
import { type Rehydration, RehydrationsRepository } from './rehydrations.repository.js';
import { overtaken, RestoredWriter } from './restored-writer.js';

const LOOK_AGAIN_MS = 500;

/** Reads archived months back. */
@Injectable()
export class Rehydrator {
  constructor(
    private readonly work: UnitOfWork,
    private readonly archive: ArchiveRepository,
    private readonly rehydrations: RehydrationsRepository,
    private readonly writer: RestoredWriter,
    private readonly trail: RehydrationTrail,
  ) {}

  /**
   * Reads back a month that was asked for, in many short transactions; nobody sees a part of it before the last one says that it is ready. It is
   * `loading` in the answer when somebody else is at it; undefined when nobody wants it any more. Throws `archive_broken`,
   * `period_not_archived` and what the store does, and says so in the trail; and `archive_state_changed` when it took so long that somebody else
   * began anew.
   */
  async load(log: string, period: string, signal?: AbortSignal): Promise<Rehydration | undefined> {
    if (this.work.isOpen) throw new Error('A month is read back in transactions of its own, not in that of somebody.');
    const month = await this.archive.month(log, period);
    if (!month) throw AppError.notFound('audit_period', `${log}/${period}`);
    const attempt = await this.rehydrations.begin(month);
    if (attempt !== undefined)
      try {
        await this.read(month, attempt, signal);
      } catch (error) {
        await this.stopped(month, attempt, error, signal);
      }
    const now = await this.rehydrations.of(month);
    return now?.state === 'ending' ? undefined : now;
  }

  /** The same, waiting for whoever is at it; whoever dies at it is waited for until their lease ends. */
  async loadOrWait(log: string, period: string): Promise<Rehydration | undefined> {
    for (;;) {
      const now = await this.load(log, period);
      if (now?.state !== 'loading') return now;
      await delay(LOOK_AGAIN_MS);
    }
  }

  private async read(month: Month, attempt: number, signal?: AbortSignal): Promise<void> {
    const manifest = await this.archive.manifest(month);
    const now = await this.archive.month(month.log, month.period);
    if (!now || manifest === undefined || !isArchived(now)) throw notArchived(month);
    const rows = await this.writer.write(now, manifest, attempt, signal);
    await this.work.run(async () => {
      if (!(await this.rehydrations.hold(month, attempt))) throw overtaken(month);
      await this.rehydrations.ready(month, rows);
      const asked = await this.rehydrations.of(month);
      await this.trail.say(month, { action: 'audit.period_rehydrated', detail: { rows, expiresAt: asked?.expiresAt.toISOString() } });
    });
  }

  /** Throws on what stopped it, unless that is somebody who was faster or does not want it. */
  private async stopped(month: Month, attempt: number, error: unknown, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) {
      await this.rehydrations.release(month, attempt);
      throw error;
    }
    const ours = await this.work.run(async () => {
      if (!(await this.rehydrations.failed(month, attempt, errorSummary(error)))) return false;
      await this.trail.say(month, { action: 'audit.period_rehydrated', detail: { reason: errorSummary(error) }, outcome: 'failure' });
      return true;
    });
    if (ours) await this.writer.clear(month, attempt);
    const now = ours ? undefined : await this.rehydrations.of(month);
    if (ours || now?.state === 'loading' || now?.state === 'failed') throw error;
  }
}

/** Out of the log, and in an archive that was read back. */
export function isArchived({ state, objectKey }: Month): boolean {
  return (state === 'detached' || state === 'dropped') && objectKey !== null;
}

export function notArchived({ log, period, state }: Month): AppError {
  return AppError.conflict('period_not_archived', `${log} ${period.slice(0, 7)} is not in an archive alone: its state is ${state}.`);
}
