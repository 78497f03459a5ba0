import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AppError } from '../../kernel/app-error.js';
import { actorName } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { idIn, pageById } from '../../platform/http/cursor.js';
import { Jobs } from '../../platform/jobs/jobs.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { type ArchivePlan } from './archive-plan.js';
import { ArchivePlanner } from './archive-planner.js';
import { type ArchiveRun, ArchiveRunsRepository } from './archive-runs.repository.js';

export const ARCHIVE_RUN = 'audit.archive';

/** Runs that somebody asked for, and what came of every run. */
@Injectable()
export class ArchiveRuns {
  constructor(
    private readonly work: UnitOfWork,
    private readonly runs: ArchiveRunsRepository,
    private readonly planner: ArchivePlanner,
    private readonly jobs: Jobs,
    private readonly trail: AuditTrail,
  ) {}

  plan(): Promise<ArchivePlan> {
    return this.planner.plan();
  }

  /** Has a job do what the plan says. Throws `archive_plan_changed` when something else would be done by now. */
  async request(planHash: string): Promise<ArchiveRun> {
    const { hash } = await this.planner.plan();
    if (hash !== planHash) throw planChanged();
    return this.work.run(async () => {
      const run = await this.runs.insert(uuidv7(), actorName(), planHash);
      await this.jobs.send(ARCHIVE_RUN, { id: run.id });
      await this.trail.record({
        action: 'audit.archive_requested',
        category: 'governance',
        resource: { type: 'audit_archive_run', id: run.id },
        detail: { planHash },
      });
      return run;
    });
  }

  async get(id: string): Promise<ArchiveRun> {
    const run = await this.runs.byId(id);
    if (!run) throw AppError.notFound('audit_archive_run', id);
    return run;
  }

  async list(after: string | undefined, limit: number): Promise<{ items: ArchiveRun[]; next: string | null }> {
    return pageById(await this.runs.newest(idIn(after), limit + 1), limit);
  }
}

export function planChanged(): AppError {
  return AppError.conflict('archive_plan_changed', 'Something else would be done by now: look at the plan again.');
}
