import { readdirSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Agent, type Response } from 'supertest';
import { CONSOLE_COOKIE } from '../src/platform/auth/credentials.js';
import { routeTable } from './support/route-table.js';
import { startProcess, type TestProcess } from './support/child-process.js';
import { eventually } from './support/eventually.js';
import { asRole, createUser, PASSWORD, signIn, withToken } from './support/sign-in.js';
import { createTestDatabase, type TestDatabase } from './support/test-database.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const root = fileURLToPath(new URL('../', import.meta.url));

/** What the server says to these bytes, up to the end of the connection. */
async function said(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.write(bytes);
  await once(socket, 'close');
  return text;
}

/** The status of a request that supertest would not send. */
async function statusOf(url: string, method: string): Promise<number> {
  const call = request(url, { method });
  call.end();
  const [answer] = (await once(call, 'response')) as [{ statusCode: number; resume: () => void }];
  answer.resume();
  return answer.statusCode;
}

describe('the edge against attackers', () => {
  let t: TestApp;
  let viewer: Agent;
  let token: string;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false' });
    token = (await signIn(t, await createUser(t, { roles: ['viewer'] }))).accessToken;
    viewer = withToken(t, token);
  });

  afterAll(() => t.close());

  it('O7, ASVS 4.1.1: every body says that it is JSON, and in UTF-8 where that is a question', async () => {
    for (const answer of [await viewer.get('/api/v1/me'), await viewer.get('/api/v1/nowhere'), await t.anonymous.get('/api/v1/me')])
      expect(answer.headers['content-type']).toMatch(/^application\/(problem\+)?json; charset=utf-8$/);
  });

  it('O7, ASVS 4.1.4, 13.4.4: methods that no route has are refused, TRACE and CONNECT among them', async () => {
    for (const method of ['TRACE', 'PROPFIND', 'PUT', 'DELETE']) {
      const status = await statusOf(`${t.url}/api/v1/me`, method);
      expect({ method, refused: status === 404 || status === 405 || status === 501 }).toEqual({ method, refused: true });
    }
    expect(await said(t.url, 'CONNECT example.net:443 HTTP/1.1\r\nHost: example.net\r\n\r\n')).not.toContain(' 200 ');
  });

  it('O7, ASVS 14.2.1: no credential is taken from a URL', async () => {
    for (const name of ['access_token', 'token', 'api_key', 'key', 'authorization'])
      await t.anonymous
        .get('/api/v1/me')
        .query({ [name]: token })
        .expect(401);
  });

  it('U6: two credentials at once are refused, whichever they are', async () => {
    const key = `cdst_o_${'a'.repeat(12)}_${'b'.repeat(46)}`;
    const cookie = `${CONSOLE_COOKIE}=${'c'.repeat(43)}`;
    for (const headers of [
      { authorization: `Bearer ${token}`, cookie },
      { authorization: `Bearer ${token}`, 'x-api-key': key },
      { authorization: `Bearer ${key}`, 'x-api-key': key },
      { cookie, 'x-api-key': key },
    ]) {
      const answer = await t.anonymous.get('/api/v1/me').set(headers);
      expect({ status: answer.status, code: (answer.body as { code: string }).code }).toEqual({ status: 400, code: 'several_credentials' });
    }
    await t.anonymous.get('/api/v1/me').set('cookie', 'theme=dark').expect(401);
  });

  it('U6: one credential that is nobody’s is 401, the same for all kinds', async () => {
    const bodyOf = ({ body }: Response): object => ({ ...(body as object), requestId: undefined });
    const bad = [
      { authorization: 'Bearer nonsense' },
      { authorization: `Bearer cdst_o_${'a'.repeat(12)}_${'b'.repeat(46)}` },
      { 'x-api-key': 'nonsense' },
      { cookie: `${CONSOLE_COOKIE}=${'c'.repeat(43)}` },
      { cookie: `${CONSOLE_COOKIE}=` },
      {},
    ];
    const answers = [];
    for (const headers of bad) answers.push(await t.anonymous.get('/api/v1/me').set(headers).expect(401));
    expect(new Set(answers.map((answer) => JSON.stringify(bodyOf(answer)))).size).toBe(1);
  });

  it('O7, ASVS 5.4.2: a download’s name is written so that no browser can misread it', async () => {
    const answer = await (await asRole(t, 'operator')).get('/api/v1/ipam/exports/addresses.csv').expect(200);
    expect(answer.headers['content-disposition']).toMatch(/^attachment; filename="[\w.-]+"$/);
  });

  it('O7, ASVS 16.5.1, 13.4.2: a fault of ours is told without its insides', async () => {
    await t.sql('ALTER TABLE roles RENAME COLUMN description TO broken');
    const answer = await (await asRole(t, 'admin')).get('/api/v1/roles');
    await t.sql('ALTER TABLE roles RENAME COLUMN broken TO description');
    expect({ status: answer.status, code: (answer.body as { code: string }).code }).toEqual({ status: 500, code: 'internal_error' });
    expect(answer.text).not.toMatch(/select|column|description|\bat \w+|node_modules|\.ts/i);
  });

  it('U7, ASVS 11.4.2: passwords are kept by argon2id with OWASP’s parameters at least', async () => {
    const user = await createUser(t);
    const agent = withToken(t, (await signIn(t, user)).accessToken);
    expect(agent).toBeDefined();
    const rows = await t.sql<{ hash: string }>('SELECT password_hash AS hash FROM users WHERE password_hash IS NOT NULL');
    for (const { hash } of rows) {
      const [, m = '0', times = '0', p = '0'] = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$/.exec(hash) ?? [];
      expect(Number(m)).toBeGreaterThanOrEqual(19_456);
      expect(Number(times)).toBeGreaterThanOrEqual(2);
      expect(Number(p)).toBe(1);
    }
    expect(JSON.stringify(rows)).not.toContain(PASSWORD);
  });
});

describe('logs against attackers', () => {
  let database: TestDatabase;
  let server: TestProcess;

  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startProcess('dist/src/main.js', database, { CADASTRE_LOG_FORMAT: 'json' });
    await eventually(() => Promise.resolve(server.output().includes('listening')), 30_000);
  });

  afterAll(async () => {
    server.child.kill('SIGTERM');
    await server.ended;
    await database.drop();
  });

  it('O3, ASVS 16.4.1: what a client sends cannot write a line of its own into the log, nor colour one', async () => {
    const url = /"url":"([^"]+)"/.exec(server.output())?.[1] ?? '';
    const forged = 'admin\n{"level":"info","msg":"all is well"}\u001b[31m';
    await fetch(`${url}/api/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': 'agent\u001b[31m', 'x-request-id': 'forged-by-a-test' },
      body: JSON.stringify({ username: forged, password: 'x' }),
    }).catch(() => undefined);
    await fetch(`${url}/api/v1/%0a%7b%22msg%22%3a%22all is well%22%7d`);
    await eventually(() =>
      Promise.resolve(
        server
          .output()
          .split('\n')
          .filter((line) => line.includes('"path"') || line.includes('request')).length > 0,
      ),
    );
    for (const line of server.output().split('\n').filter(Boolean)) {
      expect(() => void JSON.parse(line)).not.toThrow();
      expect((JSON.parse(line) as { msg?: string }).msg).not.toBe('all is well');
    }
    // eslint-disable-next-line no-control-regex -- the control character is what must not be there
    expect(server.output()).not.toMatch(/\u001b/);
  });
});

describe('the sources', () => {
  const sources = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
    .map((file) => ({ file, text: readFileSync(path.join(root, 'src', file), 'utf8') }));

  it('O7, ASVS 12.3.2: nowhere switch off that certificates are verified', () => {
    expect(
      sources.filter(({ text }) => /rejectUnauthorized:\s*false|NODE_TLS_REJECT_UNAUTHORIZED/.test(text)).map(({ file }) => file),
    ).toEqual([]);
  });

  it('O7, ASVS 11.3.1, 11.3.2: encrypt by AES-GCM alone', () => {
    const ciphers = sources.flatMap(({ text }) => [...text.matchAll(/createCipheriv\(\s*'([^']+)'/g)].map(([, name]) => name));
    expect(new Set(ciphers)).toEqual(new Set(['aes-256-gcm']));
  });

  it('O7, ASVS 13.2.3: hold no password, key or token', () => {
    const literal = /(?:password|secret|apiKey|token)\s*[:=]\s*'[^'\s]{8,}'/gi;
    expect(sources.flatMap(({ file, text }) => [...text.matchAll(literal)].map(([found]) => `${file}: ${found}`))).toEqual([]);
  });

  it('O6, ASVS 3.5.3: no GET route is named for a change', () => {
    const verbs = /\/(create|delete|remove|update|revoke|rotate|approve|unlock|reset)\b/;
    expect(routeTable.filter(({ method, path: route }) => method === 'GET' && verbs.test(route))).toEqual([]);
  });
});
