import { createHash, randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../config/app-config.js';
import { Log } from '../../platform/logging/log.js';
import { isFileError } from './file-error.js';
import { thinNotes } from './thin-notes.js';
import { Anchor, type PublishedCheckpoint } from './anchor.js';

const DIGITS = 12;
const THINNED_EVERY_MS = 3_600_000;

/**
 * One file a checkpoint, `<log>/<month>/<number>.note`, made once and never written again. A newer checkpoint holds all that an older one
 * does, so of those that are some days old one an hour stays, and of those that are some months old one a day.
 */
@Injectable()
export class FileAnchor extends Anchor {
  readonly name = 'file';
  private thinnedAt = 0;

  constructor(
    private readonly config: AppConfig,
    private readonly log: Log,
  ) {
    super();
  }

  async publish({ log, number, note }: PublishedCheckpoint): Promise<void> {
    const month = /^time (\d{4}-\d\d)/m.exec(note)?.[1] ?? 'undated';
    const folder = path.join(this.config.audit.anchorDirectory, log, month);
    const file = path.join(folder, `${String(number).padStart(DIGITS, '0')}.note`);
    await mkdir(folder, { recursive: true });
    if (await kept(file, note)) return this.thin();
    // Somebody signed another history under this number: both are evidence.
    this.log.error('another checkpoint of this number is anchored already: the audit log was rolled back or forked', { log, number });
    const digest = createHash('sha256').update(note).digest('hex').slice(0, 8);
    await kept(file.replace(/\.note$/, `.${digest}.note`), note);
  }

  /** Now and then. That it fails is no reason to publish anything again. */
  private async thin(): Promise<void> {
    if (Date.now() - this.thinnedAt < THINNED_EVERY_MS) return;
    this.thinnedAt = Date.now();
    try {
      const removed = await thinNotes(this.config.audit.anchorDirectory, new Date());
      if (removed > 0) this.log.info('removed anchors that newer ones stand for', { removed });
    } catch (error) {
      this.log.error('anchors could not be thinned', { error });
    }
  }
}

/** Writes the file whole or not at all; false when there is one that says something else. */
async function kept(file: string, text: string): Promise<boolean> {
  const draft = `${file}.${randomBytes(4).toString('hex')}.draft`;
  await writeFile(draft, text, { flag: 'wx', mode: 0o444, flush: true });
  try {
    await link(draft, file);
    return true;
  } catch (error) {
    if (!isFileError(error, 'EEXIST')) throw error;
    return (await readFile(file, 'utf8')) === text;
  } finally {
    await rm(draft, { force: true });
  }
}
