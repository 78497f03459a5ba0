/** The least a server can do for the same answers: node:http, named statements, JSON.stringify. No rights, no checks, no context. */
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { Pool } from 'pg';
import { BY_ADDRESS, BY_ID, COVERING, HOST_EXACT, PAGE } from './statements.js';

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 20 });
const rows = async (name: string, text: string, values: unknown[]): Promise<unknown[]> =>
  (await pool.query<object>({ name, text, values })).rows;

const server = createServer((request, response) => {
  void answer(new URL(request.url ?? '/', 'http://floor')).then((body) => {
    response.setHeader('content-type', 'application/json; charset=utf-8');
    response.end(JSON.stringify(body));
  });
});

async function answer(url: URL): Promise<unknown> {
  const [, kind, id] = url.pathname.split('/');
  if (kind === 'allocations') return (await rows('by-id', BY_ID, [id]))[0];
  if (kind === 'pools') return { items: await rows('page', PAGE, [id, '0.0.0.0/0', 'live', 51]) };
  const ip = url.searchParams.get('ip');
  if (ip !== null) {
    const [allocations, pools] = await Promise.all([
      rows('address', BY_ADDRESS, [ip, null, 51]),
      rows('covering', COVERING, [ip, null, 51]),
    ]);
    return { allocations, pools };
  }
  const hostname = url.searchParams.get('hostname') ?? '';
  return { pools: [], allocations: await rows('exact', HOST_EXACT, [hostname, null, 51]) };
}

server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
process.on('message', () => process.send?.(process.cpuUsage()));
