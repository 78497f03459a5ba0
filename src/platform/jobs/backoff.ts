const FIRST_MS = 1000;
const LONGEST_MS = 3_600_000;

/** The pause before the next attempt: doubling from a second to an hour, between half and all of it, so that jobs that failed together part. */
export function backoffMs(failedAttempts: number, random: () => number = Math.random): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** (failedAttempts - 1));
  return Math.round(ceiling * (0.5 + random() / 2));
}
