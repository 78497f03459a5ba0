import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Outbound } from '../outbound/outbound.js';
import { LocalStorage, type LocalConfig } from './local/local-storage.js';
import { type ObjectStorage } from './object-storage.js';
import { type S3Config } from './s3/s3-config.js';
import { S3Storage } from './s3/s3-storage.js';
import { storageUnsupported } from './storage-error.js';

/** What every configuration of a store has; the rest is the driver’s own. */
interface StorageConfig {
  kind: string;
}

/** Which driver opens a store of which kind. Features add theirs in onModuleInit. */
@Injectable()
export class StorageRegistry {
  private readonly drivers = new Map<string, (config: StorageConfig) => ObjectStorage>();

  constructor(outbound: Outbound, clock: Clock) {
    this.register<LocalConfig>('local', ({ directory }) => new LocalStorage(directory));
    this.register<S3Config>('s3', (config) => new S3Storage(config, outbound, clock));
  }

  register<C extends StorageConfig>(kind: C['kind'], open: (config: C) => ObjectStorage): void {
    if (this.drivers.has(kind)) throw new Error(`Two drivers for storage of the kind ${kind}`);
    // A driver is only ever called with a configuration of its own kind.
    this.drivers.set(kind, open as (config: StorageConfig) => ObjectStorage);
  }

  /** Connects to nothing yet. Throws `storage_unsupported` for a kind that has no driver. */
  open(config: StorageConfig): ObjectStorage {
    const driver = this.drivers.get(config.kind);
    if (!driver) throw storageUnsupported(`There is no driver for storage of the kind ${config.kind}.`);
    return driver(config);
  }
}
