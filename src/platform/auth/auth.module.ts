import { Global, Module } from '@nestjs/common';
import { APP_GUARD, DiscoveryModule } from '@nestjs/core';
import { AccessGuard } from './access.guard.js';
import { CredentialChecks } from './credential-checks.js';
import { RouteAccessList } from './route-access.js';

@Global()
@Module({
  imports: [DiscoveryModule],
  providers: [CredentialChecks, RouteAccessList, { provide: APP_GUARD, useClass: AccessGuard }],
  exports: [CredentialChecks, RouteAccessList],
})
export class AuthModule {}
