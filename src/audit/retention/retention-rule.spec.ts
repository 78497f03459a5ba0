import fc from 'fast-check';
import { auditSeverities } from '../trail/audit-event.js';
import { longestOf, type PeriodContent, regimes, retainedLogs, type RetentionTerms } from './retention-rule.js';

const types = ['', 'pool', 'user', 'session'];
const days = fc.option(fc.integer({ min: 1, max: 36_500 }), { nil: null });

const aRule: fc.Arbitrary<RetentionTerms> = fc
  .record({
    name: fc.string(),
    logs: fc.subarray([...retainedLogs], { minLength: 1 }),
    resourceTypes: fc.subarray(types),
    severities: fc.subarray([...auditSeverities]),
    regime: fc.constantFrom(...regimes),
    reason: fc.constant(''),
    archiveAfterDays: days,
    deleteAfterDays: days,
    enabled: fc.boolean(),
  })
  .filter(({ archiveAfterDays: a, deleteAfterDays: d }) => a === null || d === null || a <= d);

const aContent: fc.Arbitrary<PeriodContent> = fc.record({
  resourceType: fc.constantFrom(...types),
  severity: fc.constantFrom(...auditSeverities),
  flags: fc.subarray(['gdpr', 'sox', 'hipaa', 'pci']),
  rows: fc.integer({ min: 1, max: 1000 }),
  bytes: fc.integer({ min: 1, max: 100_000 }),
});

const rules = fc.array(aRule, { maxLength: 12 });
const contents = fc.array(aContent, { minLength: 1, maxLength: 8 });
const withShuffled = <T>(lists: fc.Arbitrary<T[]>): fc.Arbitrary<[T[], T[]]> =>
  lists.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })));
const later = (a: number | null, b: number | null): boolean => a === null || (b !== null && a >= b);

/** Said another way: of each event alone. */
function fateOfOne(event: PeriodContent, all: readonly RetentionTerms[]): { leave: number; gone: number } {
  const mine = all.filter(
    (rule) =>
      rule.enabled &&
      rule.logs.includes('ipam') &&
      (rule.resourceTypes.length === 0 || rule.resourceTypes.includes(event.resourceType)) &&
      (rule.severities.length === 0 || rule.severities.includes(event.severity)) &&
      (rule.regime === 'none' || event.flags.includes(rule.regime)),
  );
  if (mine.length === 0) return { leave: Infinity, gone: Infinity };
  return {
    leave: Math.max(...mine.map((rule) => rule.archiveAfterDays ?? rule.deleteAfterDays ?? Infinity)),
    gone: Math.max(...mine.map((rule) => rule.deleteAfterDays ?? Infinity)),
  };
}

describe('the longest rule', () => {
  it('T1: wins: a month goes when the last of its events may, by the last of the policies that match that', () => {
    fc.assert(
      fc.property(rules, contents, (all, month) => {
        const { archiveAfterDays, deleteAfterDays } = longestOf('ipam', month, all);
        const fates = month.map((event) => fateOfOne(event, all));
        expect([archiveAfterDays ?? Infinity, deleteAfterDays ?? Infinity]).toEqual([
          Math.max(...fates.map(({ leave }) => leave)),
          Math.max(...fates.map(({ gone }) => gone)),
        ]);
      }),
      { numRuns: 500 },
    );
  });

  it('T1: is the same whatever the order of policies and events', () => {
    fc.assert(
      fc.property(withShuffled(rules), withShuffled(contents), ([all, otherRules], [month, otherMonth]) => {
        const { archiveAfterDays, deleteAfterDays, unmatchedRows } = longestOf('ipam', month, all);
        expect(longestOf('ipam', otherMonth, otherRules)).toMatchObject({ archiveAfterDays, deleteAfterDays, unmatchedRows });
      }),
    );
  });

  it('T1: is never made shorter by one more policy, once every event is matched', () => {
    fc.assert(
      fc.property(rules, aRule, contents, (all, more, month) => {
        const before = longestOf('ipam', month, all);
        const after = longestOf('ipam', month, [...all, more]);
        fc.pre(before.unmatchedRows === 0);
        expect([later(after.archiveAfterDays, before.archiveAfterDays), later(after.deleteAfterDays, before.deleteAfterDays)]).toEqual([
          true,
          true,
        ]);
      }),
    );
  });

  it('T1: keeps a month that holds an event which no policy matches, and one whose contents are not counted', () => {
    const rule: RetentionTerms = {
      name: 'Pools',
      logs: ['ipam'],
      resourceTypes: ['pool'],
      severities: [],
      regime: 'none',
      reason: '',
      archiveAfterDays: 10,
      deleteAfterDays: 20,
      enabled: true,
    };
    const pool: PeriodContent = { resourceType: 'pool', severity: 'info', flags: [], rows: 1000, bytes: 1 };
    const never = { archiveAfterDays: null, deleteAfterDays: null };
    expect(longestOf('ipam', [pool], [rule])).toMatchObject({ archiveAfterDays: 10, deleteAfterDays: 20, matched: [{ rows: 1000 }] });
    expect(longestOf('ipam', [pool, { ...pool, resourceType: 'vrf', rows: 1 }], [rule])).toMatchObject({ ...never, unmatchedRows: 1 });
    expect(longestOf('ipam', [], [rule])).toMatchObject(never);
    expect(longestOf('access', [pool], [rule])).toMatchObject(never);
    expect(longestOf('ipam', [pool], [{ ...rule, enabled: false }])).toMatchObject(never);
  });
});
