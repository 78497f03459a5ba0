import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Pool, type QueryResultRow } from 'pg';
import supertest, { type Agent } from 'supertest';
import { createApp } from '../../src/app.setup.js';
import { loadConfig } from '../../src/config/app-config.js';
import { createTestDatabase, PATIENT_POOL_MS, SHARED_SECRET_KEYS, type TestDatabase } from './test-database.js';
import { withTestPins } from './test-pins.js';

/** Extends supertest's agent with a base URL and, once signed in, a bearer token. */
export interface TestApp {
  app: NestFastifyApplication;
  database: TestDatabase;
  /** Where it listens: real HTTP on a free port of the loopback. */
  url: string;
  /** Calls without credentials. */
  anonymous: Agent;
  /** Rows as superuser, past the application. */
  sql<T extends QueryResultRow = QueryResultRow>(text: string, parameters?: unknown[]): Promise<T[]>;
  close(): Promise<void>;
}

/** The whole application as the server runs it, on its own database and port. */
export async function startTestApp(variables: Record<string, string> = {}, database?: TestDatabase): Promise<TestApp> {
  const own = database ?? (await createTestDatabase());
  const folder = await mkdtemp(path.join(tmpdir(), 'cadastre-test-'));
  const config = loadConfig({
    CADASTRE_ENV: 'test',
    CADASTRE_VAR_DIR: folder,
    CADASTRE_LOG_LEVEL: 'silent',
    CADASTRE_PORT: '0',
    DATABASE_URL: own.url,
    DATABASE_DIRECT_URL: own.ownerUrl,
    DATABASE_POOL_TIMEOUT_MS: PATIENT_POOL_MS,
    CADASTRE_SECRET_KEYS: SHARED_SECRET_KEYS,
    ...withTestPins(variables),
  });
  const app = await createApp(config);
  await app.listen(config.http.port, config.http.host);
  const admin = new Pool({ connectionString: own.adminUrl, max: 1 });
  // The database is dropped under it at the end.
  admin.on('error', () => undefined);
  const url = await app.getUrl();
  return {
    app,
    database: own,
    url,
    anonymous: supertest.agent(url),
    sql: async <T extends QueryResultRow>(text: string, parameters: unknown[] = []) => (await admin.query<T>(text, parameters)).rows,
    close: async () => {
      await app.close();
      await admin.end();
      if (!database) await own.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
