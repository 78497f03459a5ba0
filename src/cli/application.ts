import { userInfo } from 'node:os';
import { type INestApplicationContext } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { createApp } from '../app.setup.js';
import { type AppConfig } from '../config/app-config.js';
import { permissions } from '../platform/auth/permissions.js';
import { type Principal, runInContext } from '../platform/context/request-context.js';
import { commandConfig, requireMigrated, withDatabase } from './database.js';

/** Runs a command inside the application, on a migrated database; the audit trail names whoever called it, as `cli:<user>`. */
export async function withApplication<T>(command: string, work: (app: INestApplicationContext) => Promise<T>): Promise<T> {
  const config = commandConfig();
  return withDatabase(config, async (open) => {
    await requireMigrated(open, config.database.url === undefined);
    return insideApplication(open, (app) =>
      runInContext({ requestId: uuidv7(), principal: cliPrincipal(), method: 'CLI', route: command }, () => work(app)),
    );
  });
}

/** The whole application, without listening. */
export async function insideApplication<T>(config: AppConfig, work: (app: INestApplicationContext) => Promise<T>): Promise<T> {
  const app = await createApp(config);
  try {
    await app.init();
    return await work(app);
  } finally {
    await app.close();
  }
}

/** Whoever may run this program with its configuration may do everything with it: the system's own permissions decide that. */
function cliPrincipal(): Principal {
  const name = `cli:${operatingSystemUser()}`;
  return { kind: 'cli', id: name, name, permissions: new Set(permissions) };
}

function operatingSystemUser(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's user may have a number and no name.
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}
