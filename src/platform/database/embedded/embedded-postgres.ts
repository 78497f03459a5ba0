import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { serverAccount } from './account.js';
import { findBinaries } from './binaries.js';
import { adminRole, clusterExists, type ClusterOptions, createCluster, resetAdminPassword } from './cluster.js';
import { explainFileError } from './embedded-error.js';
import { readIfThere } from './files.js';
import { prepareFolder } from './folder.js';
import { alreadyRunning, claimFolder, type FolderClaim } from './folder-claim.js';
import { loadPasswords, type Passwords } from './passwords.js';
import { parsePostmasterPid, type PreviousOwner, verdicts } from './postmaster-pid.js';
import { isAlive, isPostmaster } from './processes.js';
import { provisionRoles, urlOf } from './roles.js';
import { hasEnded, launch, type ServerProcess } from './server-process.js';
import { stopServer } from './stop-server.js';

export interface EmbeddedOptions {
  /** Holds the cluster (`data/`), its passwords and its log; made when missing. */
  directory: string;
  /** Server parameters that win over the defaults; the address, port and sockets are not up for change. */
  settings?: Record<string, string>;
  /** Told, a line at a time, what takes long or goes wrong. */
  log?: (line: string) => void;
}

export interface EmbeddedServer {
  /** Database `cadastre` as the application's login, a member of `cadastre_app`. */
  url: string;
  /** Database `cadastre` as its owner, for migrations. */
  ownerUrl: string;
  /** Database `postgres` as superuser. */
  adminUrl: string;
  port: number;
  /** Disconnects everyone, stops the server and gives the folder free. May be called twice. */
  stop(): Promise<void>;
}

/**
 * Starts a PostgreSQL of our own on 127.0.0.1, on whatever port is free, and makes the cluster, roles and database that are missing.
 * One live start per folder; a server left behind by a killed process is stopped first.
 * @throws EmbeddedPostgresError when the machine or the folder does not allow it, with what to do about it.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const directory = resolve(options.directory);
  try {
    const account = serverAccount(directory);
    const binaries = await findBinaries(account);
    prepareFolder(directory, account);
    const claim = claimFolder(directory);
    try {
      return await startClaimed({ directory, account, binaries }, options, claim);
    } catch (error) {
      claim.release();
      throw error;
    }
  } catch (error) {
    throw explainFileError(error, directory);
  }
}

async function startClaimed(
  cluster: ClusterOptions,
  { settings = {}, log = () => undefined }: EmbeddedOptions,
  claim: FolderClaim,
): Promise<EmbeddedServer> {
  await settleEarlierServer(cluster.directory, claim.previous, log);
  const passwords = await openCluster(cluster, settings.fsync !== 'off', log);
  const server = await launch({ ...cluster, settings, log });
  const admin = { port: server.port, user: adminRole, password: passwords.admin, database: 'postgres' };
  const stop = supervise(server, claim, log);
  try {
    await provisionRoles(admin, passwords);
  } catch (error) {
    await stop();
    throw error;
  }
  const database = { port: server.port, database: 'cadastre' };
  return {
    url: urlOf({ ...database, user: 'cadastre', password: passwords.app }),
    ownerUrl: urlOf({ ...database, user: 'cadastre_owner', password: passwords.owner }),
    adminUrl: urlOf(admin),
    port: server.port,
    stop,
  };
}

/** Brings the folder to where no server runs in it, or refuses when the one that does is not ours to stop. */
async function settleEarlierServer(directory: string, previous: PreviousOwner, log: (line: string) => void): Promise<void> {
  const data = join(directory, 'data');
  const pidFile = join(data, 'postmaster.pid');
  const text = readIfThere(pidFile);
  if (text === undefined) return;
  const earlier = parsePostmasterPid(text);
  // Cut short by a full disk or a crash. PostgreSQL would not start over it, and nobody else starts one while we hold the claim.
  if (!earlier) {
    rmSync(pidFile, { force: true });
    return;
  }
  const { pid, port } = earlier;
  const ours = await isPostmaster(pid, data, port);
  const verdict = verdicts[ours ? 'ours' : isAlive(pid) ? 'foreign' : 'dead'][previous];
  if (verdict === 'refuse') throw alreadyRunning(pid, directory);
  if (verdict === 'remove-pid-file') rmSync(pidFile, { force: true });
  if (verdict === 'stop-orphan') {
    log(`Stopping the embedded PostgreSQL (pid ${pid}) that a killed process left running.`);
    await stopServer(
      (signal) => process.kill(pid, signal),
      async () => !(await isPostmaster(pid, data, port)),
    );
  }
}

async function openCluster(cluster: ClusterOptions, sync: boolean, log: (line: string) => void): Promise<Passwords> {
  const exists = clusterExists(cluster);
  const { passwords, made } = loadPasswords(cluster.directory, cluster.account);
  if (!exists) {
    log(`Creating a PostgreSQL ${cluster.binaries.major} cluster in ${cluster.directory}.`);
    await createCluster({ ...cluster, password: passwords.admin, sync });
  } else if (made) {
    log(`The passwords in ${cluster.directory} were missing: setting new ones.`);
    await resetAdminPassword(cluster, passwords.admin);
  }
  return passwords;
}

/** Watches the server until it ends, and returns the function that ends it. */
function supervise({ child }: ServerProcess, claim: FolderClaim, log: (line: string) => void): () => Promise<void> {
  let stopping: Promise<void> | undefined;
  // For an exit that forgot to stop, such as process.exit() after a crash.
  const stopAtExit = (): void => void child.kill('SIGINT');
  process.once('exit', stopAtExit);
  child.once('exit', (code, signal) => {
    process.removeListener('exit', stopAtExit);
    claim.release();
    if (!stopping) log(`The embedded PostgreSQL ended on its own (${signal ?? `exit code ${code ?? 'unknown'}`}); its log says why.`);
  });
  child.unref();
  return () => {
    child.ref();
    stopping ??= stopServer(
      (signal) => child.kill(signal),
      () => hasEnded(child),
    );
    return stopping;
  };
}
