import { oneTimePassword } from './one-time-password.js';

describe('a one-time password', () => {
  it('U11: is long, unambiguous and never the same', () => {
    const made = Array.from({ length: 500 }, oneTimePassword);
    for (const password of made) expect(password).toMatch(/^[a-hjkmnp-z2-9]{6}(-[a-hjkmnp-z2-9]{6}){3}$/);
    expect(new Set(made).size).toBe(made.length);
  });
});
