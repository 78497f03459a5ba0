import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { serverAccount } from './account.js';
import { isReachable } from './folder.js';

/** Where services of a machine keep their data. */
const SYSTEM_HOME = '/var/lib/cadastre';

/**
 * Where the cluster of a project lives: in the wanted folder, or, when root has cloned to a place that the database's account cannot enter
 * (its own home), in the system's. The same answer at every start, so that the data is found again.
 */
export function embeddedHome(wanted: string): string {
  const account = serverAccount(wanted);
  if (!account || isReachable(nearestExisting(wanted), account)) return wanted;
  return join(SYSTEM_HOME, `${basename(dirname(dirname(wanted)))}-${createHash('sha256').update(wanted).digest('hex').slice(0, 8)}`);
}

function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path));
}
