import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  /** The target's URL, by way of here. */
  url: string;
  /** Nothing passes any more, and nothing is closed: a network that went away, a server that stands still. */
  hang(): void;
  /** Every connection breaks and none is accepted: a server that is gone. */
  cut(): void;
  restore(): void;
  close(): Promise<void>;
}

/** Stands between the application and its database, to be a fault. */
export async function startProxy(target: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let mode: 'pass' | 'hang' | 'cut' = 'pass';
  const server = createServer((near) => {
    if (mode === 'cut') {
      near.destroy();
      return;
    }
    const far = connect(Number(port), hostname);
    const ends: [Socket, Socket][] = [
      [near, far],
      [far, near],
    ];
    for (const [from, to] of ends) {
      sockets.add(from);
      from.on('data', (chunk) => to.write(chunk));
      from.on('error', () => from.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      if (mode === 'hang') from.pause();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  // A TCP server's address is never a path.
  url.port = String((server.address() as AddressInfo).port);
  const breakAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: url.href,
    hang: () => {
      mode = 'hang';
      for (const socket of sockets) socket.pause();
    },
    cut: () => {
      mode = 'cut';
      breakAll();
    },
    restore: () => {
      mode = 'pass';
      for (const socket of sockets) socket.resume();
    },
    close: async () => {
      breakAll();
      server.close();
      await once(server, 'close');
    },
  };
}
