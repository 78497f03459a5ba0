import { randomBytes } from 'node:crypto';
import { chownSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Account } from './account.js';
import { EmbeddedPostgresError } from './embedded-error.js';
import { hasCode } from './files.js';

export interface Passwords {
  admin: string;
  owner: string;
  app: string;
}

/** Reads the passwords, or makes new ones. `made` tells the caller that an existing cluster does not know them yet. */
export function loadPasswords(directory: string, account: Account | undefined): { passwords: Passwords; made: boolean } {
  const file = join(directory, 'passwords.json');
  try {
    return { passwords: parsePasswords(readFileSync(file, 'utf8'), file), made: false };
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
  const passwords = { admin: newPassword(), owner: newPassword(), app: newPassword() };
  writePrivate(file, JSON.stringify(passwords, null, 2) + '\n', account);
  return { passwords, made: true };
}

export function writePrivate(file: string, text: string, account: Account | undefined): void {
  const draft = `${file}.new`;
  writeFileSync(draft, text, { mode: 0o600, flush: true });
  if (account) chownSync(draft, account.uid, account.gid);
  renameSync(draft, file);
}

function newPassword(): string {
  return randomBytes(24).toString('base64url');
}

function parsePasswords(text: string, file: string): Passwords {
  try {
    const found: unknown = JSON.parse(text);
    if (isPasswords(found)) return found;
  } catch {
    // Told below, with the same remedy as a file of another shape.
  }
  throw new EmbeddedPostgresError(
    `${file} does not hold the passwords of the embedded PostgreSQL.`,
    'Delete it: the next start makes new passwords and sets them in the cluster.',
  );
}

function isPasswords(found: unknown): found is Passwords {
  return (
    typeof found === 'object' && found !== null && ['admin', 'owner', 'app'].every((key) => typeof Reflect.get(found, key) === 'string')
  );
}
