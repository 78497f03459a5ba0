import { Global, Module } from '@nestjs/common';
import { StorageRegistry } from './storage-registry.js';

/** Where features keep what is large. */
@Global()
@Module({ providers: [StorageRegistry], exports: [StorageRegistry] })
export class StorageModule {}
