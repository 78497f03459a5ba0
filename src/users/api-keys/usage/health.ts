/** What the health of a key is made of; all of it is in the answer, so that anyone can do the sum. */
export interface HealthInputs {
  /** Days since its secret was given out. */
  ageDays: number;
  daysToExpiry: number;
  /** Days since it was last used, or since it was made when it never was. */
  idleDays: number;
  /** Of the answers of the last 30 days, the part below 400; null when there were none. */
  successRate: number | null;
  /** Events that nobody resolved yet. */
  openHigh: number;
  openMedium: number;
  /** Good from some addresses only. */
  confined: boolean;
}

export interface Penalties {
  age: number;
  expiry: number;
  idle: number;
  errors: number;
  events: number;
  reach: number;
}

/**
 * 100 less what speaks against a key: 25 × age / 180 days at most 25; 20 when it ends within 14 days; 10 when it lay idle for more than 7;
 * 25 × the part of refused or failed answers; 15 for each grave open event and 5 for each medium one, at most 30; 5 when it is good from
 * anywhere. Never below 0; each part is rounded to one digit, the sum to a whole number.
 */
export function healthOf(inputs: HealthInputs): { score: number; penalties: Penalties } {
  const penalties: Penalties = {
    age: tenths(25 * Math.min(1, Math.max(0, inputs.ageDays) / 180)),
    expiry: inputs.daysToExpiry <= 14 ? 20 : 0,
    idle: inputs.idleDays > 7 ? 10 : 0,
    errors: tenths(25 * (1 - (inputs.successRate ?? 1))),
    events: Math.min(30, 15 * inputs.openHigh + 5 * inputs.openMedium),
    reach: inputs.confined ? 0 : 5,
  };
  const sum = Object.values(penalties).reduce<number>((total, penalty: number) => total + penalty, 0);
  return { score: Math.max(0, Math.round(100 - sum)), penalties };
}

function tenths(x: number): number {
  return Math.round(x * 10) / 10;
}
