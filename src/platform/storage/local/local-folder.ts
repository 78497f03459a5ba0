import { createHash, randomInt, randomUUID } from 'node:crypto';
import { type FileHandle, link, mkdir, open, readdir, readFile, rename, rm, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { badStorageKey, storageCorrupt, storageDenied, storageUnsupported } from '../storage-error.js';
import { codeOf } from './local-error.js';

/** What of an object its file does not say. */
export interface SideFacts {
  key: string;
  sha256: string;
  metadata: Record<string, string>;
}

/** A file that is complete and on disk, but has no name that anybody sees. */
export interface Draft {
  file: string;
  version: string;
}

const OBJECTS = 'objects';
const FACTS = 'facts';
const INCOMING = 'incoming';
/** A folder that was empty may go while something is put into it. */
const FOLDER_ATTEMPTS = 10;

/**
 * The files of a store: `objects/<key>` is what people see; `facts/<hash of the key>/<version>.json` was written before; `incoming` is what is being
 * written. An object’s version is its file’s time of change, whose microseconds are random: so an object and its facts can never be mixed up with
 * those of another that took its place, whenever the power goes.
 */
export class LocalFolder {
  constructor(private readonly directory: string) {}

  object(key: string): string {
    return path.join(this.directory, OBJECTS, ...key.split('/'));
  }

  get root(): string {
    return path.join(this.directory, OBJECTS);
  }

  /** Throws `storage_denied` when it is not there: a disk that is not mounted must not pass for an empty one, nor be written beside. */
  async check(): Promise<void> {
    if (!(await isFolder(this.directory))) throw storageDenied('The folder of the store is not there.');
  }

  /**
   * Writes what `write` does to a file with no name yet, down to the disk. `claim` is called with versions until it does not fail with EEXIST. What
   * fails leaves nothing behind.
   */
  async draft(write: (file: FileHandle) => Promise<void>, claim?: (version: string) => Promise<void>): Promise<Draft> {
    const file = path.join(this.directory, INCOMING, randomUUID());
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(file, 'wx', 0o600);
    try {
      await write(handle);
      const version = await stamp(handle, claim);
      await handle.sync();
      return { file, version };
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    } finally {
      await handle.close();
    }
  }

  /** Fails with EEXIST when an object of that key has, or had, that version. */
  async writeFacts(version: string, facts: SideFacts): Promise<void> {
    const draft = await this.draft((file) => file.writeFile(JSON.stringify(facts)));
    try {
      await this.linked(draft, this.facts(facts.key, version));
    } finally {
      await this.discard(draft);
    }
  }

  async readFacts(key: string, version: string): Promise<SideFacts | undefined> {
    try {
      return parsed(await readFile(this.facts(key, version), 'utf8'));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Facts of the version that was stored last, for a file that has another time by now: it was copied, or somebody wrote to it. */
  async lastFacts(key: string): Promise<SideFacts | undefined> {
    const names = await readdir(path.dirname(this.facts(key, ''))).catch(() => []);
    const versions = names.map((name) => path.basename(name, '.json')).sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
    const last = versions.at(-1);
    return last === undefined ? undefined : this.readFacts(key, last);
  }

  async removeFacts(key: string, version: string): Promise<void> {
    const file = this.facts(key, version);
    await rm(file, { force: true });
    await rmdir(path.dirname(file)).catch(() => undefined);
  }

  /** Gives a draft its name. With `createOnly`, of several at once exactly one succeeds and the others fail with EEXIST. */
  async publish(draft: Draft, key: string, createOnly: boolean): Promise<void> {
    const target = this.object(key);
    if (createOnly) await this.linked(draft, target);
    else await this.inFolderOf(target, () => rename(draft.file, target));
    await this.discard(draft);
  }

  async discard(draft: Draft): Promise<void> {
    await rm(draft.file, { force: true });
  }

  /** The version that was removed, if there was one; with it go folders that are empty then. */
  async remove(key: string): Promise<string | undefined> {
    const file = this.object(key);
    const version = await this.version(key);
    if (version === undefined) return undefined;
    await rm(file, { force: true });
    for (let folder = path.dirname(file); folder !== this.root; folder = path.dirname(folder)) {
      try {
        await rmdir(folder);
      } catch {
        break;
      }
    }
    return version;
  }

  async version(key: string): Promise<string | undefined> {
    try {
      const found = await stat(this.object(key), { bigint: true });
      return found.isFile() ? String(found.mtimeNs) : undefined;
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) return undefined;
      throw error;
    }
  }

  /** Does once what every put needs. Throws `storage_unsupported` where the file system does not. */
  async tryLink(): Promise<void> {
    const draft = await this.draft(() => Promise.resolve());
    const second = `${draft.file}-linked`;
    try {
      await this.linked(draft, second);
    } finally {
      await rm(second, { force: true });
      await this.discard(draft);
    }
  }

  /** Removes drafts older than that, and facts of objects that never appeared or are gone. Returns how many. */
  async sweep(before: Date): Promise<number> {
    let swept = 0;
    for await (const file of olderFiles(path.join(this.directory, INCOMING), before)) {
      await rm(file, { force: true });
      swept += 1;
    }
    for await (const file of olderFiles(path.join(this.directory, FACTS), before)) {
      const version = path.basename(file, '.json');
      const { key } = parsed(await readFile(file, 'utf8'));
      if ((await this.version(key)) === version) continue;
      await this.removeFacts(key, version);
      swept += 1;
    }
    return swept;
  }

  private facts(key: string, version: string): string {
    const hash = createHash('sha256').update(key).digest('hex');
    return path.join(this.directory, FACTS, hash.slice(0, 2), hash, `${version}.json`);
  }

  private async linked(draft: Draft, target: string): Promise<void> {
    try {
      await this.inFolderOf(target, () => link(draft.file, target));
    } catch (error) {
      // What is said of links: a file here was written right before.
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(codeOf(error) ?? '')) throw error;
      throw storageUnsupported('The file system of the store cannot link files, without which creating is not sure.', error);
    }
  }

  /** Does `work`, which makes that file, in its folder, and has the names down to it on disk. */
  private async inFolderOf(file: string, work: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await makeFolder(path.dirname(file));
        await work();
        break;
      } catch (error) {
        if (['EEXIST', 'EISDIR'].includes(codeOf(error) ?? '') && (await isFolder(file))) throw inTheWay();
        if (codeOf(error) !== 'ENOENT' || attempt === FOLDER_ATTEMPTS) throw error;
      }
    }
    for (let folder = path.dirname(file); folder !== this.directory; folder = path.dirname(folder)) await syncFolder(folder);
    await syncFolder(this.directory);
  }
}

function parsed(text: string): SideFacts {
  try {
    // Nobody else writes there.
    return JSON.parse(text) as SideFacts;
  } catch (error) {
    throw storageCorrupt('What is known of an object cannot be read.', error);
  }
}

/** A time of change of now, with microseconds of its own: a double holds a quarter of one. */
async function stamp(file: FileHandle, claim: (version: string) => Promise<void> = () => Promise.resolve()): Promise<string> {
  for (;;) {
    const seconds = (Date.now() + randomInt(4000) / 4000) / 1000;
    await file.utimes(seconds, seconds);
    const version = String((await file.stat({ bigint: true })).mtimeNs);
    try {
      await claim(version);
      return version;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw ['EEXIST', 'ENOTDIR'].includes(codeOf(error) ?? '') ? inTheWay() : error;
  }
}

async function isFolder(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined))?.isDirectory() === true;
}

function inTheWay(): Error {
  return badStorageKey('In a folder, no object can be named as the folder of another one is.');
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function* olderFiles(folder: string, before: Date): AsyncGenerator<string, void, undefined> {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* olderFiles(file, before);
    else if (((await stat(file).catch(() => undefined))?.mtime ?? before) < before) yield file;
  }
}
