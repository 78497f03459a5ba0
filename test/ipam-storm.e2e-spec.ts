import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { Client } from 'pg';
import { startProcess, type TestProcess } from './support/child-process.js';
import { eventually } from './support/eventually.js';
import { asRole, createUser, signIn } from './support/sign-in.js';
import { startTestApp } from './support/test-app.js';
import { createTestDatabase, type TestDatabase } from './support/test-database.js';

const CLIENTS = 64;
const CALLS = 100;

async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return String(port);
}

describe('a storm of allocations', () => {
  let database: TestDatabase;
  let poolId: string;
  let token: string;
  let server: TestProcess;
  const variables: Record<string, string> = {
    CADASTRE_JWT_KEYS: `k:${randomBytes(32).toString('base64url')}`,
    CADASTRE_AUDIT_KEY: randomBytes(32).toString('base64url'),
    CADASTRE_LOG_LEVEL: 'error',
    CADASTRE_ACCESS_TOKEN_TTL_S: '3600',
    DATABASE_POOL_MAX: '20',
  };

  beforeAll(async () => {
    database = await createTestDatabase();
    const t = await startTestApp({ CADASTRE_JWT_KEYS: variables.CADASTRE_JWT_KEYS ?? '' }, database);
    const admin = await asRole(t, 'admin');
    const body: unknown = (
      await admin.post('/api/v1/ipam/pools').send({ network: '10.0.0.0/16', name: 'storm', kind: 'subnet' }).expect(201)
    ).body;
    poolId = (body as { id: string }).id;
    token = (await signIn(t, await createUser(t, { roles: ['operator'] }))).accessToken;
    await t.close();
    variables.CADASTRE_PORT = await freePort();
  });

  afterAll(async () => {
    server.child.kill('SIGKILL');
    await server.ended;
    await database.drop();
  });

  const url = (path: string): string => `http://127.0.0.1:${variables.CADASTRE_PORT ?? ''}${path}`;

  async function start(): Promise<void> {
    server = await startProcess('dist/src/main.js', database, variables);
    await eventually(async () => (await fetch(url('/health/ready'))).ok, 30_000);
  }

  it('I8, O5: 64 clients × 100 calls get 6,400 distinct, contiguous addresses with no 5xx, through kill -9 of the server', async () => {
    await start();
    const answered: string[] = [];
    const failures: number[] = [];
    let lost = 0;
    let restarted: Promise<void> | undefined;

    // The server dies once, in the middle; whoever is cut off asks again with the same key when it is back.
    const killOnce = (): void => {
      if (restarted || answered.length < (CLIENTS * CALLS) / 2) return;
      restarted = (async () => {
        server.child.kill('SIGKILL');
        await server.ended;
        await start();
      })();
    };
    const ask = async (key: string): Promise<string> => {
      for (;;) {
        try {
          const response = await fetch(url(`/api/v1/ipam/pools/${poolId}/allocations`), {
            method: 'POST',
            headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'idempotency-key': key },
            body: '{}',
          });
          if (response.status !== 201) failures.push(response.status);
          const { items } = (await response.json()) as { items: { address: string }[] };
          return items[0]!.address;
        } catch (error) {
          if (!restarted || failures.length > 0) throw error;
          lost++;
          await restarted;
        }
      }
    };
    await Promise.all(
      Array.from({ length: CLIENTS }, async (_, client) => {
        for (let call = 0; call < CALLS; call++) {
          answered.push(await ask(`client-${client}-call-${call}`));
          killOnce();
        }
      }),
    );

    expect(failures).toEqual([]);
    expect(lost).toBeGreaterThan(0);
    expect(new Set(answered).size).toBe(CLIENTS * CALLS);
    const numbers = answered.map((a) => a.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)).sort((a, b) => a - b);
    const first = 10 * 2 ** 24 + 1;
    expect(numbers).toEqual(Array.from({ length: CLIENTS * CALLS }, (_, i) => first + i));
    const db = new Client(database.adminUrl);
    await db.connect();
    const { rows } = await db.query<{ stored: string; events: string; drift: string }>(
      `SELECT (SELECT count(*) FROM allocations) AS stored, (SELECT count(DISTINCT resource_id) FROM audit_events WHERE action = 'allocation.created') AS events,
              (SELECT count(*) FROM ipam_drift()) AS drift`,
    );
    await db.end();
    expect(rows).toEqual([{ stored: '6400', events: '6400', drift: '0' }]);
  }, 180_000);

  it('I8: without keys, callers share transactions and still each get an address of their own', async () => {
    const calls = await Promise.all(
      Array.from({ length: 300 }, async () => {
        const response = await fetch(url(`/api/v1/ipam/pools/${poolId}/allocations`), {
          method: 'POST',
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          body: '{}',
        });
        return {
          status: response.status,
          body: (await response.json()) as { items: { address: string }[] },
          request: response.headers.get('x-request-id'),
        };
      }),
    );
    expect(calls.map((c) => c.status)).toEqual(calls.map(() => 201));
    expect(new Set(calls.map((c) => c.body.items[0]?.address)).size).toBe(300);
    const db = new Client(database.adminUrl);
    await db.connect();
    const { rows } = await db.query<{ correlation_id: string; address: string }>(
      `SELECT correlation_id, payload::jsonb #>> '{after,address}' AS address FROM audit_events WHERE correlation_id = ANY ($1)`,
      [calls.map((c) => c.request)],
    );
    await db.end();
    const recorded = new Map(rows.map((r) => [r.correlation_id, r.address]));
    for (const call of calls) expect(recorded.get(call.request ?? '')).toBe(call.body.items[0]?.address);
  }, 60_000);
});
