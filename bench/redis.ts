import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

interface BenchRedis {
  url: string;
  stop(): Promise<void>;
}

const PROGRAM = 'redis-server';

/** A Redis of the bench's own, on a free port of the loopback, in memory alone; undefined where none is installed. */
export async function startRedis(): Promise<BenchRedis | undefined> {
  const port = await freePort();
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const child = spawn(PROGRAM, options, { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(child, 'close').catch(() => undefined);
  const listens = await new Promise<boolean>((resolve) => {
    child.once('error', () => {
      resolve(false);
    });
    child.once('close', () => {
      resolve(false);
    });
    child.stdout.on('data', (said: Buffer) => {
      if (said.includes('Ready to accept connections')) resolve(true);
    });
  });
  if (!listens) return undefined;
  return {
    url: `redis://127.0.0.1:${port}`,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A TCP server's address is never a path.
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
