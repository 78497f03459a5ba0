import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { errorSummary } from '../../platform/jobs/job-error.js';
import { Log } from '../../platform/logging/log.js';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { ArchivePlanner } from './archive-planner.js';
import { type ArchiveRun, ArchiveRunsRepository, type RunStep } from './archive-runs.repository.js';
import { planChanged } from './archive-runs.service.js';
import { type ArchiveAction } from './archive-steps.js';
import { byArchiver } from './archiver-actor.js';
import { ABORTED, MonthRun } from './month-run.js';
import { Partitions } from './partitions.js';

interface RunOptions {
  id?: string;
  requestedBy: string;
  /** What was looked at; a run of the night follows its own plan. */
  planHash?: string;
  /** All of them when absent. */
  actions?: readonly ArchiveAction[];
  signal?: AbortSignal;
}

/** One run over all months that are due. */
@Injectable()
export class RetentionRun {
  constructor(
    private readonly planner: ArchivePlanner,
    private readonly runs: ArchiveRunsRepository,
    private readonly month: MonthRun,
    private readonly partitions: Partitions,
    private readonly work: UnitOfWork,
    private readonly trail: AuditTrail,
    private readonly log: Log,
  ) {}

  /**
   * Throws `archive_plan_changed` when another plan than the one that was looked at would be followed, `archive_run_in_progress`, and the reason
   * of the signal: then the run is still running, and goes on when it is run again.
   */
  async run({ id = uuidv7(), requestedBy, planHash, actions, signal }: RunOptions): Promise<ArchiveRun> {
    return this.partitions.alone(async () => {
      const begun = await this.runs.insert(id, requestedBy, planHash ?? null);
      if (begun.finishedAt) return begun;
      await this.runs.begin(id);
      const expected = planHash ?? begun.planHash ?? undefined;
      // One that was cut off goes on: it has changed its own plan.
      const fresh = begun.state === 'waiting';
      const steps: RunStep[] = [...begun.steps];
      try {
        await this.partitions.premake();
        const { plan, fates } = await this.planner.withFates();
        if (fresh && expected !== undefined && plan.hash !== expected) throw planChanged();
        const due = plan.months.filter(({ action }) => action !== 'none' && (actions?.includes(action) ?? true));
        for (const month of due) {
          signal?.throwIfAborted();
          const fate = fates.find(({ log, period }) => log === month.log && period === month.period);
          steps.push(await this.month.take(month, fate, signal));
        }
        signal?.throwIfAborted();
        await this.partitions.tidy([...new Set(steps.map(({ log }) => log))]);
        await this.runs.finish(id, { steps, sizes: await this.runs.sizes(), error: failureOf(steps) });
      } catch (error) {
        if (signal?.aborted === true) await this.runs.pause(id, steps.filter(wasTaken));
        else await this.failed(id, steps, error);
        throw error;
      }
      const ended = await this.runs.byId(id);
      return ended ?? begun;
    });
  }

  /** Nobody will try this run again, which may not even have begun. Part of the open unit of work. */
  async gaveUp(id: string, reason: string): Promise<void> {
    const { finishedAt } = await this.runs.insert(id, 'system', null);
    if (finishedAt) return;
    await this.runs.giveUp(id, reason);
    await this.sayFailed(id, reason, 'unexpected');
  }

  private async failed(id: string, steps: RunStep[], error: unknown): Promise<void> {
    const reason = errorSummary(error);
    await this.work.run(async () => {
      await this.runs.finish(id, { steps, sizes: [], error: reason });
      // Who asked for something else than would be done now is told so, and nothing is amiss.
      if (error instanceof AppError && error.code === 'archive_plan_changed') return;
      await this.sayFailed(id, reason, error instanceof AppError ? error.code : 'unexpected');
      this.work.afterCommit(() => {
        this.log.error('a run of the archive failed', { error });
      });
    });
  }

  private async sayFailed(id: string, reason: string, code: string): Promise<void> {
    await this.trail.record({
      action: 'audit.archive_failed',
      category: 'meta',
      severity: 'high',
      outcome: 'failure',
      ...byArchiver(),
      resource: { type: 'audit_archive_run', id },
      detail: { reason, code },
    });
  }
}

/** Not one that was told to stop. */
function wasTaken({ error }: RunStep): boolean {
  return error !== ABORTED;
}

function failureOf(steps: readonly RunStep[]): string | null {
  const failed = steps.filter(({ error }) => error !== undefined);
  const [first] = failed;
  return first ? `${failed.length} of ${steps.length} months failed, ${first.log} ${first.period} with: ${first.error ?? ''}` : null;
}
