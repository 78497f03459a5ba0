import { Global, Module } from '@nestjs/common';
import { Admission } from '../auth/admission.js';
import { RateLimits } from './rate-limits.js';
import { SharedCounters } from './shared-counters.js';

/** What the guard asks before it lets anybody in. */
@Global()
@Module({ providers: [SharedCounters, { provide: Admission, useClass: RateLimits }], exports: [Admission] })
export class LimitsModule {}
