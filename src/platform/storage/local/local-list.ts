import { type Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { type ListedObject } from '../object-storage.js';
import { codeOf } from './local-error.js';

/**
 * The objects below a folder in the order of their keys, from after `after` on. Only folders that may hold some are read, one at a time on each
 * level. A folder sorts as its name with a slash: `a-b` comes before `a/b`, as in a bucket.
 */
export async function* walk(root: string, prefix: string, after: string, below = ''): AsyncGenerator<ListedObject, void, undefined> {
  const names = (await entriesOf(path.join(root, below))).map((entry) => below + entry.name + (entry.isDirectory() ? '/' : ''));
  for (const name of names.sort(byBytes)) {
    if (name.endsWith('/')) {
      const mayHold = name.startsWith(prefix) || prefix.startsWith(name);
      // Everything in it begins with its name: it is all before `after`, or `after` is in it.
      if (mayHold && (name > after || after.startsWith(name))) yield* walk(root, prefix, after, name);
    } else if (name.startsWith(prefix) && name > after) {
      const found = await stat(path.join(root, name)).catch(() => undefined);
      if (found) yield { key: name, bytes: found.size, storedAt: found.mtime };
    }
  }
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    // Nothing was stored yet, or it was removed since.
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Keys are ASCII, where the order of code units is that of bytes. */
function byBytes(a: string, b: string): number {
  return a < b ? -1 : 1;
}
