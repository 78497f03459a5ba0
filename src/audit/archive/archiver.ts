import { hash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { Clock } from '../../kernel/clock.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type PeriodFate } from '../retention/period-fates.js';
import { Sealer } from '../sealing/sealer.js';
import { type AuditEvent } from '../trail/audit-event.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { ArchiveRepository, type Month } from './archive.repository.js';
import { byArchiver } from './archiver-actor.js';
import { ArchiveStore } from './archive-store.js';
import { type ArchiveState } from './archive-steps.js';
import { Partitions } from './partitions.js';

const SEALED_WITHIN_MS = 60_000;

/** Takes one month one step further. Each step can be taken again after whatever cut it off, and is said in the trail. */
@Injectable()
export class Archiver {
  constructor(
    private readonly work: UnitOfWork,
    private readonly archive: ArchiveRepository,
    private readonly store: ArchiveStore,
    private readonly partitions: Partitions,
    private readonly trail: AuditTrail,
    private readonly sealer: Sealer,
    private readonly clock: Clock,
  ) {}

  /** Throws whatever kept it from being taken. */
  async take(month: Month, to: ArchiveState, fate: PeriodFate | undefined): Promise<Month> {
    switch (to) {
      case 'exporting':
        return this.work.run(() => this.archive.step(month, 'exporting'));
      case 'uploaded': {
        const change = await this.store.upload(month, fate);
        const uploaded = await this.work.run(() => this.archive.step(month, 'uploaded', change));
        return { ...uploaded, objectKey: change.objectKey ?? null, manifestKey: change.manifestKey ?? null };
      }
      case 'verified':
        return this.verify(month);
      case 'detaching':
        return this.announce(month);
      case 'detached':
        return this.detach(month);
      case 'dropped':
        return this.drop(month);
      case 'purging':
        return this.decide(month);
      case 'purged':
        return this.purge(month);
      case 'closed':
        throw new Error('No step leads there.');
    }
  }

  /** Puts a month that was taken out back into the log. Throws `archive_state_changed`. */
  async undo(month: Month, keepUntil: Date): Promise<Month> {
    return this.work.run(async () => {
      await this.archive.attach(month);
      const back = month.objectKey === null ? 'closed' : 'verified';
      const undone = await this.archive.step(month, back, { nextTry: keepUntil, reason: 'put back' });
      await this.say(month, 'audit.archive_undone', { keptUntil: keepUntil.toISOString() }, 'medium');
      return undone;
    });
  }

  /** Reads back what was stored, every byte; what is no longer there is stored again. */
  private async verify(month: Month): Promise<Month> {
    const manifest = (await this.archive.manifest(month)) ?? '';
    try {
      await this.store.check(month, manifest);
    } catch (error) {
      if (error instanceof AppError && error.code === 'storage_not_found') {
        await this.work.run(() => this.archive.step(month, 'exporting'));
        throw AppError.conflict('archive_broken', `What was stored of ${month.log} ${month.period} is gone; it will be stored again.`);
      }
      throw error;
    }
    return this.work.run(async () => {
      const verified = await this.archive.step(month, 'verified');
      await this.say(month, 'audit.archived', { object: month.objectKey, manifest: hash('sha256', manifest, 'hex') });
      return verified;
    });
  }

  /** Says that the month goes, before it goes. */
  private async announce(month: Month): Promise<Month> {
    return this.work.run(async () => {
      const detaching = await this.archive.step(month, 'detaching');
      await this.refuseHeld(month);
      await this.archive.keepLeaves(month);
      const manifest = month.objectKey === null ? undefined : await this.archive.manifest(month);
      await this.say(month, 'audit.period_detached', {
        archived: manifest !== undefined,
        ...(manifest === undefined ? {} : { manifest: hash('sha256', manifest, 'hex'), object: month.objectKey }),
      });
      return detaching;
    });
  }

  private async detach(month: Month): Promise<Month> {
    await this.refuseHeld(month);
    // Whoever finds the month gone finds it said, under the log's seal.
    for (const until = performance.now() + SEALED_WITHIN_MS; !(await this.archive.saidUnderSeal(month, 'audit.period_detached'));) {
      if (performance.now() > until)
        throw new AppError('unavailable', 'archive_not_sealed', 'What is done to the month is not under the log’s seal yet.');
      if ((await this.sealer.turn()) === 0) await delay(100);
    }
    await this.partitions.detach(month);
    return this.work.run(() => this.archive.step(month, 'detached', { detachedAt: this.clock.now() }));
  }

  private async drop(month: Month): Promise<Month> {
    return this.work.run(async () => {
      await this.archive.drop(month);
      const dropped = await this.archive.step(month, 'dropped');
      await this.say(month, 'audit.period_dropped', { archived: month.objectKey !== null }, month.objectKey === null ? 'medium' : 'info');
      return dropped;
    });
  }

  /**
   * Decides that the object goes. Asking for holds lets nobody place one until this is over: a hold that was committed before keeps the object,
   * and a later one is told that it comes too late.
   */
  private async decide(month: Month): Promise<Month> {
    return this.work.run(async () => {
      await this.refuseHeld(month);
      return this.archive.step(month, 'purging');
    });
  }

  /** Outside of any transaction, since a store may take its time: who places a hold would wait for it. Removing what is gone is nothing. */
  private async purge(month: Month): Promise<Month> {
    await this.store.remove(month);
    return this.work.run(async () => {
      const purged = await this.archive.step(month, 'purged');
      await this.say(month, 'audit.archive_purged', { object: month.objectKey }, 'medium');
      return purged;
    });
  }

  private async refuseHeld(month: Month): Promise<void> {
    if (await this.archive.held(month)) throw AppError.conflict('archive_period_held', `A legal hold keeps ${month.log} ${month.period}.`);
  }

  private async say(
    month: Month,
    action: string,
    detail: Record<string, unknown>,
    severity: AuditEvent['severity'] = 'info',
  ): Promise<void> {
    const { log, period, firstSeq, lastSeq, rows, root } = month;
    await this.trail.record({
      action,
      category: 'meta',
      severity,
      ...byArchiver(),
      resource: { type: 'audit_period', id: `${log}/${period}` },
      detail: { firstSeq, lastSeq, rows, root: root.toString('base64'), ...detail },
    });
  }
}
