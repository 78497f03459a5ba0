import { createApp } from './app.setup.js';
import { type AppConfig } from './config/app-config.js';
import { Log } from './platform/logging/log.js';

export interface RunningServer {
  url: string;
  /** Refuses what is new, finishes what runs, gives jobs back, closes connections. Safe to call twice. */
  close(): Promise<void>;
}

/** Starts the server and resolves once it listens. */
export async function serve(config: AppConfig): Promise<RunningServer> {
  const app = await createApp(config);
  const log = app.get(Log);
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    log.info('stopping');
    await app.close();
    log.info('stopped');
    log.flush();
  };
  try {
    await app.listen(config.http.port, config.http.host);
  } catch (error) {
    await close();
    throw error;
  }
  const url = await app.getUrl();
  log.info('listening', { url });
  return { url, close: () => (closing ??= close()) };
}
