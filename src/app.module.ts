import { type DynamicModule, Module } from '@nestjs/common';
import { AuditModule } from './audit/audit.module.js';
import { type AppConfig } from './config/app-config.js';
import { IpamModule } from './ipam/ipam.module.js';
import { AuthModule } from './platform/auth/auth.module.js';
import { DocsModule } from './platform/docs/docs.module.js';
import { HealthModule } from './platform/health/health.module.js';
import { JobsModule } from './platform/jobs/jobs.module.js';
import { LimitsModule } from './platform/limits/limits.module.js';
import { MetricsModule } from './platform/metrics/metrics.module.js';
import { OutboundModule } from './platform/outbound/outbound.module.js';
import { StorageModule } from './platform/storage/storage.module.js';
import { PlatformModule } from './platform/platform.module.js';
import { RetentionModule } from './platform/retention/retention.module.js';
import { SearchModule } from './platform/search/search.module.js';
import { SettingsModule } from './platform/settings/settings.module.js';
import { IdentityProvidersModule } from './users/identity-providers/identity-providers.module.js';
import { GroupsModule } from './users/groups/groups.module.js';
import { ProjectsModule } from './users/projects/projects.module.js';
import { ApiKeysModule } from './users/api-keys/api-keys.module.js';
import { WorkSessionsModule } from './users/work-sessions/work-sessions.module.js';
import { UsersModule } from './users/users.module.js';

/** The only file that knows every feature. */
@Module({})
export class AppModule {
  static with(config: AppConfig): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.with(config),
        SettingsModule.with(config),
        MetricsModule,
        HealthModule,
        DocsModule,
        RetentionModule,
        JobsModule,
        AuditModule,
        LimitsModule,
        OutboundModule,
        StorageModule,
        AuthModule,
        SearchModule,
        UsersModule,
        IdentityProvidersModule,
        GroupsModule,
        ProjectsModule,
        ApiKeysModule,
        WorkSessionsModule,
        IpamModule,
      ],
    };
  }
}
