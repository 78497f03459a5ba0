import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { type ClientBase } from 'pg';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { LogTrees } from '../sealing/log-trees.js';
import { type Month } from './archive.repository.js';
import { ArchiveSettings } from './archive-settings.js';
import { COLUMN, copiedRows } from './copied-rows.js';
import { FrameFile } from './frame-file.js';
import { FrameThreads } from './frame-threads.js';
import { type ArchiveFrame } from './manifest.js';
import { ArchiveSummary } from './summary.js';

export interface Exported {
  file: string;
  bytes: number;
  sha256: string;
  frames: ArchiveFrame[];
  summary: ReturnType<ArchiveSummary['told']>;
  /** Of the log with this month, by the events that were read. */
  root: Buffer;
  /** Whether they lie behind each other from the first to the last. */
  dense: boolean;
}

/** Writes a month as it is archived into a file, and grows its log's tree over what it writes. Memory is that of a few frames. */
@Injectable()
export class Exporter implements OnApplicationShutdown {
  constructor(
    private readonly work: UnitOfWork,
    private readonly trees: LogTrees,
    private readonly settings: ArchiveSettings,
  ) {}

  /** Throws SealingRefused when the log before the month is not there. The file is the caller's to remove; it is gone when this throws. */
  async export(month: Month): Promise<Exported> {
    const tree = await this.trees.before(month);
    await mkdir(this.settings.spool, { recursive: true, mode: 0o700 });
    const file = path.join(this.settings.spool, `${month.log}-${month.period}-${month.fence}.jsonl.zst`);
    const frames = await FrameFile.open(file, month.bytes, tree);
    try {
      const told = await this.work.withClient((client) => this.copied(client, month, frames));
      return { file, ...told, ...(await frames.end()), root: tree.root };
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    } finally {
      await frames.close();
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await FrameThreads.endRested();
  }

  private async copied(client: ClientBase, month: Month, frames: FrameFile): Promise<Pick<Exported, 'summary' | 'dense'>> {
    const summary = new ArchiveSummary(month.rows);
    let next = month.firstSeq;
    let dense = true;
    for await (const row of copiedRows(client, month.class, month.period)) {
      while (row.next()) {
        const seq = row.integer(COLUMN.seq);
        dense &&= seq === next;
        next = seq + 1;
        summary.add(row);
        const full = frames.add(row);
        if (full) await full;
      }
      frames.keep(row);
    }
    return { summary: summary.told(), dense: dense && next === month.lastSeq + 1 };
  }
}
