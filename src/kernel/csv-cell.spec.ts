import fc from 'fast-check';
import { csvLine, guardCell, listCell, readListCell, unguardCell } from './csv-cell.js';

const cell = fc.oneof(
  fc.string(),
  fc.constantFrom("'", "''", '=1+1', "'=1", '-5', "'-5", '+44', '@x', '\t', '\r', "'\tx", '-', "''-1e5", ''),
);

describe('a CSV cell', () => {
  it.each([
    ['=HYPERLINK("x")', `'=HYPERLINK("x")`],
    ['+SUM(A1)', `'+SUM(A1)`],
    ['-cmd', `'-cmd`],
    ['@SUM', `'@SUM`],
    ['\tx', `'\tx`],
    ['-5', '-5'],
    ['+1.5e3', '+1.5e3'],
    ['plain', 'plain'],
    [`'=1+1`, `''=1+1`],
  ])('I17: %j is written as %j', (text, written) => {
    expect(guardCell(text)).toBe(written);
  });

  it('I17: comes back as it was, whatever it holds', () => {
    fc.assert(
      fc.property(cell, (text) => {
        expect(unguardCell(guardCell(text))).toBe(text);
      }),
    );
  });

  it('I17: is never a formula to a spreadsheet', () => {
    fc.assert(fc.property(cell, (text) => !/^[=@\t\r]|^[+-](?![\d])/.test(guardCell(text))));
  });

  it('carries a list of texts', () => {
    const texts = fc.array(fc.string({ minLength: 1 }).filter((t) => t.trim() !== '' || /^\s+$/.test(t)));
    fc.assert(
      fc.property(texts, (list) => {
        expect(readListCell(listCell(list))).toEqual(list);
      }),
    );
    expect(readListCell('a, b ,"c,d"')).toEqual(['a', 'b', 'c,d']);
  });

  it('is quoted when it holds what separates cells', () => {
    expect(csvLine(['a', null, 'b,"c"', 'x\r\ny'])).toBe('a,,"b,""c""","x\r\ny"\r\n');
  });
});
