import { Global, Module } from '@nestjs/common';
import { Expiries } from './expiries.js';

/** Where features say what of theirs expires. */
@Global()
@Module({ providers: [Expiries], exports: [Expiries] })
export class RetentionModule {}
