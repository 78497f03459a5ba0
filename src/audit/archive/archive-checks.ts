import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { Clock } from '../../kernel/clock.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { errorSummary } from '../../platform/jobs/job-error.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { type Finding, found } from '../verification/finding.js';
import { ArchiveRepository, type Month } from './archive.repository.js';
import { ArchiveStore } from './archive-store.js';
import { ARCHIVER } from './archiver-actor.js';

/** In four weeks each archive was read at least once. */
const PARTS = 4;
/** States in which the archive has to be there. */
const KEPT = new Set(['verified', 'detaching', 'detached', 'dropped']);
/** What says that the store does not answer, not that an archive is broken. */
const UNANSWERED = new Set(['storage_unavailable', 'storage_denied']);

/** Whether what was archived is still there, and still what was sealed. */
@Injectable()
export class ArchiveChecks {
  constructor(
    private readonly archive: ArchiveRepository,
    private readonly store: ArchiveStore,
    private readonly work: UnitOfWork,
    private readonly trail: AuditTrail,
    private readonly clock: Clock,
  ) {}

  /** Reads the quarter of the archives that was read longest ago, and returns how many were read and how many are broken. */
  async weekly(): Promise<{ read: number; broken: number }> {
    const months = (await this.kept()).sort((a, b) => (a.checkedAt?.getTime() ?? 0) - (b.checkedAt?.getTime() ?? 0));
    const part = months.slice(0, Math.ceil(months.length / PARTS));
    let broken = 0;
    for (const month of part) broken += (await this.check(month)) === undefined ? 0 : 1;
    return { read: part.length, broken };
  }

  /** Reads every archive, and says what is wrong. */
  async findings(log?: string): Promise<Finding[]> {
    const findings: Finding[] = [];
    for (const month of await this.kept()) {
      if (log !== undefined && month.log !== log) continue;
      const reason = await this.check(month);
      if (reason !== undefined)
        findings.push(found('archive_broken', month.log, `${month.log} ${month.period}: ${reason}`, { seq: month.firstSeq }));
    }
    return findings;
  }

  private async kept(): Promise<Month[]> {
    return (await this.archive.months()).filter(({ state, objectKey }) => objectKey !== null && KEPT.has(state));
  }

  /** What is wrong with it, if anything. Throws when the store does not answer. */
  private async check(month: Month): Promise<string | undefined> {
    let reason: string | undefined;
    try {
      await this.store.check(month, (await this.archive.manifest(month)) ?? '');
    } catch (error) {
      if (!(error instanceof AppError) || UNANSWERED.has(error.code)) throw error;
      reason = errorSummary(error);
    }
    await this.work.run(async () => {
      await this.archive.checked(month, this.clock.now(), reason ?? null);
      if (reason === undefined) return;
      await this.trail.record({
        action: 'audit.archive_broken',
        category: 'meta',
        severity: 'critical',
        outcome: 'failure',
        actor: ARCHIVER,
        resource: { type: 'audit_period', id: `${month.log}/${month.period}` },
        detail: { reason, object: month.objectKey },
      });
    });
    return reason;
  }
}
