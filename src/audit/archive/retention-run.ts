import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { errorSummary } from '../../platform/jobs/job-error.js';
import { Log } from '../../platform/logging/log.js';
import { AppError } from '../../kernel/app-error.js';
import { ArchivePlanner } from './archive-planner.js';
import { type ArchiveRun, ArchiveRunsRepository, type RunStep } from './archive-runs.repository.js';
import { planChanged } from './archive-runs.service.js';
import { type ArchiveAction } from './archive-steps.js';
import { MonthRun } from './month-run.js';
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
    private readonly log: Log,
  ) {}

  /** Throws `archive_plan_changed` when another plan than the one that was looked at would be followed, `archive_run_in_progress`. */
  async run({ id = uuidv7(), requestedBy, planHash, actions, signal }: RunOptions): Promise<ArchiveRun> {
    return this.partitions.alone(async () => {
      const begun = await this.runs.insert(id, requestedBy, planHash ?? null);
      if (begun.finishedAt) return begun;
      await this.runs.begin(id);
      const expected = planHash ?? begun.planHash ?? undefined;
      // One that was cut off goes on: it has changed its own plan.
      const fresh = begun.state === 'waiting';
      const steps: RunStep[] = [];
      try {
        await this.partitions.premake();
        const { plan, fates } = await this.planner.withFates();
        if (fresh && expected !== undefined && plan.hash !== expected) throw planChanged();
        const due = plan.months.filter(({ action }) => action !== 'none' && (actions?.includes(action) ?? true));
        for (const month of due) {
          if (signal?.aborted === true) break;
          const fate = fates.find(({ log, period }) => log === month.log && period === month.period);
          steps.push(await this.month.take(month, fate, signal));
        }
        await this.partitions.analyze([...new Set(steps.map(({ log }) => log))]);
        await this.runs.finish(id, { steps, sizes: await this.runs.sizes(), error: failureOf(steps) });
      } catch (error) {
        await this.runs.finish(id, { steps, sizes: [], error: errorSummary(error) });
        if (error instanceof AppError) throw error;
        this.log.error('a run of the archive failed', { error });
        throw error;
      }
      const ended = await this.runs.byId(id);
      return ended ?? begun;
    });
  }
}

function failureOf(steps: readonly RunStep[]): string | null {
  const failed = steps.filter(({ error }) => error !== undefined);
  const [first] = failed;
  return first ? `${failed.length} of ${steps.length} months failed, ${first.log} ${first.period} with: ${first.error ?? ''}` : null;
}
