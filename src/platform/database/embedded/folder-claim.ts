import { randomUUID } from 'node:crypto';
import { linkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EmbeddedPostgresError, orUseAnotherServer } from './embedded-error.js';
import { hasCode, readIfThere } from './files.js';
import type { PreviousOwner } from './postmaster-pid.js';
import { isAlive, startTime } from './processes.js';

export interface FolderClaim {
  previous: PreviousOwner;
  release(): void;
}

/** Makes this process the only one that may touch the cluster in `directory`, or says who is. */
export function claimFolder(directory: string): FolderClaim {
  const file = join(directory, 'owner.pid');
  const draft = join(directory, `owner.${randomUUID()}`);
  const text = `${process.pid}\n${startTime(process.pid) ?? ''}\n${draft}\n`;
  try {
    writeFileSync(draft, text);
    const previous = takeOver(file, draft, directory);
    return {
      previous,
      release: () => {
        if (readIfThere(file) === text) rmSync(file, { force: true });
      },
    };
  } finally {
    rmSync(draft, { force: true });
  }
}

/** A hard link appears with all its content or fails: no reader meets a half-written claim. */
function takeOver(file: string, draft: string, directory: string): PreviousOwner {
  let previous: PreviousOwner = 'none';
  for (;;) {
    try {
      linkSync(draft, file);
      return previous;
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
    }
    const seen = readIfThere(file);
    if (seen === undefined) continue;
    const owner = parseOwner(seen);
    if (owner && isRunning(owner)) throw alreadyRunning(owner.pid, directory);
    if (moveAside(file, `${draft}.old`, seen)) previous = 'dead';
  }
}

/** Two starts may find the same dead owner: the slower must not move the faster one's new claim away. */
function moveAside(file: string, aside: string, seen: string): boolean {
  try {
    renameSync(file, aside);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
  const moved = readIfThere(aside);
  if (moved !== seen) renameSync(aside, file);
  rmSync(aside, { force: true });
  return moved === seen;
}

export interface FolderOwner {
  pid: number;
  started: string;
}

export function parseOwner(text: string): FolderOwner | undefined {
  const [pid, started = ''] = text.split('\n');
  return Number(pid) > 0 ? { pid: Number(pid), started } : undefined;
}

/** A pid alone may have been given to another program since. */
export function isRunning(owner: FolderOwner): boolean {
  return isAlive(owner.pid) && (owner.started === '' || (startTime(owner.pid) ?? owner.started) === owner.started);
}

export function alreadyRunning(pid: number, directory: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    `The embedded PostgreSQL in ${directory} is already running (pid ${pid}).`,
    `Stop that process first, set CADASTRE_VAR_DIR to another folder, ${orUseAnotherServer}.`,
  );
}
