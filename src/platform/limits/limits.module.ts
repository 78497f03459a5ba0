import { Global, Module } from '@nestjs/common';
import { Admission } from '../auth/admission.js';
import { AddressLimit } from './address-limit.js';
import { RateLimits } from './rate-limits.js';
import { SharedCounters } from './shared-counters.js';

/** What the guard asks before it lets anybody in, and what stands before the guard. */
@Global()
@Module({ providers: [AddressLimit, SharedCounters, { provide: Admission, useClass: RateLimits }], exports: [Admission] })
export class LimitsModule {}
