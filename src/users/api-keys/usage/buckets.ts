import { isIP } from 'node:net';

/** Upper bounds in milliseconds of the classes answers are counted in; what is slower is in one more. */
export const LATENCY_BOUNDS_MS = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000] as const;

export function bucketOf(ms: number): number {
  const found = LATENCY_BOUNDS_MS.findIndex((bound) => ms <= bound);
  return found === -1 ? LATENCY_BOUNDS_MS.length : found;
}

/**
 * The bound of the first class with which at least that part of all answers is counted; the slowest answer for the class without a bound.
 * Null when there are none.
 */
export function quantileOf(part: number, buckets: readonly number[], slowestMs: number): number | null {
  const total = buckets.reduce((sum, n) => sum + n, 0);
  if (total === 0) return null;
  let counted = 0;
  const index = buckets.findIndex((n) => (counted += n) >= part * total);
  return LATENCY_BOUNDS_MS[index] ?? slowestMs;
}

/** The network an address is counted under: precise enough to notice a new one, too coarse to follow a person. */
export function prefixOf(address: string): string {
  if (isIP(address) === 0) return '::/128';
  if (!address.includes(':')) return `${address.split('.').slice(0, 3).join('.')}.0/24`;
  const [head = ''] = address.split('::');
  const groups = [...head.split(':').filter((group) => group !== ''), '0', '0', '0'].slice(0, 3);
  return `${groups.join(':')}::/48`;
}
