import { Injectable } from '@nestjs/common';
import { type PeriodFate } from '../retention/period-fates.js';
import { type Month, type MonthChange } from './archive.repository.js';
import { ArchiveSettings } from './archive-settings.js';
import { Archives } from './archives.js';
import { Uploader } from './uploader.js';

/** What is done with an archive in its store. */
@Injectable()
export class ArchiveStore {
  constructor(
    private readonly settings: ArchiveSettings,
    private readonly uploader: Uploader,
    private readonly archives: Archives,
  ) {}

  /** Throws what Uploader does. */
  upload(month: Month, fate: PeriodFate | undefined): Promise<MonthChange> {
    return this.uploader.upload(month, fate);
  }

  /** Throws what Archives does. */
  check(month: Month, manifest: string): Promise<void> {
    return this.archives.check(month, manifest);
  }

  /** Removes the events; the manifest stays. Nothing happens when they are gone. */
  async remove({ objectKey }: Month): Promise<void> {
    if (objectKey === null) return;
    await (await this.settings.store()).delete(objectKey);
  }
}
