import { type auditClasses, type AuditSeverity } from '../trail/audit-event.js';

/** The logs a policy can be about: `meta` says what became of the others and is kept for good. */
export const retainedLogs = ['access', 'reads', 'ipam', 'governance', 'critical'] as const satisfies readonly (keyof typeof auditClasses)[];
export type RetainedLog = (typeof retainedLogs)[number];

/** What a policy answers to; other than `none` it matches the events with that flag alone. */
export const regimes = ['none', 'gdpr', 'sox', 'hipaa', 'pci'] as const;
export type Regime = (typeof regimes)[number];

/** How long which events are kept, in days from the end of the month they were filed in. */
export interface RetentionTerms {
  name: string;
  logs: RetainedLog[];
  /** Empty: all. */
  resourceTypes: string[];
  /** Empty: all. */
  severities: AuditSeverity[];
  regime: Regime;
  reason: string;
  /** Null: they leave the database when they are deleted, without an archive. */
  archiveAfterDays: number | null;
  /** Null: never. */
  deleteAfterDays: number | null;
  enabled: boolean;
}

/** A policy as it is stored. */
export interface RetentionPolicy extends RetentionTerms {
  id: string;
  version: number;
  createdAt: Date;
  createdBy: string;
  updatedAt: Date;
}

/** Part of what a closed month holds: the events of one resource type, severity and set of flags. */
export interface PeriodContent {
  /** Empty for events about nothing in particular. */
  resourceType: string;
  severity: AuditSeverity;
  flags: string[];
  rows: number;
  bytes: number;
}

/** What a policy has to do with a month. */
interface Matched<T> {
  rule: T;
  rows: number;
  bytes: number;
}

/** When a month may go, in days from its end; null: never. */
export interface Verdict<T> {
  archiveAfterDays: number | null;
  deleteAfterDays: number | null;
  matched: Matched<T>[];
  /** Events that no policy matches: while there is one, the month stays. */
  unmatchedRows: number;
}

const NEVER = Infinity;

/**
 * The longest rule wins: a month goes as a whole, when the last of the policies that match any of its events lets it go. A month that holds an
 * event which no policy matches stays, and so does one whose contents nobody has counted.
 */
export function longestOf<T extends RetentionTerms>(log: string, contents: readonly PeriodContent[], rules: readonly T[]): Verdict<T> {
  const candidates = rules.filter((rule) => rule.enabled && rule.logs.some((one) => one === log));
  const matched = candidates
    .map((rule) => ({ rule, ...totalsOf(contents.filter((content) => matches(rule, content))) }))
    .filter(({ rows }) => rows > 0);
  const unmatchedRows = totalsOf(contents.filter((content) => !candidates.some((rule) => matches(rule, content)))).rows;
  if (contents.length === 0 || unmatchedRows > 0) return { archiveAfterDays: null, deleteAfterDays: null, matched, unmatchedRows };
  const deleteAfter = Math.max(...matched.map(({ rule }) => rule.deleteAfterDays ?? NEVER));
  const leaveAfter = Math.max(...matched.map(({ rule }) => rule.archiveAfterDays ?? rule.deleteAfterDays ?? NEVER));
  return { archiveAfterDays: daysOf(leaveAfter), deleteAfterDays: daysOf(deleteAfter), matched, unmatchedRows };
}

function matches(rule: RetentionTerms, { resourceType, severity, flags }: PeriodContent): boolean {
  return (
    (rule.resourceTypes.length === 0 || rule.resourceTypes.includes(resourceType)) &&
    (rule.severities.length === 0 || rule.severities.includes(severity)) &&
    (rule.regime === 'none' || flags.includes(rule.regime))
  );
}

function totalsOf(contents: readonly PeriodContent[]): { rows: number; bytes: number } {
  return { rows: contents.reduce((sum, { rows }) => sum + rows, 0), bytes: contents.reduce((sum, { bytes }) => sum + bytes, 0) };
}

function daysOf(days: number): number | null {
  return days === NEVER ? null : days;
}
