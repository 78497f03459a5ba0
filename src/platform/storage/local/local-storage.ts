import { type FileHandle, open } from 'node:fs/promises';
import path from 'node:path';
import { type Readable } from 'node:stream';
import { AppError } from '../../../kernel/app-error.js';
import { compared, Measured } from '../measured.js';
import { checkKey, checkMetadata, checkPrefix } from '../object-key.js';
import {
  type ByteRange,
  type Capabilities,
  type ListedObject,
  type ObjectFacts,
  type ObjectPage,
  ObjectStorage,
  type OpenedObject,
  type PutOptions,
  type StoredObject,
} from '../object-storage.js';
import { storageCorrupt, storageExists, storageNotFound, storageUnsupported } from '../storage-error.js';
import { explainedFile } from './local-error.js';
import { LocalFolder } from './local-folder.js';
import { walk } from './local-list.js';

/** A folder of this machine, or one that is mounted. */
export interface LocalConfig {
  kind: 'local';
  directory: string;
}

/** Objects as files under their keys, which any program can read. */
export class LocalStorage extends ObjectStorage {
  private readonly folder: LocalFolder;

  constructor(directory: string) {
    super();
    this.folder = new LocalFolder(path.resolve(directory));
  }

  async put(key: string, content: Readable, options: PutOptions): Promise<StoredObject> {
    const measured = new Measured(content, options);
    try {
      checkKey(key);
      const metadata = { ...options.metadata };
      checkMetadata(metadata);
      if (options.lock || options.storageClass !== undefined) throw storageUnsupported('A folder has neither locks nor storage classes.');
      await this.folder.check();
      // Now too, so that what cannot succeed is not written first.
      if (options.createOnly && (await this.folder.version(key)) !== undefined) throw storageExists(key);
      const etag = await this.store(key, measured, metadata, options.createOnly);
      return { etag, bytes: measured.bytes, sha256: measured.sha256 };
    } catch (error) {
      throw measured.failure ?? explainedFile(error, key);
    } finally {
      content.destroy();
    }
  }

  get(key: string, { range }: { range?: ByteRange } = {}): Promise<OpenedObject> {
    return this.explaining(key, async () => {
      const { file, facts } = await this.open(key);
      if (range && range.offset + range.length > facts.bytes) {
        await file.close();
        throw storageCorrupt(`The object ${key} ends before what was asked for.`);
      }
      const source = file.createReadStream(range ? { start: range.offset, end: range.offset + range.length - 1 } : {});
      // What reading a file fails with is explained to an AppError.
      const stream = compared(source, range ? { bytes: range.length } : facts, (error) => explainedFile(error, key) as AppError);
      return { facts, stream };
    });
  }

  head(key: string): Promise<ObjectFacts> {
    return this.explaining(key, async () => {
      const { file, facts } = await this.open(key);
      await file.close();
      return facts;
    });
  }

  async list(prefix: string, after: string | undefined, limit: number): Promise<ObjectPage> {
    checkPrefix(prefix);
    const items: ListedObject[] = [];
    try {
      await this.folder.check();
      for await (const item of walk(this.folder.root, prefix, after ?? '')) {
        if (items.length === limit) return { items, next: items.at(-1)?.key };
        items.push(item);
      }
    } catch (error) {
      throw explainedFile(error, prefix);
    }
    return { items };
  }

  delete(key: string, version?: string): Promise<void> {
    return this.explaining(key, async () => {
      if (version !== undefined) throw storageUnsupported('A folder keeps no versions.');
      const removed = await this.folder.remove(key);
      if (removed !== undefined) await this.folder.removeFacts(key, removed);
    });
  }

  /** Throws `storage_unsupported` on a file system that cannot link. */
  capabilities(): Promise<Capabilities> {
    return this.explaining('incoming', async () => {
      await this.folder.check();
      await this.folder.tryLink();
      return { createOnly: 'always', ranges: true, objectLock: false, storageClasses: [] };
    });
  }

  sweep(before: Date): Promise<number> {
    return this.explaining('incoming', () => this.folder.sweep(before));
  }

  /** Facts first: an object that is seen has them. Returns its version. */
  private async store(key: string, measured: Measured, metadata: Record<string, string>, createOnly: boolean): Promise<string> {
    let claimed: string | undefined;
    try {
      const draft = await this.folder.draft(
        async (file) => {
          for await (const chunk of measured.chunks()) await file.writeFile(chunk);
        },
        async (version) => {
          await this.folder.writeFacts(version, { key, sha256: measured.sha256, metadata });
          claimed = version;
        },
      );
      const before = createOnly ? undefined : await this.folder.version(key);
      try {
        await this.folder.publish(draft, key, createOnly);
      } finally {
        await this.folder.discard(draft);
      }
      if (before !== undefined) await this.folder.removeFacts(key, before);
      return draft.version;
    } catch (error) {
      if (claimed !== undefined && (await this.folder.version(key)) !== claimed) await this.folder.removeFacts(key, claimed);
      throw error;
    }
  }

  private async open(key: string): Promise<{ file: FileHandle; facts: ObjectFacts }> {
    for (;;) {
      const file = await open(this.folder.object(key), 'r');
      try {
        const found = await file.stat({ bigint: true });
        if (!found.isFile()) throw storageNotFound(key);
        const version = String(found.mtimeNs);
        const own = await this.folder.readFacts(key, version);
        if (own || (await this.folder.version(key)) === version) {
          const known = own ?? (await this.folder.lastFacts(key));
          const facts = { etag: version, bytes: Number(found.size), metadata: known?.metadata ?? {}, storedAt: found.mtime };
          return { file, facts: known ? { ...facts, sha256: known.sha256 } : facts };
        }
        // Replaced in between, and its facts with it: what has the name now.
        await file.close();
      } catch (error) {
        await file.close();
        throw error;
      }
    }
  }

  private async explaining<T>(key: string, work: () => Promise<T>): Promise<T> {
    try {
      checkKey(key);
      return await work();
    } catch (error) {
      const known = explainedFile(error, key);
      if (known instanceof AppError && known.code === 'storage_not_found') await this.folder.check();
      throw known;
    }
  }
}
