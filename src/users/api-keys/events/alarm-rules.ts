import { type AuditSeverity } from '../../../audit/trail/audit-event.js';
import { type KeySettings } from '../key-settings.js';

const HOUR_MS = 3_600_000;
const TEN_MINUTES_MS = 600_000;
const DAY_MS = 24 * HOUR_MS;

/** What is noticed, how grave it is, and for how long it is noticed once only. */
export const alarmRules = {
  volume: { severity: 'high', windowMs: HOUR_MS },
  spike: { severity: 'medium', windowMs: HOUR_MS },
  dormant_use: { severity: 'medium', windowMs: DAY_MS },
  revoked_use: { severity: 'high', windowMs: HOUR_MS },
  expired_use: { severity: 'low', windowMs: HOUR_MS },
  address_denied: { severity: 'high', windowMs: HOUR_MS },
  permission_burst: { severity: 'medium', windowMs: TEN_MINUTES_MS },
  failure_burst: { severity: 'medium', windowMs: TEN_MINUTES_MS },
  checksum_flood: { severity: 'medium', windowMs: TEN_MINUTES_MS },
  new_network: { severity: 'low', windowMs: DAY_MS },
  expiring: { severity: 'low', windowMs: DAY_MS },
} as const satisfies Record<string, { severity: AuditSeverity; windowMs: number }>;

export type AlarmRule = keyof typeof alarmRules;
export const alarmRuleNames = Object.keys(alarmRules) as AlarmRule[];

export interface Alarm {
  rule: AlarmRule;
  /** Null when it is about no key there is. */
  keyId: string | null;
  /** The window it belongs to; by default the one that `at` falls into. */
  window?: Date;
  at: Date;
  detail: Record<string, unknown>;
  severity?: AuditSeverity;
}

export function windowOf({ rule, at, window }: Alarm): Date {
  const { windowMs } = alarmRules[rule];
  return window ?? new Date(Math.floor(at.getTime() / windowMs) * windowMs);
}

/** What a key did in the four weeks before this hour, by the hours in which it did anything. */
export interface Baseline {
  hours: number;
  mean: number;
  deviation: number;
}

/** Whether an hour's uses are more than the constant, and more than the key's own mean and its deviations allow. */
export function isVolume(uses: number, { mean, deviation }: Baseline, settings: KeySettings): boolean {
  return uses > Math.max(settings.volumePerHour, mean + settings.volumeSigmas * deviation);
}

/** Whether an hour's uses are many times the key's own mean; only of a key that was used long enough to have one. */
export function isSpike(uses: number, { hours, mean }: Baseline, settings: KeySettings): boolean {
  return hours >= settings.spikeBaselineHours && uses >= settings.spikeFloor && uses > mean * settings.spikeFactor;
}
