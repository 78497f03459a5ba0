import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { Clock } from '../../kernel/clock.js';
import { Log } from '../../platform/logging/log.js';
import { Anchor, type PublishedCheckpoint } from '../sealing/anchor.js';
import { Anchoring } from '../sealing/anchoring.js';
import { type AnchoredElsewhere, type FoundNote } from '../verification/anchored-notes.js';
import { ArchiveSettings } from './archive-settings.js';
import { newestNote, noteKey } from './newest-note.js';

/** One object a checkpoint in the store of the archives, made once and locked as archives are: `audit/<installation>/anchors/<log>/<month>/<number>.note`. */
@Injectable()
export class StoreAnchor extends Anchor implements OnModuleInit, AnchoredElsewhere {
  readonly name = 'store';

  constructor(
    private readonly settings: ArchiveSettings,
    private readonly anchoring: Anchoring,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    super();
  }

  onModuleInit(): void {
    this.anchoring.add(this);
  }

  override isEnabled(): boolean {
    return this.settings.anchors;
  }

  async publish({ log, number, note }: PublishedCheckpoint): Promise<void> {
    const store = await this.settings.store();
    const [, installation = ''] = note.split('\n', 1)[0]?.split('/') ?? [];
    const month = /^time (\d{4}-\d\d)/m.exec(note)?.[1] ?? 'undated';
    const key = noteKey(folderOf(installation, log, month), number);
    const content = Buffer.from(note);
    try {
      await store.put(key, Readable.from([content]), {
        bytes: content.length,
        createOnly: true,
        ...this.settings.keeping(this.clock.now()),
      });
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'storage_exists') throw error;
      if ((await text((await store.get(key)).stream)) === note) return;
      this.log.error('another checkpoint of this number is anchored already: the audit log was rolled back or forked', { log, number });
      throw AppError.conflict('anchor_conflict', `Another checkpoint ${number} of ${log} is in the store already.`);
    }
  }
  /** The last one of this month and of the month before, of each log; none while the setting is off. */
  async *newest(installation: string, logs: readonly string[]): AsyncGenerator<FoundNote> {
    if (!this.isEnabled()) return;
    const store = await this.settings.store();
    const now = this.clock.now();
    const months = [0, 1].map((back) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back)).toISOString().slice(0, 7));
    for (const log of logs)
      for (const month of months) {
        const key = await newestNote(store, folderOf(installation, log, month));
        if (key !== undefined) yield { place: key, content: await text((await store.get(key)).stream) };
      }
  }
}

function folderOf(installation: string, log: string, month: string): string {
  return `audit/${installation}/anchors/${log}/${month}/`;
}
