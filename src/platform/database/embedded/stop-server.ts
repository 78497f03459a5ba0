import { setTimeout as sleep } from 'node:timers/promises';
import { EmbeddedPostgresError } from './embedded-error.js';
import { hasCode } from './files.js';
import { backendsOf } from './processes.js';

/** Fast shutdown; harsher when it does not end. Whatever the last step, nothing committed is lost. */
export async function stopServer(signal: (name: NodeJS.Signals) => void, ended: () => boolean | Promise<boolean>): Promise<void> {
  const steps = [
    ['SIGINT', 20_000],
    ['SIGQUIT', 10_000],
    ['SIGKILL', 5_000],
  ] as const;
  for (const [name, patience] of steps) {
    if (await ended()) return;
    send(signal, name);
    const deadline = Date.now() + patience;
    while (Date.now() < deadline) {
      if (await ended()) return;
      await sleep(15);
    }
  }
  throw new EmbeddedPostgresError(
    'The embedded PostgreSQL does not stop, not even when killed.',
    'Its disk may be hanging: look at the system log.',
  );
}

/** Ends backends whose postmaster is dead: one that computes would notice only when its statement is through, hours later perhaps. */
export function endOrphanedBackends(data: string): void {
  for (const pid of backendsOf(data)) send((name) => process.kill(pid, name), 'SIGQUIT');
}

function send(signal: (name: NodeJS.Signals) => void, name: NodeJS.Signals): void {
  try {
    signal(name);
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}
