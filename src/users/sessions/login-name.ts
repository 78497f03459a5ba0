import { createHmac, type KeyObject } from 'node:crypto';

/** Names as they are compared. */
export function loginName(typed: string): string {
  return typed.trim().toLowerCase();
}

/** A name at a directory: not the same name as here, nor as at another one. */
export function directoryName(slug: string, typed: string): string {
  return `${slug}/${loginName(typed)}`;
}

/** Stands for a name that was typed: the same for the same, and nobody without the key learns which. It may have been a password. */
export function nameDigest(name: string, key: KeyObject): Buffer {
  return createHmac('sha256', key).update(`login name\0${name}`).digest();
}

/** Enough to see that somebody tries one name over and over; what was typed may have been a password, so it is not kept. */
export function disguise(name: string, key: KeyObject): Record<string, string> {
  return { usernameBegins: name.slice(0, 2), usernameDigest: nameDigest(name, key).toString('base64url') };
}
