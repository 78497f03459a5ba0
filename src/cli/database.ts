import path from 'node:path';
import { DataSource } from 'typeorm';
import { type AppConfig, loadConfig } from '../config/app-config.js';
import { dataSourceOptions } from '../platform/database/data-source.js';
import { embeddedHome } from '../platform/database/embedded/embedded-home.js';
import { startEmbeddedPostgres } from '../platform/database/embedded/embedded-postgres.js';
import { Migrator } from '../platform/database/migrator.js';
import { CommandError } from './command.js';
import { announceDatabase, runningDatabase } from './running-server.js';

/** The configuration of a command: quiet unless told otherwise, and no background jobs of its own. */
export function commandConfig(): AppConfig {
  const { CADASTRE_LOG_LEVEL = 'warn', ...rest } = process.env;
  return loadConfig({ ...rest, CADASTRE_LOG_LEVEL, CADASTRE_JOBS: 'false' }, process.stdout.isTTY);
}

export interface OpenDatabase {
  config: AppConfig;
  close(): Promise<void>;
}

/** The configured database; else an embedded one of our own, which other commands of this folder may then use. */
export async function openDatabase(config: AppConfig): Promise<OpenDatabase> {
  if (config.database.url !== undefined) return { config, close: () => Promise.resolve() };
  const wanted = path.join(config.varDirectory, 'postgres');
  const directory = embeddedHome(wanted);
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  if (directory !== wanted) log(`The database is kept in ${directory}: the account it runs as cannot enter ${wanted}.`);
  const server = await startEmbeddedPostgres({ directory, log });
  try {
    const withdraw = announceDatabase(config.varDirectory, { url: server.url, directUrl: server.ownerUrl });
    return {
      config: config.withDatabase(server.url, server.ownerUrl),
      close: async () => {
        withdraw();
        await server.stop();
      },
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** Runs a command on the configured database, on that of a running `start`, or on an embedded one started for as long as it takes. */
export async function withDatabase<T>(config: AppConfig, work: (config: AppConfig) => Promise<T>): Promise<T> {
  const running = config.database.url === undefined ? runningDatabase(config.varDirectory) : undefined;
  if (running) return work(config.withDatabase(running.url, running.directUrl));
  const database = await openDatabase(config);
  try {
    return await work(database.config);
  } finally {
    await database.close();
  }
}

/** A connection as the owner of the schema. */
export async function withOwner<T>(config: AppConfig, work: (owner: DataSource) => Promise<T>): Promise<T> {
  const owner = new DataSource(dataSourceOptions(config, config.database.directUrl));
  await owner.initialize();
  try {
    return await work(owner);
  } finally {
    await owner.destroy();
  }
}

/** Brings the schema up to date and returns the migrations that were applied. */
export async function migrateUp(config: AppConfig): Promise<string[]> {
  return withOwner(config, (owner) => new Migrator(owner).up());
}

/** A command must not work on a schema it does not know. An embedded database is ours to bring up to date; another one's owner decides. */
export async function requireMigrated(config: AppConfig, embedded: boolean): Promise<void> {
  if (embedded) {
    await migrateUp(config);
    return;
  }
  const pending = (await withOwner(config, (owner) => new Migrator(owner).states())).filter(({ applied }) => !applied);
  if (pending.length > 0) throw new CommandError(`${pending.length} migrations are pending.\nRun \`cadastre migration up\` first.`);
}
