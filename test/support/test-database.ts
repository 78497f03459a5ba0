import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { loadConfig } from '../../src/config/app-config.js';
import { dataSourceOptions } from '../../src/platform/database/data-source.js';
import { Migrator } from '../../src/platform/database/migrator.js';

const migrationsFolder = new URL('../../migrations/', import.meta.url);

/** What instances that share a database have to share too. */
export const SHARED_SECRET_KEYS = `test:${Buffer.from('0123456789abcdefghijklmnopqrstuv').toString('base64url')}`;

/** How long a test's process waits for a connection: two workers and their servers share two cores, which may be slow, and no test is about that. */
export const PATIENT_POOL_MS = '15000';

export interface TestDatabase {
  /** As the application's role. */
  url: string;
  /** As the owner of the schema. */
  ownerUrl: string;
  /** As a superuser: what an attacker inside the database could do. */
  adminUrl: string;
  drop(): Promise<void>;
}

function serverUrl(variable: 'TEST_DATABASE_ADMIN_URL' | 'TEST_DATABASE_OWNER_URL' | 'TEST_DATABASE_URL', database: string): string {
  const value = process.env[variable];
  if (value === undefined) throw new Error(`${variable} is not set: run the tests through npm test`);
  const url = new URL(value);
  url.pathname = database;
  return url.href;
}

/** One statement as superuser on a connection of its own. */
async function asAdmin<T>(database: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(serverUrl('TEST_DATABASE_ADMIN_URL', database));
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** One migrated database for each state of the migrations folder. */
function templateName(): string {
  const hash = createHash('sha256');
  for (const file of readdirSync(migrationsFolder).sort()) hash.update(file).update(readFileSync(new URL(file, migrationsFolder)));
  return `template_${hash.digest('hex').slice(0, 12)}`;
}

async function ensureTemplate(admin: Client, name: string): Promise<void> {
  const found = await admin.query('SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate', [name]);
  if (found.rowCount === 1) return;
  await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await admin.query(`CREATE DATABASE ${name} OWNER ${new URL(serverUrl('TEST_DATABASE_OWNER_URL', name)).username}`);
  const fresh = new DataSource(dataSourceOptions(loadConfig({}), serverUrl('TEST_DATABASE_OWNER_URL', name)));
  await fresh.initialize();
  await new Migrator(fresh).up();
  await fresh.destroy();
  await admin.query(`ALTER DATABASE ${name} IS_TEMPLATE true`);
}

/** A private copy of the migrated schema: nothing to truncate, nothing shared. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const template = templateName();
  const name = `test_${randomBytes(6).toString('hex')}`;
  await asAdmin('postgres', async (admin) => {
    await admin.query('BEGIN');
    // Held on a second connection: CREATE DATABASE cannot run inside the transaction that holds it.
    await admin.query(`SELECT pg_advisory_xact_lock(hashtextextended('cadastre test template', 0))`);
    await asAdmin('postgres', async (worker) => {
      await ensureTemplate(worker, template);
      await worker.query(
        `CREATE DATABASE ${name} TEMPLATE ${template} OWNER ${new URL(serverUrl('TEST_DATABASE_OWNER_URL', name)).username}`,
      );
    });
    await admin.query('COMMIT');
  });
  return named(name);
}

/** A copy of a database that nobody is connected to. */
export async function copyTestDatabase(of: TestDatabase): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  const original = new URL(of.adminUrl).pathname.slice(1);
  await asAdmin('postgres', async (admin) => {
    await admin.query(
      `CREATE DATABASE ${name} TEMPLATE ${original} OWNER ${new URL(serverUrl('TEST_DATABASE_OWNER_URL', name)).username} STRATEGY file_copy`,
    );
  });
  return named(name);
}

function named(name: string): TestDatabase {
  return {
    url: serverUrl('TEST_DATABASE_URL', name),
    ownerUrl: serverUrl('TEST_DATABASE_OWNER_URL', name),
    adminUrl: serverUrl('TEST_DATABASE_ADMIN_URL', name),
    drop: () =>
      asAdmin('postgres', async (admin) => {
        await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      }),
  };
}
