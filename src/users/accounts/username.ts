import { AppError } from '../../kernel/app-error.js';
import { type AccountKind } from './account.js';

/** The same as the constraint users_username_form. */
export const USERNAME_FORM = /^[a-z0-9][a-z0-9._-]{0,63}$/;

export const USERNAME_RULE = 'A username is 1 to 64 letters, digits, dots, underscores or dashes, and begins with a letter or digit.';

const SERVICE_PREFIX = 'svc-';

/** Throws `bad_username`, or `service_prefix`: the name alone tells a program from a person, in a log as in a list. */
export function requireUsername(kind: AccountKind, username: string): void {
  if (!USERNAME_FORM.test(username)) throw AppError.field('/username', 'bad_username', USERNAME_RULE);
  if ((kind === 'service') === username.startsWith(SERVICE_PREFIX)) return;
  const rule = `A service account's name begins with ${SERVICE_PREFIX}, and no other account's does.`;
  throw AppError.field('/username', 'service_prefix', rule);
}
