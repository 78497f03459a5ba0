import fc from 'fast-check';
import { isSpike, isVolume } from '../events/alarm-rules.js';
import { type KeySettings } from '../key-settings.js';
import { bucketOf, LATENCY_BOUNDS_MS, prefixOf, quantileOf } from './buckets.js';
import { healthOf } from './health.js';

describe('figures of use', () => {
  it('K8: a quantile is the bound of the class in which the answer at that place is', () => {
    const answers = fc.array(fc.double({ min: 0, max: 20_000, noNaN: true }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(answers, fc.constantFrom(0.5, 0.95), (ms, part) => {
        const buckets = [...LATENCY_BOUNDS_MS, Infinity].map((_, i) => ms.filter((x) => bucketOf(x) === i).length);
        const sorted = [...ms].sort((a, b) => a - b);
        const slowest = sorted.at(-1) ?? 0;
        const at = sorted[Math.ceil(part * sorted.length) - 1] ?? 0;
        expect(quantileOf(part, buckets, slowest)).toBe(LATENCY_BOUNDS_MS.find((bound) => at <= bound) ?? slowest);
      }),
    );
    expect(quantileOf(0.5, [0, 0], 0)).toBeNull();
  });

  it.each([
    ['192.0.2.77', '192.0.2.0/24'],
    ['2001:db8:7:1::5', '2001:db8:7::/48'],
    ['2001:db8::5', '2001:db8:0::/48'],
    ['2001:0db8:1:2:3:4:5:6', '2001:0db8:1::/48'],
    ['::1', '0:0:0::/48'],
    ['', '::/128'],
  ])('K6: %s is counted under %s', (address, prefix) => {
    expect(prefixOf(address)).toBe(prefix);
  });

  it('K7: what is never too much is the larger of the constant and the own past', () => {
    const settings = { volumePerHour: 100, volumeSigmas: 4, spikeFactor: 5, spikeFloor: 30, spikeBaselineHours: 24 } as KeySettings;
    expect(isVolume(100, { hours: 0, mean: 0, deviation: 0 }, settings)).toBe(false);
    expect(isVolume(101, { hours: 0, mean: 0, deviation: 0 }, settings)).toBe(true);
    expect(isVolume(340, { hours: 9, mean: 300, deviation: 10 }, settings)).toBe(false);
    expect(isVolume(341, { hours: 9, mean: 300, deviation: 10 }, settings)).toBe(true);
    expect(isSpike(31, { hours: 24, mean: 6, deviation: 0 }, settings)).toBe(true);
    expect(isSpike(30, { hours: 24, mean: 6, deviation: 0 }, settings)).toBe(false);
    expect(isSpike(29, { hours: 24, mean: 1, deviation: 0 }, settings)).toBe(false);
    expect(isSpike(900, { hours: 23, mean: 1, deviation: 0 }, settings)).toBe(false);
  });

  it('K8: a key in perfect order has 100, and nothing makes it less than 0', () => {
    const best = { ageDays: 0, daysToExpiry: 90, idleDays: 0, successRate: null, openHigh: 0, openMedium: 0, confined: true };
    expect(healthOf(best).score).toBe(100);
    const worst = { ageDays: 400, daysToExpiry: -1, idleDays: 99, successRate: 0, openHigh: 9, openMedium: 9, confined: false };
    expect(healthOf(worst)).toEqual({ score: 0, penalties: { age: 25, expiry: 20, idle: 10, errors: 25, events: 30, reach: 5 } });
  });
});
