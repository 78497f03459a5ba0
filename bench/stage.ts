import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { loadConfig } from '../src/config/app-config.js';
import { dataSourceOptions } from '../src/platform/database/data-source.js';
import { startEmbeddedPostgres } from '../src/platform/database/embedded/embedded-postgres.js';
import { Migrator } from '../src/platform/database/migrator.js';

/** What is measured is the program, not its limits; they are counted nevertheless. */
export const BOUNDLESS = {
  'limits.adminPerMinute': 10_000_000,
  'limits.userPerMinute': 10_000_000,
  'limits.keyPerMinute': 10_000_000,
  'limits.anonymousPerMinute': 10_000_000,
  'limits.searchPerMinute': 10_000_000,
  'limits.loginPerMinute': 10_000_000,
  'limits.addressPerMinute': 10_000_000,
};

/** A server with its own data, fsync on, and the processes that are measured on it. */
export interface Stage {
  /** Connection as the application's role. */
  url: string;
  /** What the programs are started with. */
  variables: Record<string, string>;
  /** Key of the audit writer's MAC. */
  auditKey: Buffer;
  /** Statements as the owner. */
  sql(text: string, parameters?: unknown[]): Promise<Record<string, string>[]>;
  /** Starts one of the programs beside this file and returns where it listens. */
  start(program: 'app' | 'floor', variables?: Record<string, string>): Promise<string>;
  /** CPU time that the program that listens there has used so far, in microseconds. */
  cpuOf(url: string): Promise<number>;
  close(): Promise<void>;
}

export async function openStage(): Promise<Stage> {
  const folder = await mkdtemp(path.join(tmpdir(), 'cadastre-bench-'));
  await chmod(folder, 0o755);
  const server = await startEmbeddedPostgres({
    directory: path.join(folder, 'postgres'),
    settings: { max_wal_size: '4GB', shared_buffers: '512MB' },
  });
  const schema = new DataSource(dataSourceOptions(loadConfig({}), server.ownerUrl));
  await schema.initialize();
  await new Migrator(schema).up();
  await schema.destroy();
  const owner = new Client(server.ownerUrl);
  await owner.connect();
  const children: ChildProcess[] = [];
  const byUrl = new Map<string, ChildProcess>();
  const auditKey = randomBytes(32);
  const common = {
    DATABASE_URL: server.url,
    CADASTRE_AUDIT_KEY: auditKey.toString('base64url'),
    CADASTRE_VAR_DIR: folder,
    CADASTRE_PORT: '0',
    CADASTRE_LOG_LEVEL: 'warn',
    CADASTRE_ACCESS_TOKEN_TTL_S: '3600',
    CADASTRE_PINNED_SETTINGS: JSON.stringify(BOUNDLESS),
  };
  return {
    url: server.url,
    variables: common,
    auditKey,
    sql: async (text, parameters = []) => (await owner.query<Record<string, string>>(text, parameters)).rows,
    start: async (program, variables = {}) => {
      const child = fork(new URL(`${program}.js`, import.meta.url), {
        env: {
          PATH: process.env.PATH,
          ...common,
          ...variables,
        },
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      children.push(child);
      return new Promise<string>((resolve, reject) => {
        // The first message of both programs is their URL.
        child.once('message', (message) => {
          byUrl.set(message as string, child);
          resolve(message as string);
        });
        child.once('exit', (code) => {
          reject(new Error(`${program} ended with ${String(code)}`));
        });
      });
    },
    cpuOf: (url) =>
      new Promise((resolve) => {
        const child = byUrl.get(url);
        child?.once('message', (message) => {
          const { user, system } = message as NodeJS.CpuUsage;
          resolve(user + system);
        });
        child?.send('cpu');
      }),
    close: async () => {
      for (const child of children) child.kill('SIGKILL');
      await owner.end();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A subnet of the default VRF, `full` of it allocated from the bottom up; returns its id. */
export async function seedPool(stage: Stage, network: string, allocated: bigint, named = false): Promise<string> {
  const id = (await stage.sql('SELECT uuidv7() AS id'))[0]?.id ?? '';
  await stage.sql(
    `INSERT INTO pools (id, vrf_id, parent_id, kind, name, network, cooldown_seconds)
     SELECT $1, v.id, (ipam_make_room(v.id, $2, $1)).parent_id, 'subnet', $3, $2, 0 FROM vrfs v WHERE v.is_default`,
    [id, network, network],
  );
  const batch = 100_000n;
  for (let from = 0n; from < allocated; from += batch) {
    const to = from + batch < allocated ? from + batch : allocated;
    await stage.sql(
      `INSERT INTO allocations (vrf_id, pool_id, address, last_address, status, hostname, mac, owner)
       SELECT p.vrf_id, p.id, a, a, 'allocated', CASE WHEN $4 THEN 'host' || n || '.bench.example.net' END,
              CASE WHEN $4 THEN ('02:00:' || regexp_replace(lpad(to_hex(n), 8, '0'), '(..)(..)(..)(..)', '\\1:\\2:\\3:\\4'))::macaddr END, CASE WHEN $4 THEN 'team ' || n % 500 END
         FROM pools p, ipam_usable(p.kind, p.network) u, generate_series($2::bigint, $3::bigint - 1) n, ipam_inet(p.family, u.lo + n) a WHERE p.id = $1`,
      [id, from.toString(), to.toString(), named],
    );
  }
  await stage.sql('VACUUM ANALYZE allocations, extents, pool_usage, pools');
  return id;
}
