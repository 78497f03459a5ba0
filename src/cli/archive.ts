import { type INestApplicationContext } from '@nestjs/common';
import { ArchiveChecks } from '../audit/archive/archive-checks.js';
import { type ArchivePlan } from '../audit/archive/archive-plan.js';
import { ArchivePlanner } from '../audit/archive/archive-planner.js';
import { ArchiveRepository } from '../audit/archive/archive.repository.js';
import { type ArchiveRun } from '../audit/archive/archive-runs.repository.js';
import { type ArchiveAction } from '../audit/archive/archive-steps.js';
import { Archiver } from '../audit/archive/archiver.js';
import { RetentionRun } from '../audit/archive/retention-run.js';
import { type Finding } from '../audit/verification/finding.js';
import { actorName } from '../platform/context/request-context.js';
import { withApplication } from './application.js';
import { CommandError, say, UsageError } from './command.js';

/** What removes something for good. */
const DELETIONS: readonly ArchiveAction[] = ['remove', 'purge'];
const KEPT_AFTER_UNDO_MS = 30 * 86_400_000;

interface Options {
  'dry-run': boolean;
  plan?: string | undefined;
  class?: string | undefined;
  period?: string | undefined;
}

/** `cadastre audit archive …` and `cadastre audit retention …`. */
export async function archiveCommand(area: 'archive' | 'retention', action: string | undefined, options: Options): Promise<number> {
  const only = area === 'retention' ? DELETIONS : undefined;
  if (options['dry-run'] && action === undefined) {
    await withApplication(`audit ${area} --dry-run`, async (app) => {
      showPlan(await app.get(ArchivePlanner).plan(), only);
    });
    return 0;
  }
  if (action === 'apply') return apply(area, only, options.plan);
  if (area === 'archive' && action === 'undo') return undo(options);
  throw new UsageError(`Say 'audit ${area} --dry-run' or 'audit ${area} apply --plan HASH'.`);
}

/** Every archive, read again. */
export function archiveFindings(app: INestApplicationContext, log: string | undefined): Promise<Finding[]> {
  return app.get(ArchiveChecks).findings(log);
}

async function apply(area: string, only: readonly ArchiveAction[] | undefined, planHash: string | undefined): Promise<number> {
  if (planHash === undefined) throw new UsageError('Which plan? Its hash is the last line of --dry-run.');
  const run = await withApplication(`audit ${area} apply`, (app) =>
    app.get(RetentionRun).run({ requestedBy: actorName(), planHash, ...(only ? { actions: only } : {}) }),
  );
  showRun(run);
  return run.error === null ? 0 : 1;
}

async function undo({ class: log, period }: Options): Promise<number> {
  if (log === undefined || period === undefined || !/^\d{4}-\d\d$/.test(period))
    throw new UsageError('Which month? Say --class NAME --period 2026-01.');
  const until = await withApplication('audit archive undo', async (app) => {
    const archive = app.get(ArchiveRepository);
    const month = await archive.month(log, `${period}-01`);
    if (!month) throw new CommandError(`There is no closed month ${period} of ${log}.`);
    const keptUntil = new Date(Date.now() + KEPT_AFTER_UNDO_MS);
    await app.get(Archiver).undo(await archive.claim(month), keptUntil);
    return keptUntil;
  });
  say(
    `${log} ${period} is in the log again, and stays there until ${until.toISOString().slice(0, 10)} at least. For longer, place a legal hold.`,
  );
  return 0;
}

function showPlan({ hash, months }: ArchivePlan, only: readonly ArchiveAction[] | undefined): void {
  for (const m of months) {
    if (only && !only.includes(m.action)) continue;
    const told = [
      `${m.log} ${m.period.slice(0, 7)}`.padEnd(20),
      m.state.padEnd(10),
      m.action.padEnd(8),
      `${m.rows} events, ${(m.bytes / 1e6).toFixed(1)} MB`,
      m.dueAt === null ? 'kept for good' : `due ${m.dueAt.slice(0, 10)}`,
      ...(m.object === null ? [] : [m.object]),
      ...(m.policies.length === 0 ? [] : [`policies ${m.policies.join(', ')}`]),
      ...(m.holds.length === 0 ? [] : [`holds ${m.holds.join(', ')}`]),
      ...(m.reason === null ? [] : [m.reason]),
    ];
    say(told.join('  '));
  }
  say(`plan ${hash}`);
}

function showRun({ steps, sizes, error }: ArchiveRun): void {
  for (const { log, period, from, to, error: failed } of steps)
    say(`${`${log} ${period.slice(0, 7)}`.padEnd(20)}  ${from} → ${to}${failed === undefined ? '' : `  ${failed}`}`);
  for (const { log, rows, months, bytes, archivedMonths, archiveBytes } of sizes)
    say(
      `${log.padEnd(12)} ${rows} events in ${months} closed months, ${(bytes / 1e6).toFixed(1)} MB; ${archivedMonths} archives, ${(archiveBytes / 1e6).toFixed(1)} MB`,
    );
  say(error ?? 'Done.');
}
