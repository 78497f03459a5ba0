/** What was tried of late, in one name and from one network. */
export interface Tries {
  /** Failures of the name from this network since its last success. */
  failures: number;
  /** Attempts of the name from this network whose outcome is not known yet. */
  underWay: number;
  /** How long the pair is locked still; 0 when it is not. */
  lockedSeconds: number;
  /** Whether the name signed in from this network not long ago. */
  known: boolean;
  /** Failures and attempts under way of the name from all networks, within the hour. */
  nameFailures: number;
  /** Since the latest of those. */
  nameQuietSeconds: number;
  /** Failures from this network under all names, within 15 minutes. */
  networkFailures: number;
  /** Until the oldest of those is forgotten. */
  networkFreeInSeconds: number;
}

export interface Limits {
  lockFailures: number;
  lockSeconds: number;
  lockSecondsMost: number;
  nameFailures: number;
  nameDelaySecondsMost: number;
  networkFailures: number;
}

export type Verdict = { outcome: 'admitted' } | { outcome: 'locked' | 'delayed'; retryAfterSeconds: number };

/** Attempts of one pair at the same time, beyond its limit, that may still be right: several tabs of one person. */
export const SLACK = 5;

/**
 * Whether one more attempt may be made. A lock holds for one name from one network, so that nobody locks out somebody elsewhere; what holds
 * for a name everywhere, or for a network whoever calls, is a delay, and does not hold where the name is known.
 */
export function judge(tries: Tries, limits: Limits): Verdict {
  if (tries.lockedSeconds > 0) return refusal('locked', tries.lockedSeconds);
  if (tries.failures + tries.underWay >= limits.lockFailures + SLACK) return refusal('delayed', 1);
  if (tries.known) return { outcome: 'admitted' };
  const wait = nameDelaySeconds(tries.nameFailures, limits) - tries.nameQuietSeconds;
  if (wait > 0) return refusal('delayed', wait);
  if (tries.networkFailures >= limits.networkFailures) return refusal('delayed', tries.networkFreeInSeconds);
  return { outcome: 'admitted' };
}

/** From the first failure beyond the limit on: one second, then twice as long each time. */
export function nameDelaySeconds(failures: number, { nameFailures, nameDelaySecondsMost }: Limits): number {
  return failures < nameFailures ? 0 : Math.min(nameDelaySecondsMost, 2 ** (failures - nameFailures));
}

/** How long the next lock lasts after so many earlier ones. */
export function lockSeconds(locks: number, limits: Limits): number {
  return Math.min(Math.max(limits.lockSeconds, limits.lockSecondsMost), limits.lockSeconds * 2 ** locks);
}

function refusal(outcome: 'locked' | 'delayed', seconds: number): Verdict {
  return { outcome, retryAfterSeconds: Math.max(1, Math.ceil(seconds)) };
}
