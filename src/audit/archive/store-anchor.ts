import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { Clock } from '../../kernel/clock.js';
import { Log } from '../../platform/logging/log.js';
import { type ObjectStorage } from '../../platform/storage/object-storage.js';
import { Anchor, type PublishedCheckpoint } from '../sealing/anchor.js';
import { Anchoring } from '../sealing/anchoring.js';
import { type AnchoredElsewhere, type FoundNote } from '../verification/anchored-notes.js';
import { ArchiveSettings } from './archive-settings.js';
import { forkedKey, newestNote, noteKey } from './newest-note.js';

/** Of histories that were forked, so many notes of a log are read: one would do. */
const FORKED_READ = 50;
const LISTED = 1000;
const FORKED = 'forked';

/**
 * One object a checkpoint in the store of the archives, made once and locked as archives are: `audit/<installation>/anchors/<log>/<month>/<number>.note`.
 * Another one of the same number and month goes to `<log>/forked/<number>.<digest>.note`, where it is found without listing months.
 */
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
    const key = noteKey(folderOf(installation, log, monthOf(note)), number);
    if (await this.kept(store, key, note)) return;
    // Somebody signed another history under this number: both are evidence.
    this.log.error('another checkpoint of this number is anchored already: the audit log was rolled back or forked', { log, number });
    const digest = createHash('sha256').update(note).digest('hex').slice(0, 8);
    await this.kept(store, forkedKey(noteKey(folderOf(installation, log, FORKED), number), digest), note);
  }

  /** The last one of this month and of the month before, of each log, and where its history was forked, both sides; none while the setting is off. */
  async *newest(installation: string, logs: readonly string[]): AsyncGenerator<FoundNote> {
    if (!this.isEnabled()) return;
    const store = await this.settings.store();
    const now = this.clock.now();
    const months = [0, 1].map((back) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back)).toISOString().slice(0, 7));
    for (const log of logs) {
      for (const month of months) {
        const key = await newestNote(store, folderOf(installation, log, month));
        if (key !== undefined) yield { place: key, content: await contentOf(store, key) };
      }
      yield* this.forked(store, installation, log);
    }
  }

  /** Both notes of numbers that were signed twice, spread over all of them. */
  private async *forked(store: ObjectStorage, installation: string, log: string): AsyncGenerator<FoundNote> {
    const folder = folderOf(installation, log, FORKED);
    const keys: string[] = [];
    for (let after: string | undefined, more = true; more;) {
      const page = await store.list(folder, after, LISTED);
      keys.push(...page.items.map(({ key }) => key));
      after = page.next;
      more = after !== undefined;
    }
    const step = Math.max(1, Math.ceil(keys.length / FORKED_READ));
    for (const key of keys.filter((_, i) => i % step === 0)) {
      const content = await contentOf(store, key);
      yield { place: key, content };
      const number = Number.parseInt(key.slice(folder.length), 10);
      const first = noteKey(folderOf(installation, log, monthOf(content)), number);
      // The store's own rules may have removed it by now.
      const before = await contentOf(store, first).catch(unlessGone);
      if (before !== undefined) yield { place: first, content: before };
    }
  }

  /** Stores it unless there is something; false when that says something else. */
  private async kept(store: ObjectStorage, key: string, note: string): Promise<boolean> {
    const content = Buffer.from(note);
    try {
      await store.put(key, Readable.from([content]), {
        bytes: content.length,
        createOnly: true,
        ...this.settings.keeping(this.clock.now()),
      });
      return true;
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'storage_exists') throw error;
      return (await contentOf(store, key)) === note;
    }
  }
}

function monthOf(note: string): string {
  return /^time (\d{4}-\d\d)/m.exec(note)?.[1] ?? 'undated';
}

function unlessGone(error: unknown): undefined {
  if (!(error instanceof AppError) || error.code !== 'storage_not_found') throw error;
}

async function contentOf(store: ObjectStorage, key: string): Promise<string> {
  return text((await store.get(key)).stream);
}

function folderOf(installation: string, log: string, month: string): string {
  return `audit/${installation}/anchors/${log}/${month}/`;
}
