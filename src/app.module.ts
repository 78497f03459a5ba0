import { type DynamicModule, Module } from '@nestjs/common';
import { AuditModule } from './audit/audit.module.js';
import { type AppConfig } from './config/app-config.js';
import { AuthModule } from './platform/auth/auth.module.js';
import { PlatformModule } from './platform/platform.module.js';

/** The only file that knows every feature. */
@Module({})
export class AppModule {
  static with(config: AppConfig): DynamicModule {
    return { module: AppModule, imports: [PlatformModule.with(config), AuditModule, AuthModule] };
  }
}
