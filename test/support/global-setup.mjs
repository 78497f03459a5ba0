import { startTestServer } from './test-server.mjs';

let server;

/** Gives the e2e tests a database when jest is called directly; test/run.mjs has started one already. */
export default async function setup() {
  if (process.env.TEST_DATABASE_ADMIN_URL) return;
  server = await startTestServer();
  Object.assign(process.env, server.env);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      void server.stop().finally(() => process.exit(130));
    });
  }
}

export async function stopServer() {
  await server?.stop();
}
