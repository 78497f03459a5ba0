import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type Agent } from 'supertest';
import { AppError } from '../src/kernel/app-error.js';
import { Outbound } from '../src/platform/outbound/outbound.js';
import { Resolver } from '../src/platform/outbound/resolver.js';
import { type StreamedAnswer } from '../src/platform/outbound/streamed-request.js';
import { Settings } from '../src/platform/settings/settings.js';
import { asRole } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { withoutPins } from './support/test-pins.js';

const PUBLIC = '93.184.216.34';
const pointer = '/issuer';

/** A name server under somebody else’s control: another answer each time it is asked, until the last one stays. */
class FickleResolver extends Resolver {
  readonly asked: string[] = [];

  constructor(private readonly answers: string[][]) {
    super();
  }

  resolve(host: string): Promise<string[]> {
    this.asked.push(host);
    return Promise.resolve(this.answers[Math.min(this.asked.length, this.answers.length) - 1] ?? []);
  }
}

async function outcome(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return [error.kind, error.code, ...(error.errors ?? []).map((field) => field.pointer)].join(' ');
  }
}

describe('connections to servers that a person named', () => {
  let t: TestApp;
  let admin: Agent;
  let outbound: Outbound;
  let server: Server;
  let port: number;
  let answer: RequestListener;
  let requests: IncomingMessage[] = [];

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false', CADASTRE_PINNED_SETTINGS: withoutPins });
    admin = await asRole(t, 'admin');
    outbound = t.app.get(Outbound);
    server = createServer((request, reply) => {
      requests.push(request);
      answer(request, reply);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    // A TCP server's address is never a path.
    ({ port } = server.address() as AddressInfo);
  });

  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await t.close();
  });

  beforeEach(async () => {
    requests = [];
    answer = (_request, reply) => reply.end('hello');
    await allow('127.0.0.0/8');
  });

  async function allow(...networks: string[]): Promise<void> {
    await admin.put('/api/v1/settings/outbound.allowedNetworks').send({ value: networks }).expect(200);
  }

  const resolving = (...answers: string[][]): { outbound: Outbound; resolver: FickleResolver } => {
    const resolver = new FickleResolver(answers);
    return { outbound: new Outbound(t.app.get(Settings), resolver), resolver };
  };

  it('ASVS 1.3.6: this machine and its neighbours are refused in every notation, with the pointer of the field', async () => {
    await allow();
    const urls = [
      `http://127.0.0.1:${port}/`,
      `http://localhost:${port}/`,
      `http://2130706433:${port}/`,
      `http://0x7f.1:${port}/`,
      `http://0177.0.0.1:${port}/`,
      `http://127.1:${port}/`,
      `http://[::1]:${port}/`,
      `http://[::ffff:127.0.0.1]:${port}/`,
      `http://[::ffff:7f00:1]:${port}/`,
      `http://0.0.0.0:${port}/`,
      `http://[::]:${port}/`,
      'http://169.254.169.254/latest/meta-data/',
      'http://[fd00:ec2::254]/',
      'http://10.0.0.1/',
      'http://192.168.0.1/',
      'http://172.16.0.1/',
      'http://100.64.0.1/',
      'http://224.0.0.1/',
      'http://[fe80::1]/',
      'http://[64:ff9b::7f00:1]/',
      'http://[2002:7f00:1::]/',
    ];
    for (const url of urls) {
      expect([url, await outcome(outbound.fetch(url, { pointer }))]).toEqual([url, 'unprocessable target_refused /issuer']);
      expect([url, await outcome(outbound.check(url, pointer))]).toEqual([url, 'unprocessable target_refused /issuer']);
    }
    expect(await outcome(outbound.connect({ host: '127.0.0.1', port }, pointer))).toBe('unprocessable target_refused /issuer');
    expect(await outcome(outbound.address({ host: '127.1', port }, pointer))).toBe('unprocessable target_refused /issuer');
    expect(requests).toEqual([]);
  });

  it('ASVS 1.3.6: only the protocols that were asked for, and no credentials in a URL', async () => {
    for (const url of [
      'file:///etc/passwd',
      'ftp://example.net/',
      'gopher://127.0.0.1/',
      'data:,x',
      'javascript:1',
      'example.net',
      '',
      'ldap://127.0.0.1',
    ])
      expect([url, await outcome(outbound.check(url, pointer))]).toEqual([url, 'unprocessable target_refused /issuer']);
    expect(await outcome(outbound.check(`http://name:word@127.0.0.1:${port}`, pointer))).toBe('unprocessable target_refused /issuer');
    expect(await outcome(outbound.check('ldaps://127.0.0.1:636', '/url', ['ldap:', 'ldaps:']))).toBe('done');
    expect(await outcome(outbound.check('http://127.0.0.1', '/url', ['ldap:', 'ldaps:']))).toBe('unprocessable target_refused /url');
  });

  it('ASVS 1.3.6, 13.2.4, 13.2.5: what is in outbound.allowedNetworks may be reached, from the moment it is', async () => {
    await allow('10.0.0.0/8');
    expect(await outcome(outbound.fetch(`http://127.0.0.1:${port}/`, { pointer }))).toBe('unprocessable target_refused /issuer');
    await allow('10.0.0.0/8', '127.0.0.1/32', '::1/128');
    answer = (request, reply) => {
      reply.writeHead(201, { 'content-type': 'text/plain', 'set-cookie': ['a=1', 'b=2'] });
      request.pipe(reply);
    };
    const reply = await outbound.fetch(`http://localhost:${port}/token?x=1`, {
      pointer,
      method: 'POST',
      body: new URLSearchParams({ grant: 'code' }),
      headers: { 'x-test': 'yes' },
    });
    expect([reply.status, await reply.text(), reply.headers.getSetCookie()]).toEqual([201, 'grant=code', ['a=1', 'b=2']]);
    expect(requests).toMatchObject([
      {
        method: 'POST',
        url: '/token?x=1',
        headers: { host: `localhost:${port}`, 'x-test': 'yes', 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8' },
      },
    ]);
    const socket = await outbound.connect({ host: 'localhost', port }, pointer);
    expect(socket.remoteAddress).toBe('127.0.0.1');
    socket.destroy();
    expect(await outbound.address({ host: '::ffff:127.0.0.1', port }, pointer)).toEqual({ address: '127.0.0.1', family: 4 });
  });

  it('ASVS 1.3.6: a name that leads elsewhere the second time it is asked for is asked for once', async () => {
    const rebound = resolving(['127.0.0.1'], ['169.254.169.254']);
    expect(await (await rebound.outbound.fetch(`http://rebinding.example:${port}/`, { pointer })).text()).toBe('hello');
    expect(rebound.resolver.asked).toEqual(['rebinding.example']);
    expect(requests[0]?.headers.host).toBe(`rebinding.example:${port}`);
    const socket = resolving(['127.0.0.1'], ['10.0.0.1']);
    (await socket.outbound.connect({ host: 'rebinding.example', port }, pointer)).destroy();
    expect(socket.resolver.asked).toEqual(['rebinding.example']);
  });

  it('ASVS 1.3.6: one forbidden address among those of a name is enough to refuse it', async () => {
    await allow();
    for (const addresses of [[PUBLIC, '10.0.0.1'], ['::1', PUBLIC], [PUBLIC, '::ffff:127.0.0.1'], ['no address']])
      expect(await outcome(resolving(addresses).outbound.address({ host: 'mixed.example', port: 443 }, pointer))).toBe(
        'unprocessable target_refused /issuer',
      );
    expect(await resolving([PUBLIC, '1.1.1.1']).outbound.address(new URL('https://good.example'), pointer)).toEqual({
      address: PUBLIC,
      family: 4,
    });
    expect(await outcome(resolving([]).outbound.address({ host: 'empty.example', port: 1 }, pointer))).toBe(
      'unprocessable target_unresolved /issuer',
    );
    expect(await outcome(outbound.address({ host: '', port: 1 }, pointer))).toBe('unprocessable target_refused /issuer');
  });

  it('ASVS 1.3.6, ASVS 15.3.2: a redirect is an answer, and nobody goes where it leads', async () => {
    answer = (_request, reply) => reply.writeHead(302, { location: `http://127.0.0.1:${port}/secret` }).end();
    const reply = await outbound.fetch(`http://127.0.0.1:${port}/`, { pointer });
    expect([reply.status, reply.headers.get('location'), requests.map(({ url }) => url)]).toEqual([
      302,
      `http://127.0.0.1:${port}/secret`,
      ['/'],
    ]);
  });

  it('ASVS 1.3.6: a server that is silent, endless, too talkative or gone is given up', async () => {
    await admin.put('/api/v1/settings/outbound.timeoutMs').send({ value: 300 }).expect(200);
    const gone = 'unavailable target_unreachable';
    const url = `http://127.0.0.1:${port}/`;
    answer = () => undefined;
    expect(await outcome(outbound.fetch(url, { pointer }))).toBe(gone);
    answer = (_request, reply) => reply.write('never the end');
    expect(await outcome(outbound.fetch(url, { pointer }))).toBe(gone);
    await admin.put('/api/v1/settings/outbound.timeoutMs').send({ value: 30_000 }).expect(200);
    answer = (_request, reply) => {
      const more = (): void => {
        while (!reply.destroyed && reply.write(Buffer.alloc(65_536)));
      };
      reply.on('drain', more);
      more();
    };
    expect(await outcome(outbound.fetch(url, { pointer }))).toBe(gone);
    answer = (request) => request.socket.destroy();
    expect(await outcome(outbound.fetch(url, { pointer }))).toBe(gone);
    expect(await outcome(outbound.fetch('http://127.0.0.1:1/', { pointer }))).toBe(gone);
    expect(await outcome(outbound.connect({ host: '127.0.0.1', port: 1 }, pointer))).toBe(gone);
    answer = () => undefined;
    const asked = outbound.fetch(url, { pointer, signal: AbortSignal.timeout(50) });
    expect(await outcome(asked)).toBe(gone);
  });

  describe('streams', () => {
    const get = (url: string): Promise<StreamedAnswer> => outbound.stream(new URL(url), { method: 'GET', headers: {}, pointer });
    const here = (): string => `http://127.0.0.1:${port}/`;

    it('ASVS 1.3.6: go only where everything else may, and follow no redirect', async () => {
      await allow();
      for (const url of [here(), `http://localhost:${port}/`, 'http://169.254.169.254/', 'http://name:word@127.0.0.1/', 'ftp://127.0.0.1/'])
        expect([url, await outcome(get(url))]).toEqual([url, 'unprocessable target_refused /issuer']);
      await allow('127.0.0.0/8');
      const rebound = resolving(['127.0.0.1'], ['169.254.169.254']);
      const reached = await rebound.outbound.stream(new URL(`http://rebinding.example:${port}/`), { method: 'GET', headers: {}, pointer });
      expect([(await buffer(reached.body)).toString(), rebound.resolver.asked]).toEqual(['hello', ['rebinding.example']]);
      requests = [];
      answer = (_request, reply) => reply.writeHead(307, { location: `http://127.0.0.1:${port}/secret` }).end();
      const { status, body } = await get(here());
      body.destroy();
      expect([status, requests.map(({ url }) => url)]).toEqual([307, ['/']]);
    });

    it('T2: carry more than fits into an answer of fetch, both ways', async () => {
      answer = (request, reply) => request.pipe(reply);
      const sent = Readable.from(Array.from({ length: 160 }, (_, i) => Buffer.alloc(65_536, i)));
      const headers = { 'content-length': String(160 * 65_536), expect: '100-continue' };
      const { status, body } = await outbound.stream(new URL(here()), { method: 'PUT', headers, body: sent, pointer });
      const back = await buffer(body);
      expect([status, back.length, back[65_536], back.at(-1)]).toEqual([200, 160 * 65_536, 1, 159]);
    });

    it('T2: an answer that comes before the body was sent is the answer, and lets the source go', async () => {
      answer = (_request, reply) => reply.writeHead(403).end('no');
      const endless = Readable.from(
        (function* () {
          for (;;) yield Buffer.alloc(65_536);
        })(),
      );
      server.removeAllListeners('checkContinue').once('checkContinue', (request: IncomingMessage, reply: ServerResponse) => {
        answer(request, reply);
      });
      const headers = { expect: '100-continue' };
      const { status, body } = await outbound.stream(new URL(here()), { method: 'PUT', headers, body: endless, pointer });
      expect([status, (await buffer(body)).toString()]).toEqual([403, 'no']);
      body.destroy();
      if (!endless.closed) await once(endless, 'close');
      expect(endless.destroyed).toBe(true);
    });

    it('T2: a server that stands still is given up, before its answer and within it', async () => {
      await admin.put('/api/v1/settings/outbound.timeoutMs').send({ value: 200 }).expect(200);
      answer = () => undefined;
      expect(await outcome(get(here()))).toBe('unavailable target_unreachable');
      answer = (_request, reply) => void reply.write('the beginning');
      const { body } = await get(here());
      await expect(buffer(body)).rejects.toThrow('aborted');
      const source = Readable.from(
        (async function* () {
          yield Buffer.alloc(10);
          await Promise.reject(new Error('the source is gone'));
        })(),
      );
      const failed = outbound.stream(new URL(here()), { method: 'PUT', headers: {}, body: source, pointer });
      await expect(failed).rejects.toMatchObject({ code: 'target_unreachable', cause: { message: 'the source is gone' } });
    });
  });
});
