import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EmbeddedPostgresError, orUseAnotherServer } from './embedded-error.js';

/** The system account that owns the cluster and runs the server. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
}

/**
 * The account to switch to, or undefined when the server runs as the present user.
 * PostgreSQL refuses to run as root, so root hands over to whoever owns the cluster already, else to `postgres` or `nobody`.
 */
export function serverAccount(directory: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const cluster = ownerOf(join(directory, 'data'));
  const passwd = parsePasswd(readFileSync('/etc/passwd', 'utf8'));
  const account = chooseAccount(passwd, cluster, ownerOf(directory));
  if (account) return account;
  throw new EmbeddedPostgresError(
    'PostgreSQL refuses to run as root, and this system has neither a `postgres` nor a `nobody` account to run it as.',
    `Start Cadastre as an ordinary user, ${orUseAnotherServer}.`,
  );
}

/** initdb looks its user up by name, so a folder without a cluster only counts when its owner is in the list. */
export function chooseAccount(passwd: Account[], cluster?: Owner, folder?: Owner): Account | undefined {
  const byUid = (uid?: number): Account | undefined => (uid ? passwd.find((account) => account.uid === uid) : undefined);
  const byName = (name: string): Account | undefined => passwd.find((account) => account.name === name && account.uid !== 0);
  const unnamed = cluster?.uid ? { name: `uid ${cluster.uid}`, uid: cluster.uid, gid: cluster.gid } : undefined;
  return byUid(cluster?.uid) ?? unnamed ?? byUid(folder?.uid) ?? byName('postgres') ?? byName('nobody');
}

export function parsePasswd(text: string): Account[] {
  return text.split('\n').flatMap((line) => {
    const [name, , uid, gid] = line.split(':');
    if (!name || !uid || !gid || name.startsWith('#')) return [];
    // macOS writes nobody as -2; the system calls take it unsigned.
    return [{ name, uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }];
  });
}

interface Owner {
  uid: number;
  gid: number;
}

export function ownerOf(path: string): Owner | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

export function accountName(uid: number): string {
  return parsePasswd(readFileSync('/etc/passwd', 'utf8')).find((account) => account.uid === uid)?.name ?? `uid ${uid}`;
}
