import { loadConfig } from '../config/app-config.js';
import { serve } from '../server.js';
import { type Command, parseNothing, say } from './command.js';
import { migrateUp, openDatabase, type OpenDatabase } from './database.js';
import { createFirstAdministrator } from './first-administrator.js';
import { programVersion } from './version.js';

export const start: Command = {
  usage: ['start'],
  summary: 'Start the server, with an embedded PostgreSQL when DATABASE_URL is not set; Ctrl-C stops it.',
  async run(args) {
    parseNothing(args);
    const config = loadConfig(process.env, process.stdout.isTTY);
    const stop = stopRequest();
    const database = await openDatabase(config);
    try {
      if (stop.requested) return 0;
      return await runOn(database, stop);
    } finally {
      await database.close();
      stop.forget();
    }
  },
};

async function runOn({ config }: OpenDatabase, stop: StopRequest): Promise<number> {
  await migrateUp(config);
  const first = await createFirstAdministrator(config);
  // Shown before anything else can fail: it cannot be had again.
  if (first) say(welcome(first));
  if (stop.requested) return 0;
  const server = await serve(config);
  try {
    say(ready(server.url, config.http.docs));
    await stop.made;
    say('Stopping…');
  } finally {
    await server.close();
  }
  return 0;
}

function welcome({ username, password }: { username: string; password: string }): string {
  return `
The first administrator was made. This password is shown once and must be changed at the first login:

  username  ${username}
  password  ${password}

Sign in:  POST /api/v1/auth/login, then POST /api/v1/me/password`;
}

function ready(url: string, docs: boolean): string {
  return `
Cadastre ${programVersion()} is ready. Ctrl-C stops it.

  API     ${url}/api/v1
${docs ? `  Docs    ${url}/docs\n` : ''}  Health  ${url}/health/ready
`;
}

interface StopRequest {
  readonly requested: boolean;
  /** Resolves with the first signal. */
  made: Promise<void>;
  /** Signals end the process again, as they do by default. */
  forget(): void;
}

/** The first signal asks to stop; the second one ends the process at once, and its database with it. */
function stopRequest(): StopRequest {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  let requested = false;
  let resolve: () => void = () => undefined;
  const made = new Promise<void>((done) => (resolve = done));
  const onSignal = (): void => {
    if (requested) process.exit(130);
    requested = true;
    resolve();
  };
  for (const signal of signals) process.on(signal, onSignal);
  return {
    get requested() {
      return requested;
    },
    made,
    forget: () => {
      for (const signal of signals) process.removeListener(signal, onSignal);
    },
  };
}
