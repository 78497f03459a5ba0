import { AppError } from '../../kernel/app-error.js';
import { commonPasswords } from './common-passwords.js';

const SHORTEST = 15;
const LONGEST = 256;
const FEWEST_DIFFERENT = 5;

/**
 * Length and not being a common one; no rules of composition, no expiry (NIST SP 800-63B-4 §3.1.1.2). Counted in code points.
 * Throws `password_too_short`, `password_too_long`, `password_has_username` or `password_common`, pointing at the field.
 */
export function requireGoodPassword(password: string, username: string, pointer: string): void {
  const characters = Array.from(password.normalize('NFC')).length;
  const plain = password.toLowerCase().replaceAll(/\s/g, '');
  if (characters < SHORTEST)
    throw AppError.field(pointer, 'password_too_short', `A password has at least ${SHORTEST} characters; a short sentence is a good one.`);
  if (characters > LONGEST) throw AppError.field(pointer, 'password_too_long', `A password has at most ${LONGEST} characters.`);
  // A name of three letters is in too many sentences to mean anything.
  if (username.length > 3 && plain.includes(username.toLowerCase()))
    throw AppError.field(pointer, 'password_has_username', 'A password must not contain the username.');
  if (new Set(plain).size < FEWEST_DIFFERENT || commonPasswords.has(plain))
    throw AppError.field(pointer, 'password_common', 'This password is one of the first that are tried.');
}
