import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { Clock } from '../../kernel/clock.js';
import { type ObjectStorage } from '../../platform/storage/object-storage.js';
import { type PeriodFate } from '../retention/period-fates.js';
import { type Month, type MonthChange } from './archive.repository.js';
import { ArchiveSettings } from './archive-settings.js';
import { Archives } from './archives.js';
import { Exporter, type Exported } from './exporter.js';
import { ARCHIVE_FORMAT } from './manifest.js';
import { ManifestMaker } from './manifest-maker.js';

/** Puts a month into the store, once. */
@Injectable()
export class Uploader {
  constructor(
    private readonly settings: ArchiveSettings,
    private readonly exporter: Exporter,
    private readonly manifests: ManifestMaker,
    private readonly archives: Archives,
    private readonly clock: Clock,
  ) {}

  /**
   * Exports a month and stores it with its manifest. What lies there already counts when it is the same, and is never overwritten. Throws
   * `archive_root_differs` and stores nothing when the events are not those that were sealed; `archive_conflict` when something else lies there.
   */
  async upload(month: Month, fate: PeriodFate | undefined): Promise<MonthChange> {
    const exported = await this.exporter.export(month);
    try {
      const { rows } = exported.summary;
      if (!exported.dense || rows !== month.rows || !exported.root.equals(month.root))
        throw AppError.conflict('archive_root_differs', `The events of ${month.log} ${month.period} do not have the root that was sealed.`);
      const key = this.manifests.keyOf(month, await this.manifests.installation());
      const store = await this.settings.store();
      await this.put(store, key, exported);
      const manifest = await this.manifests.make(month, fate, key, exported);
      const manifestKey = `${key.slice(0, -'.jsonl.zst'.length)}.manifest`;
      return {
        objectKey: key,
        objectBytes: exported.bytes,
        manifestKey,
        manifest: await this.putManifest(store, month, manifestKey, manifest, exported),
      };
    } finally {
      await rm(exported.file, { force: true });
    }
  }

  private async put(store: ObjectStorage, key: string, { file, bytes, sha256, summary }: Exported): Promise<void> {
    const metadata = { rows: String(summary.rows), format: ARCHIVE_FORMAT.replace('/', '-') };
    try {
      const keeping = this.settings.keeping(this.clock.now());
      await store.put(key, createReadStream(file), { bytes, sha256, createOnly: true, metadata, ...keeping });
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'storage_exists') throw error;
      const there = await store.head(key);
      // Where the store does not know it, reading it back tells.
      if (there.bytes !== bytes || (there.sha256 ?? sha256) !== sha256) throw conflict(key);
    }
  }

  /** The manifest that counts: the one that lies there already when it tells of the same object, or this one. */
  private async putManifest(store: ObjectStorage, month: Month, key: string, manifest: string, { sha256 }: Exported): Promise<string> {
    const bytes = Buffer.from(manifest);
    try {
      const { lock } = this.settings.keeping(this.clock.now());
      await store.put(key, Readable.from([bytes]), { bytes: bytes.length, createOnly: true, ...(lock ? { lock } : {}) });
      return manifest;
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'storage_exists') throw error;
      const there = await this.archives.textOf(store, key);
      const told = await this.archives.manifestOf(month, there);
      if (told.object.sha256 !== sha256) throw conflict(key);
      return there;
    }
  }
}

function conflict(key: string): AppError {
  return AppError.conflict('archive_conflict', `Something else lies at ${key}; nothing is overwritten.`);
}
