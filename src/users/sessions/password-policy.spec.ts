import { AppError } from '../../kernel/app-error.js';
import { requireGoodPassword } from './password-policy.js';

/** What the policy says of a password: the code of its refusal. */
function verdict(password: string, username = 'grace.hopper'): string {
  try {
    requireGoodPassword(password, username, '/password');
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
  ])('U7: refuses one that is %s', (_what, password, code) => {
    expect(verdict(password)).toBe(code);
  });

  it.each([
    ['exactly fifteen characters', 'fifteen chars ok'.slice(0, 15)],
    ['exactly 256 characters', 'all sorts of words here, '.repeat(11).slice(0, 256)],
    ['lower case letters only', 'kestrel over the quiet harbour'],
    ['other scripts', 'пароль из слов и пробелов'],
  ])('U7: takes %s', (_what, password) => {
    expect(verdict(password)).toBe('good');
  });

  it('counts a letter and its accent as one character', () => {
    expect(verdict('e\u0301ou\u0301ai'.repeat(50))).toBe('good');
    expect(verdict('e\u0301'.repeat(14))).toBe('password_too_short');
  });

  it('lets a very short username be part of words', () => {
    expect(verdict('the ada lovelace fan club', 'ada')).toBe('good');
  });
});
