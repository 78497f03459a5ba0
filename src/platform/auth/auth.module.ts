import { Module } from '@nestjs/common';
import { APP_GUARD, DiscoveryModule } from '@nestjs/core';
import { AccessGuard } from './access.guard.js';
import { RouteAccessList } from './route-access.js';

@Module({
  imports: [DiscoveryModule],
  providers: [RouteAccessList, { provide: APP_GUARD, useClass: AccessGuard }],
  exports: [RouteAccessList],
})
export class AuthModule {}
