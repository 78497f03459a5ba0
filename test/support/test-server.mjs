import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const compiled = new URL('../../dist/src/platform/database/embedded/embedded-postgres.js', import.meta.url);

/** Not durable, which is what makes it fast: its data live as long as one test run. */
const settings = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off', max_connections: '200', max_wal_size: '4GB' };

/**
 * One embedded server for a test run, in a temporary folder.
 * @returns {Promise<{ env: Record<string, string>, stop: () => Promise<void> }>} what the tests read, and the end of it
 */
export async function startTestServer() {
  if (!existsSync(compiled)) throw new Error('The tests need the compiled embedded PostgreSQL: run `npm run build` first, or `npm test`.');
  const { startEmbeddedPostgres } = await import(compiled.href);
  const folder = mkdtempSync(join(tmpdir(), 'cadastre-test-'));
  try {
    // Root's server runs as another account, which must get in.
    chmodSync(folder, 0o755);
    const server = await startEmbeddedPostgres({ directory: join(folder, 'postgres'), settings, log: (line) => console.error(line) });
    return {
      env: { TEST_DATABASE_ADMIN_URL: server.adminUrl, TEST_DATABASE_OWNER_URL: server.ownerUrl, TEST_DATABASE_URL: server.url },
      stop: async () => {
        await server.stop();
        rmSync(folder, { recursive: true, force: true });
        if (await listens(server.port)) throw new Error(`Something of the test run still listens on 127.0.0.1:${server.port}.`);
      },
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
