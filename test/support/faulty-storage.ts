import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import {
  type Capabilities,
  type ObjectFacts,
  type ObjectPage,
  ObjectStorage,
  type OpenedObject,
  type PutOptions,
  type StoredObject,
} from '../../src/platform/storage/object-storage.js';
import { storageUnavailable } from '../../src/platform/storage/storage-error.js';

export type Fault =
  'put fails' | 'put fails after storing' | 'put stores nothing' | 'get fails' | 'get is cut' | 'get is altered' | 'get is empty';

/** A real store that does what is asked of it wrongly, for as long as `fault` says so and for keys that end so. */
export class FaultyStorage extends ObjectStorage {
  fault: Fault | undefined;
  /** Which objects it gets wrong. */
  suffix = '.zst';

  constructor(private readonly inner: ObjectStorage) {
    super();
  }

  async put(key: string, content: Readable, options: PutOptions): Promise<StoredObject> {
    const fault = key.endsWith(this.suffix) ? this.fault : undefined;
    if (fault === 'put fails') {
      content.destroy();
      throw storageUnavailable('The store is away.', 1);
    }
    if (fault === 'put stores nothing') {
      content.destroy();
      return { etag: 'x', bytes: options.bytes ?? 0, sha256: options.sha256 ?? '' };
    }
    const stored = await this.inner.put(key, content, options);
    if (fault === 'put fails after storing') throw storageUnavailable('The answer was lost.', 1);
    return stored;
  }

  async get(key: string, options?: { range?: { offset: number; length: number } }): Promise<OpenedObject> {
    const opened = await this.inner.get(key, options);
    const fault = key.endsWith(this.suffix) ? this.fault : undefined;
    if (fault === undefined || fault.startsWith('put')) return opened;
    const bytes = await buffer(opened.stream);
    if (fault === 'get fails') throw storageUnavailable('The store is away.', 1);
    if (fault === 'get is altered') bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    const said = fault === 'get is cut' ? bytes.subarray(0, bytes.length >> 1) : fault === 'get is empty' ? Buffer.alloc(0) : bytes;
    return { ...opened, stream: Readable.from([said]) };
  }

  head(key: string): Promise<ObjectFacts> {
    return this.inner.head(key);
  }

  list(prefix: string, after: string | undefined, limit: number): Promise<ObjectPage> {
    return this.inner.list(prefix, after, limit);
  }

  delete(key: string, version?: string): Promise<void> {
    return this.inner.delete(key, version);
  }

  capabilities(): Promise<Capabilities> {
    return this.inner.capabilities();
  }

  sweep(before: Date): Promise<number> {
    return this.inner.sweep(before);
  }
}
