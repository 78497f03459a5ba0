import fc from 'fast-check';
import { judge, type Limits, lockSeconds, nameDelaySeconds, SLACK, type Tries } from './throttle-rules.js';

const limits: Limits = {
  lockFailures: 5,
  lockSeconds: 1800,
  lockSecondsMost: 86_400,
  nameFailures: 20,
  nameDelaySecondsMost: 60,
  networkFailures: 100,
};
const quiet: Tries = {
  failures: 0,
  underWay: 0,
  lockedSeconds: 0,
  known: false,
  nameFailures: 0,
  nameQuietSeconds: 3600,
  networkFailures: 0,
  networkFreeInSeconds: 0,
};
const seconds = fc.double({ min: 0, max: 100_000, noNaN: true });
const anyTries: fc.Arbitrary<Tries> = fc.record({
  failures: fc.nat(20),
  underWay: fc.nat(20),
  lockedSeconds: fc.oneof(fc.constant(0), seconds),
  known: fc.boolean(),
  nameFailures: fc.nat(100),
  nameQuietSeconds: seconds,
  networkFailures: fc.nat(300),
  networkFreeInSeconds: seconds,
});

describe('the rules of throttling', () => {
  it.each<[string, Partial<Tries>, ReturnType<typeof judge>]>([
    ['a first attempt', {}, { outcome: 'admitted' }],
    ['a locked pair', { lockedSeconds: 1799.2, known: true }, { outcome: 'locked', retryAfterSeconds: 1800 }],
    ['too many at once', { failures: 4, underWay: 1 + SLACK }, { outcome: 'delayed', retryAfterSeconds: 1 }],
    ['a name that fails everywhere', { nameFailures: 22, nameQuietSeconds: 1 }, { outcome: 'delayed', retryAfterSeconds: 3 }],
    ['the same where it is known', { nameFailures: 22, nameQuietSeconds: 1, known: true }, { outcome: 'admitted' }],
    ['a network that tries names', { networkFailures: 100, networkFreeInSeconds: 300 }, { outcome: 'delayed', retryAfterSeconds: 300 }],
    ['the same, of a name known there', { networkFailures: 100, networkFreeInSeconds: 300, known: true }, { outcome: 'admitted' }],
  ])('U8, ASVS 6.1.1: %s', (_what, tries, verdict) => {
    expect(judge({ ...quiet, ...tries }, limits)).toEqual(verdict);
  });

  it('U8: a name that is known in a network is kept from signing in there by attempts from there alone', () => {
    fc.assert(
      fc.property(anyTries, (tries) => {
        const here = judge({ ...tries, known: true }, limits);
        const nobodyElse = judge(
          { ...quiet, failures: tries.failures, underWay: tries.underWay, lockedSeconds: tries.lockedSeconds },
          limits,
        );
        expect(here).toEqual(nobodyElse);
      }),
    );
  });

  it('U8: more failures never let through what fewer kept out, and every refusal says when to come again', () => {
    fc.assert(
      fc.property(anyTries, fc.nat(5), fc.nat(5), (tries, failures, underWay) => {
        const before = judge(tries, limits);
        const worse = { ...tries, failures: tries.failures + failures, underWay: tries.underWay + underWay };
        const kept = before.outcome === 'admitted' || judge(worse, limits).outcome === before.outcome;
        expect(kept).toBe(true);
        for (const verdict of [before, judge(worse, limits)])
          expect(verdict.outcome === 'admitted' || verdict.retryAfterSeconds >= 1).toBe(true);
      }),
    );
  });

  it('U8: the delay of a name goes from one second to sixty, a lock from half an hour to a day', () => {
    expect([19, 20, 21, 22, 25, 26, 500].map((failures) => nameDelaySeconds(failures, limits))).toEqual([0, 1, 2, 4, 32, 60, 60]);
    expect([0, 1, 2, 5, 6, 500].map((locks) => lockSeconds(locks, limits))).toEqual([1800, 3600, 7200, 57_600, 86_400, 86_400]);
  });
});
