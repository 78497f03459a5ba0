import { AppError } from '../../kernel/app-error.js';
import { commonPasswords } from './common-passwords.js';
import { requireGoodPassword } from './password-policy.js';

/** What the policy says of a password: the code of its refusal. */
function verdict(password: string, username = 'grace.hopper'): string {
  try {
    requireGoodPassword(password, { username, email: 'g.murray-hopper@example.net', displayName: 'Grace B. Murray' }, '/password', {
      shortest: 15,
      contextWords: ['Example Works'],
    });
    return 'good';
  } catch (error) {
    if (error instanceof AppError && error.errors?.[0]?.pointer === '/password') return error.code;
    throw error;
  }
}

describe('the password policy', () => {
  it.each([
    ['short', 'fourteen chars', 'password_too_short'],
    ['short in characters though long in bytes', '🔑'.repeat(14), 'password_too_short'],
    ['long', 'all sorts of words '.repeat(14), 'password_too_long'],
    ['with the username in it, whatever the case', 'I am Grace.Hopper herself', 'password_has_username'],
    ['common', 'Correct Horse Battery Staple', 'password_common'],
    ['one character over and over', 'a'.repeat(20), 'password_common'],
    ['a common one in disguise', 'P@55w0rdP@55w0rd', 'password_common'],
    ['a common one with a year behind it', 'administrator!2026', 'password_common'],
    ['a common one three times', 'sunshine sunshine sunshine', 'password_common'],
    ['with the front of the e-mail address in it', 'it is g.murray-hopper at home', 'password_has_context'],
    ['with a name of its owner in it', 'the murray river in spring', 'password_has_context'],
    ['with the organisation in it', 'gates of the exampleworks', 'password_has_context'],
    ['with the organisation in it, word by word', 'gates of the example works', 'password_has_context'],
    ['with the product in it', 'quiet cadastre of harbours', 'password_has_context'],
    ['with a name of its owner spread by blanks', 'it is m u r r a y at dusk', 'password_has_context'],
    ['with a name of its owner spread by signs', 'it is M-u.r_r-a-y at dusk', 'password_has_context'],
  ])('U10, ASVS 6.2.1, ASVS 6.2.4, ASVS 6.2.11: refuses one that is %s', (_what, password, code) => {
    expect(verdict(password)).toBe(code);
  });

  it.each([
    ['exactly fifteen characters', 'fifteen chars ok'.slice(0, 15)],
    ['exactly 256 characters', 'all sorts of words here, '.repeat(11).slice(0, 256)],
    ['lower case letters only', 'kestrel over the quiet harbour'],
    ['other scripts', 'пароль из слов и пробелов'],
  ])('U10, ASVS 6.2.5, ASVS 6.2.9: takes %s', (_what, password) => {
    expect(verdict(password)).toBe('good');
  });

  it('counts a letter and its accent as one character', () => {
    expect(verdict('e\u0301ou\u0301ai'.repeat(50))).toBe('good');
    expect(verdict('e\u0301'.repeat(14))).toBe('password_too_short');
  });

  it('lets a very short username be part of words', () => {
    expect(verdict('the ada lovelace fan club', 'ada')).toBe('good');
  });

  it('U10, ASVS 6.2.11: finds a name in words, and not across them', () => {
    expect(verdict('down the river at dusk', 'vera')).toBe('good');
    expect(verdict('a long riVERA at dusk', 'vera')).toBe('password_has_username');
    expect(verdict('down to v e r a at dusk', 'vera')).toBe('password_has_username');
  });

  it('U10, ASVS 6.2.4, ASVS 6.2.12: knows more than three thousand that are long enough to be taken otherwise', () => {
    const long = [...commonPasswords].filter((password) => password.length >= 15);
    expect(long.length).toBeGreaterThan(3000);
    expect(long.filter((password) => verdict(password) === 'good')).toEqual([]);
  });
});
