import { type DynamicModule, Global, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AppConfig } from '../config/app-config.js';
import { Clock, SystemClock } from '../kernel/clock.js';
import { KeyStore } from './crypto/key-store.js';
import { SecretBox } from './crypto/secret-box.js';
import { dataSourceOptions } from './database/data-source.js';
import { UnitOfWork } from './database/unit-of-work.js';
import { Idempotency } from './http/idempotency.js';
import { Log } from './logging/log.js';

/** What every module may have: configuration, time, keys, the database, the log. */
@Global()
@Module({})
export class PlatformModule {
  static with(config: AppConfig): DynamicModule {
    return {
      module: PlatformModule,
      imports: [
        TypeOrmModule.forRootAsync({ useFactory: () => ({ ...dataSourceOptions(config), autoLoadEntities: true, retryAttempts: 1 }) }),
      ],
      providers: [
        { provide: AppConfig, useValue: config },
        { provide: Clock, useClass: SystemClock },
        { provide: Log, useFactory: () => new Log(config) },
        KeyStore,
        SecretBox,
        UnitOfWork,
        Idempotency,
      ],
      exports: [AppConfig, Clock, Log, KeyStore, SecretBox, UnitOfWork, Idempotency],
    };
  }
}
