import { Global, Module } from '@nestjs/common';
import { Refusals } from '../platform/http/refusals.js';
import { AuditTrail } from './trail/audit-trail.js';
import { RefusalEvents } from './trail/refusal-events.js';

@Global()
@Module({ providers: [AuditTrail, { provide: Refusals, useClass: RefusalEvents }], exports: [AuditTrail, Refusals] })
export class AuditModule {}
