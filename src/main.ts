import { loadConfig } from './config/app-config.js';
import { ConfigError } from './config/environment.js';
import { type RunningServer, serve } from './server.js';

/** EX_CONFIG of sysexits.h: starting again will not help. */
const EXIT_CONFIG = 78;
const EXIT_FORCED = 130;
/** Longer than anything a graceful stop waits for; what is not finished by then never will be. */
const STOP_WITHIN_MS = 30_000;

let stopping = false;

try {
  const server = await serve(loadConfig(process.env, process.stdout.isTTY));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(server));
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : error);
  // Now, and not when whatever was opened on the way is closed for being idle.
  process.exit(error instanceof ConfigError ? EXIT_CONFIG : 1);
}

async function stop(server: RunningServer): Promise<void> {
  // Asked twice: somebody is in a hurry.
  if (stopping) process.exit(EXIT_FORCED);
  stopping = true;
  setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref();
  await server.close().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
}
