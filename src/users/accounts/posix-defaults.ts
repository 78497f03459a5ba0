import { type AccountKind } from './account.js';

/** The same as the constraints users_login_shell_form and users_home_directory_form: nothing that ends a field or a line of passwd(5). */
export const ABSOLUTE_PATH = /^\/[A-Za-z0-9._/+-]{0,254}$/;
export const ABSOLUTE_PATH_RULE = 'must be an absolute path of letters, digits and . _ / + -';

/** No system account's, and none that a signed 32-bit number cannot hold. */
export const POSIX_NUMBERS = { min: 1000, max: 2_147_483_647 };

export function posixDefaults(kind: AccountKind, username: string): { loginShell: string; homeDirectory: string } {
  return kind === 'service'
    ? { loginShell: '/usr/sbin/nologin', homeDirectory: `/var/lib/${username}` }
    : { loginShell: '/bin/bash', homeDirectory: `/home/${username}` };
}
