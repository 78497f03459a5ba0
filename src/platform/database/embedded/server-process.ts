import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, closeSync, existsSync, openSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { serverEnvironment } from './binaries.js';
import type { ClusterOptions } from './cluster.js';
import { diskFull, EmbeddedPostgresError, orUseAnotherServer, saysDiskFull } from './embedded-error.js';
import { readIfThere } from './files.js';
import { parsePostmasterPid } from './postmaster-pid.js';
import { endOrphanedBackends } from './stop-server.js';

export interface ServerProcess {
  port: number;
  child: ChildProcess;
}

/** For a small machine that runs the API as well; `settings` of the caller win. */
const defaultSettings: Record<string, string> = {
  shared_buffers: '256MB',
  effective_cache_size: '1GB',
  work_mem: '8MB',
  maintenance_work_mem: '64MB',
  max_connections: '100',
  random_page_cost: '1.1',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] %q%u@%d ',
  cluster_name: 'cadastre',
};

const logLimit = 10 * 1024 * 1024;
const lastLines = 15;

interface LaunchOptions extends ClusterOptions {
  settings: Record<string, string>;
  log: (line: string) => void;
}

/** Starts the server on a free port of 127.0.0.1 and waits until it takes connections. */
export async function launch(options: LaunchOptions): Promise<ServerProcess> {
  const logFile = join(options.directory, 'postgres.log');
  if (existsSync(logFile) && statSync(logFile).size > logLimit) truncateSync(logFile);
  const patience = { 'port-taken': 5, 'memory-in-use': 40 };
  for (;;) {
    const port = await freePort();
    const outcome = await tryLaunch(options, port, logFile);
    if ('child' in outcome) return { port, child: outcome.child };
    const kind = failureKind(outcome.lines);
    if (kind === 'disk-full') throw diskFull(options.directory, outcome.lines);
    if (kind === 'other' || patience[kind]-- === 0) throw startFailed(outcome.lines, logFile);
    if (kind === 'memory-in-use') {
      endOrphanedBackends(join(options.directory, 'data'));
      await sleep(250);
    }
  }
}

/**
 * - `port-taken`: another program was faster than us; the next try takes another port.
 * - `memory-in-use`: backends of a killed postmaster still run; idle ones end within moments by themselves.
 */
export function failureKind(log: string): 'port-taken' | 'memory-in-use' | 'disk-full' | 'other' {
  if (saysDiskFull(log)) return 'disk-full';
  if (/could not bind IPv4 address|could not create any TCP\/IP sockets/.test(log)) return 'port-taken';
  if (log.includes('pre-existing shared memory block')) return 'memory-in-use';
  return 'other';
}

function startFailed(lines: string, logFile: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    `The embedded PostgreSQL did not start. The last lines of its log, ${logFile}:\n${lines.trim()}`,
    `Mend what they name and start again, ${orUseAnotherServer}.`,
  );
}

async function tryLaunch(options: LaunchOptions, port: number, logFile: string): Promise<{ child: ChildProcess } | { lines: string }> {
  const { directory, account, binaries } = options;
  const data = join(directory, 'data');
  const settings = {
    ...defaultSettings,
    ...options.settings,
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
  };
  const args = ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const log = openSync(logFile, 'a', 0o600);
  const before = statSync(logFile).size;
  if (account) chownSync(logFile, account.uid, account.gid);
  // A process group of its own: Ctrl-C in the terminal reaches the app only, which drains before it stops its database.
  // The log is a file, not a pipe, so that a server that outlives this process has somewhere to write.
  const child = spawn(binaries.postgres, args, {
    cwd: directory,
    env: serverEnvironment,
    uid: account?.uid,
    gid: account?.gid,
    detached: true,
    stdio: ['ignore', log, log],
    windowsHide: true,
  });
  closeSync(log);
  const ready = await becomesReady(child, join(data, 'postmaster.pid'), options.log);
  if (ready) return { child };
  const lines = readFileSync(logFile).subarray(before).toString('utf8').trimEnd().split('\n').slice(-lastLines).join('\n');
  return { lines };
}

/** False when the server ended instead. No time limit: recovery after a crash takes what it takes, and says so meanwhile. */
async function becomesReady(child: ChildProcess, pidFile: string, log: (line: string) => void): Promise<boolean> {
  let failure: Error | undefined;
  child.once('error', (error) => (failure = error));
  let nextWord = Date.now() + 10_000;
  while (!hasEnded(child)) {
    if (failure) throw failure;
    const said = parsePostmasterPid(readIfThere(pidFile) ?? '');
    if (said?.ready && said.pid === child.pid) return true;
    if (Date.now() > nextWord) {
      log('Still starting PostgreSQL: it is recovering from an unclean stop.');
      nextWord += 10_000;
    }
    await sleep(15);
  }
  return false;
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject).listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => {
        resolve(typeof address === 'object' && address ? address.port : 0);
      });
    });
  });
}
