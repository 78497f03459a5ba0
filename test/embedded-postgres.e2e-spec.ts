import { transformFileSync } from '@swc/core';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { EmbeddedPostgresError } from '../src/platform/database/embedded/embedded-error.js';
import { type EmbeddedServer, startEmbeddedPostgres } from '../src/platform/database/embedded/embedded-postgres.js';
import { eventually } from './support/eventually.js';

const settings = { fsync: 'off', shared_buffers: '16MB', max_connections: '10' };
const base = mkdtempSync(join(tmpdir(), 'cadastre-embedded-'));
const servers = new Set<EmbeddedServer>();
const children = new Set<ChildProcess>();
let folders = 0;

const newFolder = (): string => join(base, `folder-${++folders}`);

async function start(directory: string): Promise<EmbeddedServer> {
  const server = await startEmbeddedPostgres({ directory, settings });
  servers.add(server);
  return server;
}

async function refusal(directory: string): Promise<EmbeddedPostgresError> {
  const error: unknown = await start(directory).catch((thrown: unknown) => thrown);
  if (!(error instanceof EmbeddedPostgresError)) throw new Error('expected an EmbeddedPostgresError', { cause: error });
  return error;
}

async function ask(url: string, sql: string): Promise<unknown> {
  const client = new Client({ connectionString: url });
  // The server is killed under it in one test; the statement that waits is told as well.
  client.on('error', () => undefined);
  await client.connect();
  try {
    // Several statements give several results.
    const results = [await client.query<{ answer?: unknown }>(sql)].flat();
    return results.at(-1)?.rows[0]?.answer;
  } finally {
    await client.end();
  }
}

const listens = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => {
      done(false);
    });
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
  });

const postmasterPid = (directory: string): number => Number(readFileSync(join(directory, 'data', 'postmaster.pid'), 'utf8').split('\n')[0]);

async function until(happens: () => boolean): Promise<void> {
  while (!happens()) await sleep(5);
}

/** Another Node process, as an ordinary user also when the tests run as root. It prints one line of JSON and lives until told to end. */
const driver = `
if (process.getuid?.() === 0 && process.argv[3] === 'ordinary') { process.setgroups([]); process.setgid(65534); process.setuid(65534); }
const { startEmbeddedPostgres } = await import('./embedded-postgres.js');
try {
  const server = await startEmbeddedPostgres({ directory: process.argv[2], settings: ${JSON.stringify(settings)} });
  console.log(JSON.stringify({ url: server.url, port: server.port }));
  process.stdin.once('data', () => server.stop().then(() => process.exit(0)));
} catch (error) {
  console.log(JSON.stringify({ name: error.name, message: error.message }));
}`;

interface Answer {
  url?: string;
  port?: number;
  name?: string;
  message?: string;
}

function startElsewhere(directory: string, as: 'ordinary' | 'same' = 'same'): { child: ChildProcess; answer: Promise<Answer> } {
  const child = spawn(process.execPath, [join(base, 'code', 'driver.js'), directory, as], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.add(child);
  const answer = new Promise<Answer>((done) => {
    child.stdout.once('data', (line: Buffer) => {
      done(JSON.parse(line.toString()) as Answer);
    });
  });
  return { child, answer };
}

const ended = (child: ChildProcess): Promise<unknown> => new Promise((done) => child.once('exit', done));

beforeAll(() => {
  // Children run plain Node, which reads no TypeScript; compiled here so that no stale build is tested.
  const code = join(base, 'code');
  const source = resolve(import.meta.dirname, '../src/platform/database/embedded');
  mkdirSync(code);
  chmodSync(base, 0o755);
  for (const file of readdirSync(source).filter((name) => !name.endsWith('.spec.ts'))) {
    const { code: text } = transformFileSync(join(source, file), {
      jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
      module: { type: 'es6' },
    });
    writeFileSync(join(code, file.replace(/ts$/, 'js')), text);
  }
  writeFileSync(join(code, 'driver.js'), driver);
  writeFileSync(join(code, 'package.json'), '{"type":"module"}');
  symlinkSync(resolve(import.meta.dirname, '../node_modules'), join(code, 'node_modules'));
});

afterEach(async () => {
  for (const server of servers) await server.stop();
  servers.clear();
});

afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(base, { recursive: true, force: true });
});

describe('the embedded PostgreSQL', () => {
  it('O9: starts from nothing, answers at its three addresses with the rights each promises, and leaves nothing listening', async () => {
    const server = await start(newFolder());
    expect(await ask(server.url, `SELECT current_user || ' ' || pg_has_role('cadastre_app', 'USAGE') AS answer`)).toBe('cadastre true');
    expect(await ask(server.adminUrl, 'SELECT rolsuper AS answer FROM pg_roles WHERE rolname = current_user')).toBe(true);
    await ask(
      server.ownerUrl,
      'CREATE EXTENSION btree_gist; CREATE EXTENSION pg_trgm; CREATE ROLE readers; GRANT cadastre_app TO readers; CREATE TABLE t ()',
    );
    await expect(ask(server.url, 'CREATE TABLE u ()')).rejects.toThrow('permission denied');
    expect(await ask(server.adminUrl, `SELECT current_setting('unix_socket_directories') AS answer`)).toBe('');
    expect(
      await ask(
        server.adminUrl,
        `SELECT datcollate || ' ' || pg_encoding_to_char(encoding) AS answer FROM pg_database WHERE datname = 'cadastre'`,
      ),
    ).toBe('C.UTF-8 UTF8');
    await server.stop();
    await server.stop();
    expect(await listens(server.port)).toBe(false);
  });

  it('O9: keeps its data and passwords over a restart, and makes its roles only once', async () => {
    const folder = newFolder();
    const first = await start(folder);
    await ask(first.ownerUrl, 'CREATE TABLE kept AS SELECT 42 AS answer; GRANT SELECT ON kept TO cadastre_app');
    await first.stop();
    const second = await start(folder);
    expect(await ask(second.url, 'SELECT answer FROM kept')).toBe(42);
    expect(new URL(second.url).password).toBe(new URL(first.url).password);
  });

  it('O9: sets new passwords when the file that holds them is lost', async () => {
    const folder = newFolder();
    const first = await start(folder);
    await first.stop();
    rmSync(join(folder, 'passwords.json'));
    const second = await start(folder);
    expect(await ask(second.url, 'SELECT 1 AS answer')).toBe(1);
    expect(new URL(second.url).password).not.toBe(new URL(first.url).password);
  });

  it('O9: recovers what was committed when the server was killed, whatever its backends were doing', async () => {
    const folder = newFolder();
    const first = await start(folder);
    await ask(first.ownerUrl, 'CREATE TABLE kept AS SELECT 42 AS answer; GRANT SELECT ON kept TO cadastre_app');
    const busy = ask(first.ownerUrl, 'SELECT count(*) FROM generate_series(1, 1000000000)').catch((error: unknown) => error);
    const computing = `SELECT count(*) > 0 AS answer FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%1000000000%' AND pid <> pg_backend_pid()`;
    await eventually(async () => (await ask(first.adminUrl, computing)) === true);
    process.kill(postmasterPid(folder), 'SIGKILL');
    await until(() => !existsSync(join(folder, 'owner.pid')));
    const second = await start(folder);
    expect(await ask(second.url, 'SELECT answer FROM kept')).toBe(42);
    expect(await busy).toBeInstanceOf(Error);
  });

  it.each([
    ['of a process long gone', '999999999\n/nowhere\n1\n5432\n\n127.0.0.1\n0 0\nready\n'],
    ['that now belongs to a stranger', `${process.pid}\n/nowhere\n1\n5432\n\n127.0.0.1\n0 0\nready\n`],
    ['that was cut short', ''],
  ])('O9: starts over a pid file %s', async (_what, text) => {
    const folder = newFolder();
    const first = await start(folder);
    await first.stop();
    writeFileSync(join(folder, 'data', 'postmaster.pid'), text);
    const second = await start(folder);
    expect(await ask(second.url, 'SELECT 1 AS answer')).toBe(1);
  });

  it('O9: refuses a second start in the same folder, naming the process that holds it', async () => {
    const folder = newFolder();
    const server = await start(folder);
    const here = await refusal(folder);
    expect(here.message).toContain(`already running (pid ${process.pid})`);
    expect(here.remedy).toContain('DATABASE_URL');
    expect(await startElsewhere(folder).answer).toMatchObject({ name: 'EmbeddedPostgresError', message: here.message });
    expect(await ask(server.url, 'SELECT 1 AS answer')).toBe(1);
  });

  it('O9: of two first starts at once one wins; two folders do not meet', async () => {
    const [folder, other] = [newFolder(), newFolder()];
    const outcomes = await Promise.allSettled([start(folder), start(folder), start(other)]);
    expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    const ports = [...servers].map((server) => server.port);
    expect(new Set(ports).size).toBe(2);
  });

  it('O9: stops the server that a killed process left running, and starts anew', async () => {
    const folder = newFolder();
    const { child, answer } = startElsewhere(folder);
    const { port = 0 } = await answer;
    const orphan = postmasterPid(folder);
    child.kill('SIGKILL');
    await ended(child);
    expect(await listens(port)).toBe(true);
    const server = await start(folder);
    expect(await listens(port)).toBe(false);
    expect(postmasterPid(folder)).not.toBe(orphan);
    expect(await ask(server.url, 'SELECT 1 AS answer')).toBe(1);
  });

  it('O9: begins again when an earlier run was killed in the middle of creating the cluster', async () => {
    const folder = newFolder();
    const { child } = startElsewhere(folder);
    await until(() => existsSync(folder) && readdirSync(folder).some((name) => name.startsWith('data.new')));
    child.kill('SIGKILL');
    await ended(child);
    expect(existsSync(join(folder, 'data'))).toBe(false);
    const server = await start(folder);
    expect(await ask(server.url, 'SELECT 1 AS answer')).toBe(1);
    expect(readdirSync(folder).filter((name) => name.startsWith('data'))).toEqual(['data']);
  });

  it('O9: refuses the cluster of another PostgreSQL and a folder that is none, and leaves both as they are', async () => {
    const [older, strange] = [newFolder(), newFolder()];
    mkdirSync(join(older, 'data'), { recursive: true });
    writeFileSync(join(older, 'data', 'PG_VERSION'), '17\n');
    mkdirSync(join(strange, 'data'), { recursive: true });
    writeFileSync(join(strange, 'data', 'notes.txt'), 'mine');
    expect((await refusal(older)).message).toMatch(/made by PostgreSQL 17; the embedded server is PostgreSQL 18/);
    expect((await refusal(strange)).message).toContain('no PostgreSQL cluster');
    expect(readdirSync(join(strange, 'data'))).toEqual(['notes.txt']);
  });

  it('O9: shows what the server said when it does not start, and gives the folder free', async () => {
    const folder = newFolder();
    const broken = startEmbeddedPostgres({ directory: folder, settings: { ...settings, work_mem: 'much' } });
    await expect(broken).rejects.toThrow(/did not start[^]*invalid value for parameter "work_mem"/);
    expect(await ask((await start(folder)).url, 'SELECT 1 AS answer')).toBe(1);
  });
});

describe('the embedded PostgreSQL of an ordinary user', () => {
  const openFolder = (): string => {
    const folder = newFolder();
    mkdirSync(folder);
    chmodSync(folder, 0o777);
    return folder;
  };

  it('O9: starts, answers, stops, and opens what it made before', async () => {
    const folder = join(openFolder(), 'postgres');
    for (let round = 0; round < 2; round++) {
      const { child, answer } = startElsewhere(folder, 'ordinary');
      const { url = '', port = 0 } = await answer;
      expect(await ask(url, 'SELECT 1 AS answer')).toBe(1);
      child.stdin?.write('stop');
      await ended(child);
      expect(await listens(port)).toBe(false);
    }
  });

  it('O9: names a folder it may not read, and what to do', async () => {
    const folder = join(openFolder(), 'postgres');
    const { child, answer } = startElsewhere(folder, 'ordinary');
    await answer;
    child.stdin?.write('stop');
    await ended(child);
    chmodSync(folder, 0o000);
    const { message } = await startElsewhere(folder, 'ordinary').answer;
    chmodSync(folder, 0o700);
    expect(message).toContain(`${folder}, cannot be read and written`);
    expect(message).toContain('DATABASE_URL');
  });

  it('O9: names the owner of a folder that an earlier run by root left', async () => {
    const { name, message } = await startElsewhere('/', 'ordinary').answer;
    expect(name).toBe('EmbeddedPostgresError');
    expect(message).toMatch(/belongs to `root`[^]*chown/);
  });
});
