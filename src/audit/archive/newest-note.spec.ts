import { type ObjectPage } from '../../platform/storage/object-storage.js';
import { newestNote, noteKey } from './newest-note.js';

const FOLDER = 'anchors/ipam/2026-01/';

/** A store that lists as stores do, and counts how often it was asked. */
class Listed {
  asked = 0;

  constructor(private readonly keys: readonly string[]) {}

  list(prefix: string, after: string | undefined, limit: number): Promise<ObjectPage> {
    this.asked++;
    const from = this.keys.findIndex((key) => key.startsWith(prefix) && key > (after ?? ''));
    const items = from < 0 ? [] : this.keys.slice(from, from + limit).map((key) => ({ key, bytes: 1, storedAt: new Date(0) }));
    const more = from >= 0 && from + limit < this.keys.length;
    return Promise.resolve({ items, ...(more ? { next: items.at(-1)?.key ?? '' } : {}) });
  }
}

const numbered = (from: number, count: number): string[] => Array.from({ length: count }, (_, n) => noteKey(FOLDER, from + n));

describe('the newest note of a month', () => {
  it.each([
    [0, 0],
    [0, 1],
    [7, 999],
    [7, 1000],
    [7, 1001],
    [7, 2007],
    [123_456, 3000],
    [123_456, 44_640],
    [5, 200_003],
  ])('A4: is found, from %d on of %d', async (from, count) => {
    const store = new Listed(numbered(from, count));
    expect(await newestNote(store, FOLDER)).toBe(count === 0 ? undefined : noteKey(FOLDER, from + count - 1));
    expect(store.asked).toBeLessThanOrEqual(count <= 1000 ? 1 : 40);
  });

  it('A4: is found behind gaps, and where somebody put another file last', async () => {
    const gaps = [...numbered(3, 1500), ...numbered(40_000, 10), ...numbered(90_000, 2)];
    expect(await newestNote(new Listed(gaps), FOLDER)).toBe(noteKey(FOLDER, 90_001));
    const other = `${FOLDER}zzz.note`;
    expect(await newestNote(new Listed([...gaps, other]), FOLDER)).toBe(other);
  });
});
