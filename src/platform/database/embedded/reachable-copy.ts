import { randomBytes } from 'node:crypto';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Only root writes here, so what root finds here is its own. */
const CACHE = '/var/cache/cadastre';

/**
 * A copy of the server programs where an unprivileged account can run them, made once for each version: a clone under root's own home is
 * closed to everybody else. Returns the copy's folder that corresponds to `native`.
 */
export function reachableCopy(native: string): string {
  // The package's own manifest: name and version are there.
  const { name, version } = JSON.parse(readFileSync(join(dirname(native), 'package.json'), 'utf8')) as { name: string; version: string };
  const folder = join(CACHE, `${basename(name)}-${version}`);
  const copy = join(folder, 'native');
  if (existsSync(copy)) return copy;
  mkdirSync(CACHE, { recursive: true, mode: 0o755 });
  chmodSync(CACHE, 0o755);
  const draft = `${folder}.${randomBytes(4).toString('hex')}`;
  cpSync(native, join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
  chmodSync(draft, 0o755);
  try {
    renameSync(draft, folder);
  } catch (error) {
    // Another start was faster.
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(copy)) throw error;
  }
  return copy;
}
