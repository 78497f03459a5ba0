import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import path from 'node:path';
import { Redis } from 'ioredis';
import { eventually } from './eventually.js';

/** Where a program is that is not part of this one: on PATH, or where Debian puts what administrators run. */
function programPath(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => path.join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** `describe`, or a loud skip where the program is missing. */
export function describeWith(program: string): jest.Describe {
  if (programPath(program) !== undefined) return describe;
  console.warn(`SKIPPED: ${program} is not installed, so nothing here proves what needs it.`);
  return describe.skip;
}

export interface RedisServer {
  url: string;
  /** As if its power went. */
  kill(): Promise<void>;
  /** Connected and silent, until it goes on. */
  hang(): void;
  goOn(): void;
  /** On the same port again, empty. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** A Redis of the test's own, on a free port of the loopback, in memory alone. */
export async function startRedis(): Promise<RedisServer> {
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    child = spawn(programPath('redis-server') ?? 'redis-server', options, { stdio: 'ignore' });
    await eventually(() => answers(url));
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (!child) return;
    const ended = once(child, 'close');
    child.kill(signal);
    await ended;
    child = undefined;
  };
  await start();
  return {
    url,
    start,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    hang: () => void child?.kill('SIGSTOP'),
    goOn: () => void child?.kill('SIGCONT'),
  };
}

async function answers(url: string): Promise<boolean> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
  // The promises say it too.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.ping();
    return true;
  } catch {
    return false;
  } finally {
    client.disconnect();
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A TCP server's address is never a path.
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
