import fc from 'fast-check';
import { keyKinds, newKey, parseKey, prefixOf } from './key-format.js';

describe('the text of a key', () => {
  it.each(keyKinds)('K1: a key of the kind %s is read as it was made', (kind) => {
    const { text, handle, secret } = newKey(kind);
    expect(text).toMatch(/^cdst_[oatp]_[0-9A-Za-z]{12}_[0-9A-Za-z]{46}$/);
    expect(text.startsWith(`${prefixOf(kind, handle)}_${secret}`)).toBe(true);
    expect(parseKey(text)).toEqual({ kind, handle, secret });
  });

  it('K1: any single character that is another one is noticed', () => {
    fc.assert(
      fc.property(fc.constantFrom(...keyKinds), fc.nat(), fc.constantFrom('0', 'a', 'Z', '_', '~', 'x'), (kind, at, other) => {
        const { text } = newKey(kind);
        const i = at % text.length;
        fc.pre(text[i] !== other);
        return parseKey(text.slice(0, i) + other + text.slice(i + 1)) === undefined;
      }),
    );
  });

  it('K1: no other text is a key', () => {
    fc.assert(fc.property(fc.string(), (text) => parseKey(text) === undefined && parseKey(`cdst_o_${text}`) === undefined));
  });
});
