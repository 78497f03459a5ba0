import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { hasCode, readIfThere } from '../../platform/database/embedded/files.js';
import { isRunning } from '../../platform/database/embedded/folder-claim.js';
import { startTime } from '../../platform/database/embedded/processes.js';

const OWNER = 'owner';
const ORPHANS = 'orphans';
const SEGMENT = /^\d{6}\.log$/;
/** Of another machine, or another container, nothing is known but when it last said that it lives. */
const SILENT_MS = 600_000;

/**
 * One writer's folder under the spool, named after the writer: `owner` says which process it is, `NNNNNN.log` are its segments, and `orphans`
 * holds the folders of dead writers that it took over. A folder is taken by renaming it, which succeeds for one process.
 */
export class SpoolFolder {
  readonly path: string;

  constructor(
    private readonly root: string,
    writer: string,
  ) {
    this.path = path.join(root, writer);
  }

  /** Makes it with its owner in it, so that nobody ever meets one without. */
  make(): void {
    if (existsSync(this.path)) return;
    const draft = path.join(this.root, `.${randomUUID()}`);
    mkdirSync(path.join(draft, ORPHANS), { recursive: true, mode: 0o700 });
    writeFileSync(path.join(draft, OWNER), `${process.pid}\n${startTime(process.pid) ?? ''}\n${hostname()}\n`);
    renameSync(draft, this.path);
  }

  /** Says that this writer lives. */
  beat(): void {
    if (existsSync(this.path)) utimesSync(path.join(this.path, OWNER), new Date(), new Date());
  }

  /** Takes over the folders of writers that are dead; how many. */
  adopt(): number {
    const dead = foldersIn(this.root).filter((name) => {
      const folder = path.join(this.root, name);
      return folder !== this.path && isAbandoned(folder);
    });
    if (dead.length > 0) this.make();
    return dead.filter((name) => moved(path.join(this.root, name), path.join(this.path, ORPHANS, name))).length;
  }

  /** Every segment in it, those of dead writers first, each writer's oldest first. */
  segments(): string[] {
    return segmentsBelow(this.path);
  }

  /** Removes what holds no segment any more. */
  tidy(): void {
    if (!existsSync(this.path)) return;
    const orphans = path.join(this.path, ORPHANS);
    for (const name of foldersIn(orphans)) {
      const folder = path.join(orphans, name);
      if (segmentsBelow(folder).length === 0) rmSync(folder, { recursive: true, force: true });
    }
    if (this.segments().length === 0) rmSync(this.path, { recursive: true, force: true });
  }
}

function segmentsBelow(folder: string): string[] {
  const own = namesIn(folder).filter((name) => SEGMENT.test(name));
  const orphans = foldersIn(path.join(folder, ORPHANS)).flatMap((name) => segmentsBelow(path.join(folder, ORPHANS, name)));
  return [...orphans, ...own.sort().map((name) => path.join(folder, name))];
}

function isAbandoned(folder: string): boolean {
  const text = readIfThere(path.join(folder, OWNER));
  if (text === undefined) return false;
  const [pid = '', started = '', host = ''] = text.split('\n');
  if (host === hostname()) return !isRunning({ pid: Number(pid), started });
  const beat = statSync(path.join(folder, OWNER), { throwIfNoEntry: false })?.mtimeMs;
  return beat !== undefined && Date.now() - beat > SILENT_MS;
}

function moved(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    // Another process was faster.
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

function foldersIn(folder: string): string[] {
  return namesIn(folder)
    .filter((name) => !name.startsWith('.') && name !== OWNER && !SEGMENT.test(name) && name !== ORPHANS)
    .sort();
}
