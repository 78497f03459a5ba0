import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, type Stats, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Account, accountName, ownerOf } from './account.js';
import { EmbeddedPostgresError, orUseAnotherServer } from './embedded-error.js';
import { hasCode } from './files.js';

/** Makes `directory` exist, belong to the account that runs the server, and be reachable for it. */
export function prepareFolder(directory: string, account: Account | undefined): void {
  makeFolders(dirname(directory));
  if (makeFolder(directory)) chmodSync(directory, 0o700);
  requireOwnFolder(directory);
  requireOwnFolder(join(directory, 'data'));
  if (!account) return;
  giveTo(account, directory);
  chmodSync(directory, 0o700);
  requireReachable(directory, account);
  const data = join(directory, 'data');
  // Left by a copy or an archive unpacked as root: PostgreSQL insists on owning every file.
  if (existsSync(data) && statSync(data).uid !== account.uid) {
    for (const entry of readdirSync(data, { recursive: true, encoding: 'utf8' })) giveTo(account, join(data, entry));
    giveTo(account, data);
  }
}

/** Folders made on the way get the usual mode whatever the umask: the server's account must pass them. */
function makeFolders(path: string): void {
  if (existsSync(path)) return;
  makeFolders(dirname(path));
  if (makeFolder(path)) chmodSync(path, 0o755);
}

/** Not mkdir's own recursion: on a read-only disk it reports that the folder does not exist. */
function makeFolder(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

export function giveTo(account: Account, path: string): void {
  chownSync(path, account.uid, account.gid);
}

export function isReachable(path: string, account: Account): boolean {
  return blockedFor(account, path).length === 0;
}

function blockedFor(account: Account, path: string): string[] {
  return ancestors(path).filter((folder) => !mayEnter(statSync(folder), account));
}

/** Refuses, by name, the folders above and including `path` that `account` may not enter: PostgreSQL's own message would not say which. */
function requireReachable(path: string, account: Account): void {
  const blocked = blockedFor(account, path);
  if (blocked.length === 0) return;
  throw new EmbeddedPostgresError(
    `PostgreSQL refuses to run as root, so it runs as \`${account.name}\`, which cannot pass ${blocked.join(' and ')} to reach ${path}.`,
    `Run \`chmod o+x ${blocked.join(' ')}\`, clone to a folder others can enter (/opt, /srv), start as an ordinary user, ${orUseAnotherServer}.`,
  );
}

export function mayEnter(stats: Pick<Stats, 'mode' | 'uid' | 'gid'>, account: Account): boolean {
  if (stats.uid === account.uid) return (stats.mode & 0o100) !== 0;
  if (stats.gid === account.gid) return (stats.mode & 0o010) !== 0;
  return (stats.mode & 0o001) !== 0;
}

function ancestors(path: string): string[] {
  const above = dirname(path);
  return above === path ? [path] : [...ancestors(above), path];
}

/** An ordinary user cannot take over what another user's run left behind. */
function requireOwnFolder(path: string): void {
  const me = process.getuid?.();
  const owner = ownerOf(path);
  if (me === undefined || me === 0 || owner === undefined || owner.uid === me) return;
  throw new EmbeddedPostgresError(
    `The folder of the embedded PostgreSQL, ${path}, belongs to \`${accountName(owner.uid)}\`: an earlier run by root or another user made it.`,
    `Run \`sudo chown -R $(id -un) ${path}\`, start as the user who made it, set CADASTRE_VAR_DIR to a folder of your own, ${orUseAnotherServer}.`,
  );
}
