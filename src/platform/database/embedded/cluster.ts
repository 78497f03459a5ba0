import { spawn } from 'node:child_process';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Account } from './account.js';
import { type Binaries, serverEnvironment } from './binaries.js';
import { diskFull, EmbeddedPostgresError, orUseAnotherServer, saysDiskFull } from './embedded-error.js';
import { giveTo } from './folder.js';
import { writePrivate } from './passwords.js';

/** The administrator of the cluster, made by initdb. */
export const adminRole = 'postgres';

export interface ClusterOptions {
  directory: string;
  account: Account | undefined;
  binaries: Binaries;
}

/** Whether there is a cluster this server can open; a folder it must not touch is refused. */
export function clusterExists({ directory, binaries }: ClusterOptions): boolean {
  const data = join(directory, 'data');
  if (!existsSync(data) || readdirSync(data).length === 0) return false;
  const version = join(data, 'PG_VERSION');
  if (!existsSync(version)) {
    throw new EmbeddedPostgresError(
      `${data} holds files, but is no PostgreSQL cluster (it has no PG_VERSION).`,
      `Move it away, set CADASTRE_VAR_DIR to another folder, ${orUseAnotherServer}.`,
    );
  }
  const found = readFileSync(version, 'utf8').trim();
  if (found === binaries.major) return true;
  throw new EmbeddedPostgresError(
    `${data} was made by PostgreSQL ${found}; the embedded server is PostgreSQL ${binaries.major} and cannot open it.`,
    `Use the version of Cadastre that made it to take a backup, move the folder away and restore the backup here, ${orUseAnotherServer}.`,
  );
}

/** Runs initdb beside the final place and renames at the end, so that a run killed half-way leaves nothing that looks like a cluster. */
export async function createCluster(options: ClusterOptions & { password: string; sync: boolean }): Promise<void> {
  const { directory, account } = options;
  for (const leftover of readdirSync(directory).filter((name) => name.startsWith('data.new'))) {
    rmSync(join(directory, leftover), { recursive: true, force: true });
  }
  const draft = join(directory, `data.new-${process.pid}`);
  const passwordFile = `${draft}.password`;
  mkdirSync(draft, { mode: 0o700 });
  if (account) giveTo(account, draft);
  try {
    writePrivate(passwordFile, options.password, account);
    await initdb(options, draft, passwordFile);
    renameSync(draft, join(directory, 'data'));
    if (options.sync) syncFolder(directory);
  } finally {
    rmSync(passwordFile, { force: true });
    rmSync(draft, { recursive: true, force: true });
  }
}

async function initdb(
  { directory, account, binaries, sync }: ClusterOptions & { sync: boolean },
  draft: string,
  passwordFile: string,
): Promise<void> {
  const args = ['-D', draft, '-U', adminRole, '--encoding=UTF8', '--locale=C.UTF-8', '--auth=scram-sha-256', '--no-instructions'];
  args.push(`--pwfile=${passwordFile}`, ...(sync ? [] : ['--no-sync']));
  const { code, output } = await runAs(account, directory, binaries.initdb, args);
  if (code === 0) return;
  if (saysDiskFull(output)) throw diskFull(directory, output);
  if (output.includes('could not look up effective user ID')) {
    throw new EmbeddedPostgresError(
      `The present user (uid ${process.getuid?.() ?? 'unknown'}) has no entry in /etc/passwd, which PostgreSQL's initdb needs.`,
      `Start as a user that has one, ${orUseAnotherServer}.`,
    );
  }
  throw new EmbeddedPostgresError(
    `A PostgreSQL cluster could not be made in ${directory}; initdb said:\n${output.trim()}`,
    `Mend what it names and start again, ${orUseAnotherServer}.`,
  );
}

/** Sets the administrator's password without knowing the old one; the server must not be running. */
export async function resetAdminPassword({ directory, account, binaries }: ClusterOptions, password: string): Promise<void> {
  const args = ['--single', '-D', join(directory, 'data'), '-c', 'log_min_error_statement=panic', 'postgres'];
  const { code, output } = await runAs(account, directory, binaries.postgres, args, `ALTER ROLE ${adminRole} PASSWORD '${password}'\n`);
  if (code === 0 && !/\b(ERROR|FATAL|PANIC):/.test(output)) return;
  throw new EmbeddedPostgresError(
    `The passwords of the embedded PostgreSQL (passwords.json in ${directory}) are gone, and new ones could not be set:\n${output.trim()}`,
    `Put that file back from a copy, ${orUseAnotherServer}.`,
  );
}

async function runAs(
  account: Account | undefined,
  cwd: string,
  program: string,
  args: string[],
  input = '',
): Promise<{ code: number | null; output: string }> {
  const child = spawn(program, args, { cwd, env: serverEnvironment, uid: account?.uid, gid: account?.gid, windowsHide: true });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  // A program that ends early closes its input; its own message is the one to show.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [code, out, err] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { code, output: err.trim() === '' ? out : err };
}

function syncFolder(path: string): void {
  if (process.platform === 'win32') return;
  const handle = openSync(path, 'r');
  fsyncSync(handle);
  closeSync(handle);
}
