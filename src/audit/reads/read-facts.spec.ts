import { createHash } from 'node:crypto';
import { filtersOf, shownIn } from './read-facts.js';

describe('what the trail keeps of a read', () => {
  it('A6: the filter, sorted, without defaults, cursors and empty values', () => {
    expect(filtersOf({ state: 'active', limit: '50', offset: '0', after: 'cursor', q: 'web', empty: '' })).toEqual({
      q: 'web',
      state: 'active',
    });
    expect(Object.keys(filtersOf({ z: '1', a: '2' }))).toEqual(['a', 'z']);
    expect(filtersOf({ limit: '10', offset: '50' })).toEqual({ limit: '10', offset: '50' });
    expect(filtersOf({ q: 'x'.repeat(1000) })).toEqual({ q: 'x'.repeat(200) });
  });

  it('A6: how many, the first, the last and a digest of the ids in order, and nothing of what they are', () => {
    const digest = `sha256:${createHash('sha256').update('a\nb\n').digest('hex')}`;
    const items = [
      { id: 'a', secret: 1 },
      { id: 'b', secret: 2 },
    ];
    expect(shownIn({ items, total: 2 })).toEqual({ count: 2, first: 'a', last: 'b', digest });
    expect(shownIn(items)).toEqual(shownIn({ items }));
    expect(shownIn([...items].reverse()).digest).not.toBe(digest);
    expect(shownIn({ items: [{ key: 'k' }] })).toMatchObject({ count: 1, first: 'k', last: 'k' });
  });

  it.each([[{ items: [] }], [{ items: [{ day: '2026-11-01' }] }], [null], ['text'], [{ used: 3 }]])('A6: no ids in %j', (answer) => {
    expect(Object.keys(shownIn(answer))).toEqual(['count']);
  });
});
