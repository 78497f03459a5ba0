import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { Clock } from '../../kernel/clock.js';
import { judge, type JudgedMonth, type PeriodFate } from './period-fates.js';
import { type RetentionMonthView, type RetentionPreviewView, type PreviewRetention } from './retention.dto.js';
import { termsOf } from './retention-policies.service.js';
import { type RetentionTerms } from './retention-rule.js';
import { RetentionRepository } from './retention.repository.js';

type Shift = 'sooner' | 'later';

/** What the policies would do to what there is; changes nothing. */
@Injectable()
export class RetentionPreview {
  constructor(
    private readonly retention: RetentionRepository,
    private readonly clock: Clock,
  ) {}

  /**
   * By the policies in force, with one more, one otherwise, or one less. Throws `retention_policy_not_found`, and what creating the policy
   * would: what cannot be is not worth a look.
   */
  async of({ policy, replaces }: PreviewRetention): Promise<RetentionPreviewView> {
    const inForce = await this.retention.policies();
    if (replaces !== undefined && !inForce.some(({ id }) => id === replaces)) throw AppError.notFound('retention_policy', replaces);
    if (policy) await this.refuse(termsOf(policy), replaces);
    const wanted: RetentionTerms[] = [...inForce.filter(({ id }) => id !== replaces), ...(policy ? [termsOf(policy)] : [])];
    const now = this.clock.now();
    const months = (await this.retention.months()).map((month) =>
      monthView(judge(month, wanted), judge<RetentionTerms>(month, inForce).fate, now),
    );
    return { at: now.toISOString(), months, policies: byPolicy(months), totals: totalsOf(months), notes: notesOn(months) };
  }

  private async refuse(policy: RetentionTerms, replaces: string | undefined): Promise<void> {
    try {
      await this.retention.tryOut(policy, replaces);
    } catch (error) {
      throw error instanceof AppError && error.errors ? error.within('/policy') : error;
    }
  }
}

function monthView({ fate, verdict }: JudgedMonth<RetentionTerms>, was: PeriodFate, now: Date): RetentionMonthView {
  const { log, period, rows, bytes, holds, archiveAt, deleteAt } = fate;
  const shift = shiftOf(was.deleteAt, deleteAt) ?? shiftOf(was.archiveAt, archiveAt);
  const earliest = [archiveAt, deleteAt].filter((at) => at !== null).sort((a, b) => a.getTime() - b.getTime())[0];
  return {
    log,
    period,
    rows,
    bytes,
    archiveAt: archiveAt?.toISOString() ?? null,
    deleteAt: deleteAt?.toISOString() ?? null,
    earliestAt: earliest?.toISOString() ?? null,
    due: deleteAt && deleteAt <= now ? 'delete' : archiveAt && archiveAt <= now ? 'archive' : null,
    policies: verdict.matched.map(({ rule, ...counts }) => ({ name: rule.name, ...counts })),
    unmatchedRows: verdict.unmatchedRows,
    holds,
    shift: shift ?? null,
    wasArchiveAt: was.archiveAt?.toISOString() ?? null,
    wasDeleteAt: was.deleteAt?.toISOString() ?? null,
  };
}

/** Never is later than any instant. */
function shiftOf(from: Date | null, to: Date | null): Shift | undefined {
  const [a, b] = [from?.getTime() ?? Infinity, to?.getTime() ?? Infinity];
  return a === b ? undefined : b < a ? 'sooner' : 'later';
}

function byPolicy(months: readonly RetentionMonthView[]): RetentionPreviewView['policies'] {
  const found = new Map<string, RetentionPreviewView['policies'][number]>();
  for (const { policies, earliestAt } of months)
    for (const { name, rows, bytes } of policies) {
      const sum = found.get(name) ?? { name, months: 0, rows: 0, bytes: 0, earliestAt: null };
      const earliest = [sum.earliestAt, earliestAt].filter((at) => at !== null).sort()[0] ?? null;
      found.set(name, { name, months: sum.months + 1, rows: sum.rows + rows, bytes: sum.bytes + bytes, earliestAt: earliest });
    }
  return [...found.values()];
}

function totalsOf(months: readonly RetentionMonthView[]): RetentionPreviewView['totals'] {
  const rowsOf = (which: (month: RetentionMonthView) => boolean): number => months.filter(which).reduce((sum, { rows }) => sum + rows, 0);
  return {
    months: months.length,
    rows: rowsOf(() => true),
    bytes: months.reduce((sum, { bytes }) => sum + bytes, 0),
    rowsHeld: rowsOf(({ holds }) => holds.length > 0),
    rowsDue: rowsOf(({ due, holds }) => due !== null && holds.length === 0),
    monthsSooner: months.filter(({ shift }) => shift === 'sooner').length,
    monthsLater: months.filter(({ shift }) => shift === 'later').length,
  };
}

function notesOn(months: readonly RetentionMonthView[]): string[] {
  const sooner = months.filter(({ shift }) => shift === 'sooner');
  const atOnce = sooner.filter(({ due, holds }) => due !== null && holds.length === 0);
  const unmatched = months.filter(({ unmatchedRows }) => unmatchedRows > 0);
  return [
    ...(sooner.length > 0
      ? [
          `A shorter time holds for what is there already as well: ${sooner.length} months would go sooner than now, ${atOnce.length} of them as soon as retention runs.`,
        ]
      : []),
    ...(unmatched.length > 0 ? [`${unmatched.length} months hold events that no policy matches; they would stay for good.`] : []),
  ];
}
