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
});
