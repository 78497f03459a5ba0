import { BloomFilter } from './bloom-filter.js';

describe('the filter of an archive', () => {
  it('T5: has every value it was given, also folded, and few others', () => {
    const filter = new BloomFilter(20_000);
    const given = Array.from({ length: 1000 }, (_, i) => `value ${i}`);
    for (const value of given) filter.add(Buffer.from(value));
    const text = filter.toString();
    const read = BloomFilter.of(text);
    expect(Buffer.from(text, 'base64').length).toBeLessThan(4096);
    expect(given.filter((value) => !filter.mayHave(value) || !read.mayHave(value))).toEqual([]);
    const others = Array.from({ length: 1000 }, (_, i) => `other ${i}`).filter((value) => read.mayHave(value));
    expect(others.length).toBeLessThan(50);
  });

  it('T5: has the bits that docs/audit-format.md says, by a program in another language', () => {
    const filter = new BloomFilter(0);
    for (const value of ['user-3', 'Zoë 😀', '0198f0a2-6b1c-7c3d-8e4f-0123456789ab', '']) filter.add(Buffer.from(value));
    expect(filter.toString()).toBe(
      'gAkAAAAAAIAIAAAAAAACBAAAAAAAAAAAAAAAAAAAAAAQAAAAAAAACAAAAAAAAQAAAAAAAAAAAAAgAAQAAAAAEAAAAAAAAAAQAAAAAAAAAABAAAAAAAAAIAAAAAAAAAAAAAAAAAAACACAAAAAAAAAQAQAACIAEACCAAAEACAAAAE=',
    );
  });
});
