import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { type EmbeddedServer, startEmbeddedPostgres } from '../src/platform/database/embedded/embedded-postgres.js';
import { eventually } from './support/eventually.js';
import { runCadastre, startCadastre } from './support/run-cadastre.js';

const manual = readFileSync(new URL('../docs/operations.md', import.meta.url), 'utf8');

describe('an existing PostgreSQL, prepared as operations.md says', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'cadastre-docs-'));
  let server: EmbeddedServer;
  let env: Record<string, string>;

  beforeAll(async () => {
    chmodSync(folder, 0o755);
    const settings = { fsync: 'off', shared_buffers: '32MB', max_connections: '40' };
    server = await startEmbeddedPostgres({ directory: path.join(folder, 'postgres'), settings });
    // Left as a server that has never heard of this program.
    await asAdmin('DROP DATABASE cadastre', 'DROP ROLE cadastre, cadastre_owner, cadastre_app');
    const sql = /^```sql\n(.*?)^```$/ms.exec(manual)?.[1] ?? '';
    await asAdmin(...sql.trim().split('\n'));
    const urlOf = (role: string): string => {
      const password = new RegExp(`ROLE ${role} LOGIN PASSWORD '([^']+)'`).exec(sql)?.[1] ?? '';
      return `postgres://${role}:${password}@127.0.0.1:${server.port}/cadastre`;
    };
    env = { CADASTRE_VAR_DIR: path.join(folder, 'var'), DATABASE_URL: urlOf('cadastre'), DATABASE_DIRECT_URL: urlOf('cadastre_owner') };
  }, 60_000);

  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function asAdmin(...statements: string[]): Promise<void> {
    await query(server.adminUrl, ...statements);
  }

  it('O9: starts there, migrates, makes the first administrator once, and stops with 0', async () => {
    expect((await runCadastre(['migration', 'pending'], env)).code).toBe(1);
    for (const first of [true, false]) {
      const { child, output } = startCadastre(['start'], { ...env, CADASTRE_PORT: '0', CADASTRE_LOG_LEVEL: 'warn' });
      await eventually(() => output().includes('is ready') || child.exitCode !== null, 60_000);
      expect(output().includes('The first administrator was made.')).toBe(first);
      child.kill('SIGTERM');
      expect(await once(child, 'exit')).toEqual([0, null]);
    }
    expect((await runCadastre(['migration', 'pending'], env)).code).toBe(0);
    expect(existsSync(path.join(folder, 'var', 'postgres'))).toBe(false);
  }, 120_000);

  it('A3, ASVS 13.2.2: the application’s role cannot change the trail, nor switch its triggers off', async () => {
    const asApplication = (statement: string): Promise<void> => query(env.DATABASE_URL ?? '', statement);
    await asApplication('SELECT FROM audit_log');
    await expect(asApplication('DELETE FROM audit_inbox')).rejects.toThrow(/permission denied/);
    await expect(asApplication(`UPDATE audit_log SET action = 'none'`)).rejects.toThrow(/permission denied/);
    await expect(asApplication('ALTER TABLE audit_log DISABLE TRIGGER ALL')).rejects.toThrow(/must be owner/);
    await expect(asApplication('ALTER TABLE allocations DISABLE TRIGGER ALL')).rejects.toThrow(/must be owner/);
  });

  it('O8: the commands do there what the page says', async () => {
    expect(await runCadastre(['ipam', 'verify'], env)).toMatchObject({ code: 0 });
    expect((await runCadastre(['admin', 'create', 'grace'], env)).output).toMatch(/password {2}\S{27}\n/);
    const refused = await runCadastre(['migration', 'down', '99'], env);
    expect([refused.code, refused.output]).toEqual([1, expect.stringMatching(/would destroy the rows of .*users/)]);
    const destroyed = await runCadastre(['migration', 'down', '99', '--destroy'], env);
    expect([destroyed.code, destroyed.output]).toEqual([0, expect.stringMatching(/exported 2 rows of users to .*\n\s+\\copy users /)]);
    expect(await runCadastre(['migration', 'up'], env)).toMatchObject({ code: 0 });
  }, 120_000);

  it('O9: one role can do both', async () => {
    await asAdmin(`CREATE ROLE single LOGIN PASSWORD 'a-long-enough-one'`, 'CREATE DATABASE single OWNER single');
    const url = `postgres://single:a-long-enough-one@127.0.0.1:${server.port}/single`;
    const alone = { CADASTRE_VAR_DIR: path.join(folder, 'single'), DATABASE_URL: url };
    expect(await runCadastre(['migration', 'up'], alone)).toMatchObject({ code: 0 });
    expect(await runCadastre(['admin', 'create', 'grace'], alone)).toMatchObject({ code: 0 });
    await expect(query(url, 'DELETE FROM audit_inbox')).rejects.toThrow(/insert-only/);
  }, 60_000);
});

async function query(url: string, ...statements: string[]): Promise<void> {
  const client = new Client(url);
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
