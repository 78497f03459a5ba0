import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Runs `work` while no other process of this clone installs or builds.
 * The lock is a folder below `folder`: making one either succeeds or finds another's.
 */
export async function underLock(folder, work) {
  if (!existsSync(folder)) {
    mkdirSync(folder, { recursive: true });
    // Whatever the umask: started by root, the embedded database runs as another account and must pass.
    chmodSync(folder, 0o755);
  }
  const lock = join(folder, 'prepare.lock');
  await takeLock(lock);
  const heartbeat = setInterval(() => utimesSync(lock, new Date(), new Date()), 5_000);
  heartbeat.unref();
  try {
    await work();
  } finally {
    clearInterval(heartbeat);
    rmSync(lock, { recursive: true, force: true });
  }
}

async function takeLock(lock) {
  let told = false;
  for (;;) {
    try {
      mkdirSync(lock);
      writeFileSync(join(lock, 'pid'), String(process.pid));
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = readOr(join(lock, 'pid'));
    if (isAbandoned(lock, holder)) {
      removeAbandoned(lock, holder);
      continue;
    }
    if (!told)
      process.stderr.write(
        `Waiting for another start of this clone${holder ? ` (pid ${holder})` : ''} to finish installing and building…\n`,
      );
    told = true;
    await sleep(200);
  }
}

/** A dead holder, or one that has shown no life for a minute: its pid may belong to another program by now. */
function isAbandoned(lock, holder) {
  const silence = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
  if (!holder) return silence > 5_000;
  return !isAlive(Number(holder)) || silence > 60_000;
}

/** Moved before it is removed, so that of two who find it abandoned one removes it, and neither the other's new lock. */
function removeAbandoned(lock, holder) {
  const aside = `${lock}.${randomUUID()}`;
  try {
    renameSync(lock, aside);
    if (readOr(join(aside, 'pid')) !== holder) renameSync(aside, lock);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  rmSync(aside, { recursive: true, force: true });
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function readOr(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
