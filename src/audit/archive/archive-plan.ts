import { hash } from 'node:crypto';
import { canonicalJson, toJson } from '../../kernel/canonical-json.js';
import { type PeriodFate } from '../retention/period-fates.js';
import { type HeldMonth, type Month } from './archive.repository.js';
import { type ArchiveAction, type ArchiveState, nextSteps } from './archive-steps.js';

const DAY_MS = 86_400_000;
/** The log that says what became of the others is never taken out. */
const META = 0;

/** What a run would do with a month now. */
export interface PlannedMonth {
  log: string;
  period: string;
  firstSeq: number;
  lastSeq: number;
  rows: number;
  bytes: number;
  state: ArchiveState;
  action: ArchiveAction;
  /** Why nothing is done, or what the last attempt failed with. */
  reason: string | null;
  /** The object that is made or removed. */
  object: string | null;
  policies: string[];
  holds: string[];
  /** When its next step may be taken; null: never. */
  dueAt: string | null;
}

export interface ArchivePlan {
  /** Of what it does, not of when it was asked for: the same as long as the same would be done. */
  hash: string;
  months: PlannedMonth[];
}

interface Rules {
  now: Date;
  undoDays: number;
  deletions: boolean;
}

/** Every month's next move, by what is to become of it. */
export function planOf(
  months: readonly HeldMonth[],
  fates: readonly PeriodFate[],
  keyOf: (month: Month) => string,
  rules: Rules,
): ArchivePlan {
  const byMonth = new Map(fates.map((fate) => [`${fate.log}/${fate.period}`, fate]));
  const planned = months.map((month): PlannedMonth => {
    const fate = byMonth.get(`${month.log}/${month.period}`);
    const { action, reason, dueAt } = moveOf(month, fate, rules);
    const archived = goesArchived(month, fate);
    return {
      ...{ log: month.log, period: month.period, firstSeq: month.firstSeq, lastSeq: month.lastSeq },
      ...{ rows: month.rows, bytes: month.bytes, state: month.state, action },
      reason: reason ?? month.reason,
      object: archived && (action === 'archive' || month.objectKey !== null) ? (month.objectKey ?? keyOf(month)) : null,
      policies: fate?.policies ?? [],
      holds: fate?.holds ?? [],
      dueAt: dueAt?.toISOString() ?? null,
    };
  });
  const done = planned
    .filter(({ action }) => action !== 'none')
    .map(({ log, period, firstSeq, lastSeq, state, action, object, policies }) => {
      return { log, period, firstSeq, lastSeq, state, action, object, policies };
    });
  return { hash: hash('sha256', canonicalJson(toJson(done)), 'hex'), months: planned };
}

/** Whether it goes by way of an archive: not when its rules delete it as soon as they let it go. */
export function goesArchived(month: Pick<Month, 'objectKey'>, fate: PeriodFate | undefined): boolean {
  if (month.objectKey !== null) return true;
  return !(fate?.archiveAt && fate.deleteAt && fate.archiveAt >= fate.deleteAt);
}

interface Move {
  action: ArchiveAction;
  reason?: string;
  dueAt: Date | null;
}

function moveOf(month: HeldMonth, fate: PeriodFate | undefined, { now, undoDays, deletions }: Rules): Move {
  const archived = goesArchived(month, fate);
  const step = nextSteps[archived ? 'archived' : 'removed'][month.state];
  if (!step || month.class === META) return { action: 'none', dueAt: null };
  // Decided already, and perhaps done.
  if (month.state === 'purging')
    return month.nextTry && month.nextTry > now ? { action: 'none', dueAt: month.nextTry } : { action: 'purge', dueAt: now };
  const dueAt =
    step.by === 'drop'
      ? new Date((month.detachedAt?.getTime() ?? now.getTime()) + undoDays * DAY_MS)
      : step.by === 'purge'
        ? (fate?.deleteAt ?? null)
        : (fate?.archiveAt ?? null);
  if (!dueAt || dueAt > now) return { action: 'none', dueAt };
  if (month.held || (fate?.holds.length ?? 0) > 0) return { action: 'none', reason: 'a legal hold keeps it', dueAt };
  if ((step.by === 'purge' || step.by === 'remove') && !deletions)
    return { action: 'none', reason: 'audit.archive.deletions does not allow removing it for good', dueAt };
  if (month.nextTry && month.nextTry > now) return { action: 'none', dueAt: month.nextTry };
  return { action: step.by, dueAt };
}
