import fc from 'fast-check';
import { AppError } from '../../kernel/app-error.js';
import { checkKey, checkMetadata, checkPrefix } from './object-key.js';

const refusal = (work: () => void): string | undefined => {
  try {
    work();
    return undefined;
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
};
const refusalOfKey = (key: string): string | undefined =>
  refusal(() => {
    checkKey(key);
  });
const refusalOfPrefix = (prefix: string): string | undefined =>
  refusal(() => {
    checkPrefix(prefix);
  });
const refusalOfMetadata = (metadata: Record<string, string>): string | undefined =>
  refusal(() => {
    checkMetadata(metadata);
  });

describe('keys of objects', () => {
  it.each([
    '',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    '../a',
    'a/../b',
    'a/./b',
    'a\\b',
    'a\0',
    'a\n',
    'ü',
    'a'.repeat(256),
    `${'a/'.repeat(512)}b`,
  ])('T2, ASVS 5.3.2: %j is no key', (key) => {
    expect(refusalOfKey(key)).toBe('storage_bad_key');
  });

  it.each(['a', 'a b', '.a', '...', 'a..b', "a/b c/!'()*~&<>+%41", `${'a/'.repeat(511)}b`])('T2, ASVS 5.3.2: %j is a key', (key) => {
    expect(refusalOfKey(key)).toBeUndefined();
  });

  it('T2, ASVS 5.3.2: every beginning of a key is a prefix, and what is none leads nowhere', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z.]{1,4}$/), { minLength: 1, maxLength: 4 }), fc.nat(), (parts, cut) => {
        const key = parts.join('/');
        fc.pre(refusalOfKey(key) === undefined);
        expect(refusalOfPrefix(key.slice(0, cut % (key.length + 1)))).toBeUndefined();
      }),
    );
    for (const prefix of ['/', '../', 'a/../', 'a//', './a', 'ü'])
      expect([prefix, refusalOfPrefix(prefix)]).toEqual([prefix, 'storage_bad_key']);
  });

  it('T2: metadata that a header would not keep is refused', () => {
    expect(refusalOfMetadata({ rows: '350001', 'first-row': '', note: 'a b' })).toBeUndefined();
    const wrong: Record<string, string>[] = [
      { Rows: '1' },
      { rows: ' 1' },
      { rows: 'ü' },
      { rows: '1\n' },
      { 'cadastre-sha256': '1' },
      { big: 'x'.repeat(2048) },
    ];
    for (const metadata of wrong) expect(refusalOfMetadata(metadata)).toMatch(/metadata/i);
  });
});
