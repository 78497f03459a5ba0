import { formatEntry } from './ldif.js';
import { type Posix } from '../provider.js';

/** What LDIF says of an account. */
export interface LdifPerson {
  username: string;
  displayName: string;
  email: string | null;
  active: boolean;
  posix: Posix | null;
}

/** An account as an inetOrgPerson (RFC 2798), and a posixAccount (RFC 2307) when it has the numbers for one. */
export function entryOfPerson({ username, displayName, email, posix }: LdifPerson, base: string): string {
  const name = displayName.trim() || username;
  // Both must be there and must not be empty.
  const surname = name.split(/\s+/).at(-1) ?? name;
  return formatEntry(`uid=${escapedValue(username)},${base}`, [
    ['objectClass', 'inetOrgPerson'],
    ...(posix ? [['objectClass', 'posixAccount'] as const] : []),
    ['uid', username],
    ['cn', name],
    ['sn', surname],
    ['displayName', name],
    ...(isIa5(email) ? [['mail', email] as const] : []),
    ...(posix
      ? [
          ['uidNumber', String(posix.uidNumber)] as const,
          ['gidNumber', String(posix.gidNumber)] as const,
          ['homeDirectory', posix.homeDirectory ?? `/home/${username}`] as const,
          ...(isIa5(posix.loginShell) ? [['loginShell', posix.loginShell] as const] : []),
        ]
      : []),
  ]);
}

/** mail and loginShell are IA5 strings: a directory refuses the whole entry for one that is not. */
function isIa5(text: string | null | undefined): text is string {
  return typeof text === 'string' && /^[\x20-\x7e]+$/.test(text);
}

/** RFC 4514 §2.4. Usernames need none of it; that is no reason to rely on it. */
function escapedValue(value: string): string {
  return value.replaceAll(/[\\",+<>;=#]/g, (character) => `\\${character}`);
}
