import fc from 'fast-check';
import { backoffMs } from './backoff.js';

describe('backoffMs', () => {
  it('O7: doubles with each failure, from one second up to one hour', () => {
    const longest = (): number => 1;
    expect([1, 2, 3, 4, 5].map((failed) => backoffMs(failed, longest))).toEqual([1000, 2000, 4000, 8000, 16_000]);
    expect(backoffMs(100, longest)).toBe(3_600_000);
  });

  it('O7: spreads jobs that failed together over the second half of the pause', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.double({ min: 0, max: 1, noNaN: true }), (failed, random) => {
        const whole = backoffMs(failed, () => 1);
        const pause = backoffMs(failed, () => random);
        expect(pause).toBeGreaterThanOrEqual(whole / 2);
        expect(pause).toBeLessThanOrEqual(whole);
      }),
    );
  });
});
