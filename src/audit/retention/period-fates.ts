import { Injectable } from '@nestjs/common';
import { longestOf, type RetentionTerms, type Verdict } from './retention-rule.js';
import { type CountedMonth, RetentionRepository } from './retention.repository.js';

/** What becomes of one month of one log, and when. */
export interface PeriodFate {
  class: number;
  log: string;
  /** Its first day, as in 2026-11-01. */
  period: string;
  rows: number;
  /** Of the payloads. */
  bytes: number;
  /** When it may be taken out of the database into an archive; null: never. The same instant as deleteAt when no policy asks for an archive. */
  archiveAt: Date | null;
  /** When its archive may be removed for good; null: never. */
  deleteAt: Date | null;
  /** The policies that decide it. */
  policies: string[];
  /** The legal holds that stop all of it. */
  holds: string[];
}

/** A fate, and what each policy has to do with it. */
export interface JudgedMonth<T extends RetentionTerms> {
  fate: PeriodFate;
  verdict: Verdict<T>;
}

const DAY_MS = 86_400_000;

/** When each month that is closed goes: the longest of the rules that touch it. */
@Injectable()
export class PeriodFates {
  constructor(private readonly retention: RetentionRepository) {}

  /** Of every closed month, by log and month. Counts first what closed months hold, if nobody has. */
  async all(): Promise<PeriodFate[]> {
    const policies = await this.retention.policies();
    return (await this.retention.months()).map((month) => judge(month, policies).fate);
  }
}

/** What becomes of a month by policies that need not be in force. */
export function judge<T extends RetentionTerms>({ contents, endsAt, ...month }: CountedMonth, rules: readonly T[]): JudgedMonth<T> {
  const verdict = longestOf(month.log, contents, rules);
  const { archiveAfterDays, deleteAfterDays, matched } = verdict;
  return {
    fate: {
      ...month,
      archiveAt: daysAfter(endsAt, archiveAfterDays),
      deleteAt: daysAfter(endsAt, deleteAfterDays),
      policies: matched.map(({ rule }) => rule.name),
    },
    verdict,
  };
}

/** Days of UTC have no summer time. */
function daysAfter(from: Date, days: number | null): Date | null {
  return days === null ? null : new Date(from.getTime() + days * DAY_MS);
}
