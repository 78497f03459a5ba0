import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { eventually } from './support/eventually.js';
import { runCadastre, startCadastre } from './support/run-cadastre.js';
import { createTestDatabase, type TestDatabase } from './support/test-database.js';

const LONG = 120_000;
const NEW_PASSWORD = 'kestrel over the quiet harbour';

interface Started {
  child: ChildProcess;
  output: () => string;
  url: string;
}

describe('the command line', () => {
  // Root's embedded server runs as another account, which must get in.
  const scratch = mkdtempSync(path.join(tmpdir(), 'cadastre-cli-'));
  chmodSync(scratch, 0o755);
  const own = { CADASTRE_VAR_DIR: path.join(scratch, 'var'), CADASTRE_PORT: '0', CADASTRE_LOG_LEVEL: 'warn' };
  const running = new Set<ChildProcess>();
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => {
    for (const child of running) child.kill('SIGKILL');
    await database.drop();
    rmSync(scratch, { recursive: true, force: true });
  });

  async function start(variables: Record<string, string> = own): Promise<Started> {
    const { child, output } = startCadastre(['start'], variables);
    running.add(child);
    child.once('close', () => running.delete(child));
    const url = await eventually(() => {
      if (child.exitCode !== null) throw new Error(output());
      return /is ready[\s\S]*?API +(http:\S+)\/api\/v1\n/.exec(output())?.[1];
    }, 60_000);
    return { child, output, url };
  }
  async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<unknown[]> {
    child.kill(signal);
    return once(child, 'close');
  }
  const oneTimePassword = (output: string): string => /password {2}(\S+)/.exec(output)?.[1] ?? '';
  const post = (url: string, body: object, token = '') =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    });
  async function logIn(url: string, password: string): Promise<{ status: number; accessToken: string; mustChangePassword: boolean }> {
    const answer = await post(`${url}/api/v1/auth/login`, { username: 'admin', password });
    return { status: answer.status, ...((await answer.json()) as { accessToken: string; mustChangePassword: boolean }) };
  }
  const databasePort = (): number => {
    const { url } = JSON.parse(readFileSync(path.join(own.CADASTRE_VAR_DIR, 'run', 'database.json'), 'utf8')) as { url: string };
    return Number(new URL(url).port);
  };
  const listens = (port: number): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('error', () => {
        resolve(false);
      });
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
    });

  describe('on a bare machine', () => {
    let server: Started;
    let ports: number[];

    it(
      'O9, U11: starts everything, and shows the first administrator’s one-time password once',
      async () => {
        server = await start();
        ports = [Number(new URL(server.url).port), databasePort()];
        const password = oneTimePassword(server.output());
        expect(server.output()).toMatch(/username +admin\n/);
        expect(server.output().split(password)).toHaveLength(2);
        expect(await fetch(`${server.url}/health/ready`)).toMatchObject({ status: 200 });
        expect(await fetch(`${server.url}/docs`)).toMatchObject({ status: 200 });
        const first = await logIn(server.url, password);
        expect(first).toMatchObject({ status: 200, mustChangePassword: true });
        const vrfs = await fetch(`${server.url}/api/v1/ipam/vrfs`, { headers: { authorization: `Bearer ${first.accessToken}` } });
        expect([vrfs.status, await vrfs.json()]).toEqual([403, expect.objectContaining({ code: 'password_change_required' })]);
        const changed = await post(
          `${server.url}/api/v1/me/password`,
          { currentPassword: password, newPassword: NEW_PASSWORD },
          first.accessToken,
        );
        expect(changed.ok).toBe(true);
        expect(await logIn(server.url, NEW_PASSWORD)).toMatchObject({ status: 200, mustChangePassword: false });
      },
      LONG,
    );

    it(
      'O8: other commands use the database that runs, and the trail says who called them',
      async () => {
        expect(statSync(path.join(own.CADASTRE_VAR_DIR, 'run', 'database.json')).mode & 0o777).toBe(0o600);
        const file = path.join(scratch, 'prefixes.csv');
        writeFileSync(file, 'prefix,status,site\n10.0.0.0/8,container,\n10.0.0.0/33,active,\n');
        const rehearsed = await runCadastre(['import', 'netbox', '--prefixes', file, '--dry-run'], own);
        expect(rehearsed).toMatchObject({ code: 0, output: expect.stringContaining('1 created') as string });
        const imported = await runCadastre(['import', 'netbox', '--prefixes', file], own);
        expect(imported.output).toContain('prefixes:3: prefix_length: 10.0.0.0/33: ');
        expect(imported.output).toContain('prefixes: 2 rows, 1 created, 0 unchanged, 0 differ, 1 refused');
        const list = path.join(scratch, 'ranges.txt');
        writeFileSync(list, '# published\n192.0.2.0/24\n192.0.2.128/25\n');
        const ranges = await runCadastre(['import', 'ranges', '--vrf', 'cloud', list], own);
        expect(ranges.output).toContain('prefixes: 2 rows, 2 created');
        expect(await runCadastre(['ipam', 'verify'], own)).toMatchObject({ code: 0 });
        expect(await runCadastre(['admin', 'create', 'Grace'], own)).toMatchObject({
          code: 0,
          output: expect.stringMatching(/^username {2}grace\n/) as string,
        });
        const again = await runCadastre(['admin', 'create', 'grace'], own);
        expect([again.code, again.output.split('\n').length]).toEqual([1, 2]);
        const { accessToken } = await logIn(server.url, NEW_PASSWORD);
        const answer = await fetch(`${server.url}/api/v1/audit/events?action=import.completed`, {
          headers: { authorization: `Bearer ${accessToken}` },
        });
        const { items } = (await answer.json()) as { items: { actor: { kind: string; id: string } }[] };
        expect(items.map(({ actor }) => actor)).toEqual(
          [1, 2].map(() => expect.objectContaining({ kind: 'cli', id: expect.stringMatching(/^cli:./) as string }) as object),
        );
      },
      LONG,
    );

    it('O9: a second start in the same folder is refused, and told why', async () => {
      const { code, output } = await runCadastre(['start'], own);
      expect([code, output]).toEqual([1, expect.stringMatching(/already running \(pid \d+\)\.\nStop that process first/)]);
      expect(await listens(ports[1] ?? 0)).toBe(true);
    });

    it(
      'O7: Ctrl-C ends the server and its database, and nothing listens any more',
      async () => {
        expect(await end(server.child, 'SIGINT')).toEqual([0, null]);
        for (const port of ports) expect(await listens(port)).toBe(false);
        expect(existsSync(path.join(own.CADASTRE_VAR_DIR, 'run', 'database.json'))).toBe(false);
      },
      LONG,
    );

    it(
      'O9: starts again with its data after a stop and after kill -9, without a new password',
      async () => {
        for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
          server = await start();
          expect(server.output()).not.toContain('password');
          expect(await logIn(server.url, NEW_PASSWORD)).toMatchObject({ status: 200 });
          expect(await end(server.child, signal)).toEqual(signal === 'SIGKILL' ? [null, 'SIGKILL'] : [0, null]);
        }
        expect(await runCadastre(['ipam', 'verify'], own)).toMatchObject({ code: 0 });
        expect(existsSync(path.join(own.CADASTRE_VAR_DIR, 'run', 'database.json'))).toBe(false);
      },
      LONG,
    );
  });

  it(
    'O9: says which port is taken and what to do, and leaves nothing running',
    async () => {
      const elsewhere = {
        ...own,
        CADASTRE_VAR_DIR: path.join(scratch, 'other'),
        DATABASE_URL: database.url,
        DATABASE_DIRECT_URL: database.ownerUrl,
      };
      const server = await start(elsewhere);
      const port = new URL(server.url).port;
      const { code, output } = await runCadastre(['start'], { ...elsewhere, CADASTRE_PORT: port });
      expect(code).toBe(1);
      expect(output).toMatch(new RegExp(`The port is taken: .*127\\.0\\.0\\.1:${port}\\)\\.\\nStop that program, or set CADASTRE_PORT`));
      expect(await end(server.child, 'SIGTERM')).toEqual([0, null]);
    },
    LONG,
  );

  it('O7: a wrong configuration is refused with 78, by name and without values', async () => {
    const { code, output } = await runCadastre(['start'], { ...own, CADASTRE_PORT: 'eighty', CADASTRE_PROT: '1' });
    expect(code).toBe(78);
    expect(output).toMatch(/CADASTRE_PORT: .*\n/);
    expect(output).toContain('CADASTRE_PROT: there is no such variable');
    expect(output).not.toContain('eighty');
  });

  it.each([
    [['begin'], `There is no command 'begin'.`],
    [['start', '--port', '80'], `Unknown option '--port'.`],
    [['migration', 'sideways'], `There is no action 'sideways'.`],
    [['migration', 'down', 'all'], `'all' is no number`],
    [['import', 'phpipam'], `There is nothing to import called 'phpipam'.`],
    [['import', 'ranges', '--kind', 'pool', 'x'], `not 'pool'`],
  ])('O8: %j is refused with 2 and the usage', async (args, message) => {
    const { code, output } = await runCadastre(args, own);
    expect([code, output]).toEqual([2, expect.stringContaining(message)]);
  });

  it(
    'O1: a destructive step needs --destroy, and what it exports is read back by COPY',
    async () => {
      const env = {
        ...own,
        CADASTRE_VAR_DIR: path.join(scratch, 'down'),
        DATABASE_URL: database.url,
        DATABASE_DIRECT_URL: database.ownerUrl,
      };
      const admin = new Client(database.adminUrl);
      await admin.connect();
      await admin.query(`INSERT INTO vrfs (name, description) VALUES ('odd "one"', E'two\\nlines, and a comma'), ('none', '')`);
      const rows = `SELECT id, name, rd, description, is_default, created_at::text FROM`;
      const before = await admin.query(`${rows} vrfs ORDER BY id`);
      const refused = await runCadastre(['migration', 'down', '99'], env);
      expect([refused.code, refused.output]).toEqual([1, expect.stringMatching(/would destroy the rows of .*vrfs.*\nWith --destroy/)]);
      expect((await runCadastre(['migration', 'pending'], env)).code).toBe(0);
      const destroyed = await runCadastre(['migration', 'down', '99', '--destroy'], env);
      expect([destroyed.code, destroyed.output]).toEqual([0, expect.stringContaining('exported 3 rows of vrfs')]);
      expect((await runCadastre(['migration', 'up'], env)).code).toBe(0);
      const [folder = ''] = readdirSync(path.join(scratch, 'down', 'exports'));
      const text = readFileSync(path.join(scratch, 'down', 'exports', folder, 'vrfs.csv'), 'utf8');
      // The server reads it as a superuser from a place that its account may enter.
      const copy = path.join(scratch, 'vrfs.csv');
      writeFileSync(copy, text, { mode: 0o644 });
      await admin.query('CREATE TABLE read_back (LIKE vrfs)');
      await admin.query(`COPY read_back (${text.slice(0, text.indexOf('\n'))}) FROM '${copy}' WITH (FORMAT csv, HEADER)`);
      const after = await admin.query(`${rows} read_back ORDER BY id`);
      await admin.end();
      expect(after.rows).toEqual(before.rows);
    },
    LONG,
  );
});
