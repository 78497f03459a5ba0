import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { isRunning } from '../platform/database/embedded/folder-claim.js';
import { readIfThere } from '../platform/database/embedded/files.js';
import { startTime } from '../platform/database/embedded/processes.js';

/** Where the embedded database of a running `start` answers. It holds passwords: only the owner of the process may read it. */
interface Running {
  pid: number;
  /** When that process began, in the kernel's ticks: a pid alone may have been given to another program since. */
  started: string;
  url: string;
  directUrl: string;
}

/** Tells other commands of this folder how to reach the embedded database, until the returned function is called. */
export function announceDatabase(varDirectory: string, urls: { url: string; directUrl: string }): () => void {
  const file = fileIn(varDirectory);
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}`;
  const running: Running = { pid: process.pid, started: startTime(process.pid) ?? '', ...urls };
  writeFileSync(draft, JSON.stringify(running), { mode: 0o600 });
  renameSync(draft, file);
  return () => {
    if (read(file)?.pid === process.pid) rmSync(file, { force: true });
  };
}

/** The database of the `start` that runs in this folder, or undefined when none does. */
export function runningDatabase(varDirectory: string): { url: string; directUrl: string } | undefined {
  const running = read(fileIn(varDirectory));
  return running && isRunning(running) ? { url: running.url, directUrl: running.directUrl } : undefined;
}

function fileIn(varDirectory: string): string {
  return path.join(varDirectory, 'run', 'database.json');
}

function read(file: string): Running | undefined {
  try {
    const text = readIfThere(file);
    // Our own file: it appears whole or not at all.
    return text === undefined ? undefined : (JSON.parse(text) as Running);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
