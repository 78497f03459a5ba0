import { Global, Module } from '@nestjs/common';
import { Outbound } from './outbound.js';
import { Resolver, SystemResolver } from './resolver.js';

/** The way out to other servers. */
@Global()
@Module({ providers: [Outbound, { provide: Resolver, useClass: SystemResolver }], exports: [Outbound] })
export class OutboundModule {}
