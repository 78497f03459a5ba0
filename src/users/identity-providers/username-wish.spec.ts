import fc from 'fast-check';
import { USERNAME_FORM } from '../accounts/username.js';
import { candidates, usernameFrom } from './username-wish.js';

describe('usernames from elsewhere', () => {
  it.each([
    ['ada', 'ada'],
    ['Ada.Lovelace@example.net', 'ada.lovelace'],
    ['CORP\\ada', 'corp-ada'],
    ['José Müller', 'jose-muller'],
    ['__ada', 'ada'],
    ['李', 'user'],
    ['@example.net', 'user'],
  ])('U14: of %s comes %s', (claim, username) => {
    expect(usernameFrom(claim)).toBe(username);
  });

  it('U14: every candidate has the form of a username, and no two of the first ten are the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (claim) => {
        const generator = candidates(claim);
        const names = Array.from({ length: 10 }, () => String(generator.next().value));
        expect(names.filter((name) => !USERNAME_FORM.test(name))).toEqual([]);
        expect(new Set(names).size).toBe(10);
      }),
    );
  });
});
