import { type DataSourceOptions } from 'typeorm';
import { migrations } from '../../../migrations/all.js';
import { type AppConfig } from '../../config/app-config.js';

/** How this process speaks to PostgreSQL. `url` defaults to the application's; migrations pass the owner's. */
export function dataSourceOptions(config: AppConfig, url = config.database.url): DataSourceOptions {
  if (url === undefined) throw new Error('DATABASE_URL is not set and no embedded server was started.');
  return {
    type: 'postgres',
    url,
    applicationName: 'cadastre',
    migrations,
    migrationsRun: false,
    synchronize: false,
    installExtensions: false,
    // Every connection is replaced by age; one that dies while idle leaves the pool by itself.
    extra: {
      min: config.database.poolMin,
      max: config.database.poolMax,
      connectionTimeoutMillis: config.database.poolTimeoutMs,
      maxLifetimeSeconds: config.database.recycleSeconds,
      idleTimeoutMillis: 60_000,
      keepAlive: true,
    },
  };
}
