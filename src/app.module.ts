import { type DynamicModule, Module } from '@nestjs/common';
import { AuditModule } from './audit/audit.module.js';
import { type AppConfig } from './config/app-config.js';
import { IpamModule } from './ipam/ipam.module.js';
import { AuthModule } from './platform/auth/auth.module.js';
import { DocsModule } from './platform/docs/docs.module.js';
import { HealthModule } from './platform/health/health.module.js';
import { JobsModule } from './platform/jobs/jobs.module.js';
import { MetricsModule } from './platform/metrics/metrics.module.js';
import { PlatformModule } from './platform/platform.module.js';
import { UsersModule } from './users/users.module.js';

/** The only file that knows every feature. */
@Module({})
export class AppModule {
  static with(config: AppConfig): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.with(config),
        MetricsModule,
        HealthModule,
        DocsModule,
        JobsModule,
        AuditModule,
        AuthModule,
        UsersModule,
        IpamModule,
      ],
    };
  }
}
