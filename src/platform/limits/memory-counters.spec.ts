import fc from 'fast-check';
import { clientOf } from './client-of.js';
import { MemoryCounters } from './memory-counters.js';

const WINDOW = 60_000;

describe('counters in memory', () => {
  it('C4: within a window nothing is lost or counted twice, and the next one starts anew', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ key: fc.constantFrom('a', 'b'), cost: fc.integer({ min: 1, max: 20 }), wait: fc.nat(40_000) })),
        (calls) => {
          const counters = new MemoryCounters(WINDOW);
          const expected = new Map<string, { began: number; consumed: number }>();
          let now = 1000;
          for (const { key, cost, wait } of calls) {
            now += wait;
            const known = expected.get(key);
            const current = known && now < known.began + WINDOW ? known : { began: now, consumed: 0 };
            current.consumed += cost;
            expected.set(key, current);
            expect(counters.take(key, cost, now)).toEqual({ consumed: current.consumed, msLeft: current.began + WINDOW - now });
          }
        },
      ),
    );
  });

  it('C4: memory is bounded, whoever calls from wherever', () => {
    const counters = new MemoryCounters(WINDOW, 100);
    for (let i = 0; i < 1000; i++) counters.take(`caller ${i}`, 1, i);
    expect(counters.size).toBe(100);
    expect(counters.take('caller 999', 1, 1000).consumed).toBe(2);
    counters.take('later', 1, 10 * WINDOW);
    expect(counters.size).toBe(1);
  });
});

describe('whose budget an address has', () => {
  it('C4: every address of an IPv6 /64 has the same, and no other has', () => {
    const group = fc.integer({ min: 0, max: 0xffff }).map((n) => n.toString(16));
    const groups = fc.array(group, { minLength: 4, maxLength: 4 }).map((four) => four.join(':'));
    fc.assert(
      fc.property(groups, groups, groups, groups, (subscriber, other, host, another) => {
        expect(clientOf(`${subscriber}:${host}`)).toBe(clientOf(`${subscriber}:${another}`));
        expect(clientOf(`${subscriber}:${host}`) === clientOf(`${other}:${host}`)).toBe(subscriber === other);
      }),
    );
  });

  it('C4: an IPv4 address has its own, however it is written', () => {
    expect(clientOf('192.0.2.1')).toBe('192.0.2.1');
    expect(clientOf('::ffff:192.0.2.1')).not.toBe(clientOf('::ffff:192.0.2.2'));
    expect(clientOf(undefined)).toBe('unknown');
  });
});
