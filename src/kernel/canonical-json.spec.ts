import fc from 'fast-check';
import { canonicalJson, toJson } from './canonical-json.js';

describe('canonicalJson', () => {
  it('A7: sorts members by code unit and writes numbers as ECMAScript does (RFC 8785 §3.2.3)', () => {
    expect(canonicalJson({ '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\u{1f600}': 5, '\u0080': 6, '\u00f6': 7 })).toBe(
      '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\u{1f600}":5,"\ufb33":3}',
    );
    expect(canonicalJson([333333333.3333333, 1e30, 4.5, 2e-3, 1e-27])).toBe('[333333333.3333333,1e+30,4.5,0.002,1e-27]');
  });

  it('A7: is the same for the same content whatever the order of members', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()), (value) => {
        const entries = Object.entries(value);
        const reversed = Object.fromEntries(entries.reverse());
        expect(canonicalJson(toJson(reversed))).toBe(canonicalJson(toJson(value)));
        expect(JSON.parse(canonicalJson(toJson(value)))).toEqual(JSON.parse(JSON.stringify(toJson(value))));
      }),
    );
  });

  it('A7: serialises dates, bigints and absent members stably', () => {
    const value = { at: new Date(0), size: 2n ** 100n, gone: undefined, nothing: null };
    expect(canonicalJson(toJson(value))).toBe('{"at":"1970-01-01T00:00:00.000Z","nothing":null,"size":"1267650600228229401496703205376"}');
  });

  it('refuses what JSON cannot carry', () => {
    expect(() => canonicalJson(Number.NaN)).toThrow('NaN');
    expect(() => canonicalJson('\ud800')).toThrow('surrogates');
    expect(() => toJson(() => 1)).toThrow('function');
  });
});
