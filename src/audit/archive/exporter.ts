import { createHash, hash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { once } from 'node:events';
import path from 'node:path';
import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { zstdFrame } from '../../platform/storage/codecs/zstd.js';
import { LogTrees } from '../sealing/log-trees.js';
import { leafHashHex } from '../sealing/merkle.js';
import { type Month } from './archive.repository.js';
import { ArchiveSettings } from './archive-settings.js';
import { copiedRows } from './copied-rows.js';
import { lineOf } from './event-line.js';
import { type ArchiveFrame } from './manifest.js';
import { ArchiveSummary } from './summary.js';

/** Events of a frame, unless they are large. */
const FRAME_ROWS = 4096;
const FRAME_BYTES = 4 << 20;
const LEVEL = 3;

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

/** Writes a month as it is archived into a file, and grows its log's tree over what it writes. Memory is that of a frame. */
@Injectable()
export class Exporter {
  constructor(
    private readonly work: UnitOfWork,
    private readonly trees: LogTrees,
    private readonly settings: ArchiveSettings,
  ) {}

  /** Throws SealingRefused when the log before the month is not there. The file is the caller's to remove. */
  async export(month: Month): Promise<Exported> {
    const tree = await this.trees.before(month);
    await mkdir(this.settings.spool, { recursive: true, mode: 0o700 });
    const file = path.join(this.settings.spool, `${month.log}-${month.period}-${month.fence}.jsonl.zst`);
    const out = createWriteStream(file, { mode: 0o600 });
    const summary = new ArchiveSummary(month.rows);
    const frames = new Frames();
    const seen = { next: month.firstSeq, dense: true };
    try {
      await this.work.withClient(async (client) => {
        for await (const row of copiedRows(client, month.class, month.period)) {
          seen.dense &&= row.seq === seen.next;
          seen.next = row.seq + 1;
          tree.push(Buffer.from(leafHashHex(row.payload), 'hex'));
          summary.add(row);
          const frame = frames.add(row.seq, lineOf(row));
          if (frame && !out.write(frame)) await once(out, 'drain');
        }
      });
      const last = frames.end();
      if (last) out.write(last);
      out.end();
      await once(out, 'close');
    } catch (error) {
      out.destroy();
      await rm(file, { force: true });
      throw error;
    }
    return { file, ...frames.told(), summary: summary.told(), root: tree.root, dense: seen.dense && seen.next === month.lastSeq + 1 };
  }
}

/** Lines by the frame. */
class Frames {
  private lines: string[] = [];
  private held = 0;
  private first = 0;
  private offset = 0;
  private readonly whole = createHash('sha256');
  private readonly frames: ArchiveFrame[] = [];

  /** The frame that is full with it. */
  add(seq: number, line: string): Buffer | undefined {
    if (this.lines.length === 0) this.first = seq;
    this.lines.push(line);
    this.held += line.length + 1;
    return this.lines.length >= FRAME_ROWS || this.held >= FRAME_BYTES ? this.end() : undefined;
  }

  end(): Buffer | undefined {
    if (this.lines.length === 0) return undefined;
    const frame = zstdFrame(Buffer.from(`${this.lines.join('\n')}\n`), LEVEL);
    this.whole.update(frame);
    this.frames.push({
      firstSeq: this.first,
      rows: this.lines.length,
      offset: this.offset,
      bytes: frame.length,
      sha256: hash('sha256', frame, 'hex'),
    });
    this.offset += frame.length;
    this.lines = [];
    this.held = 0;
    return frame;
  }

  told(): Pick<Exported, 'bytes' | 'sha256' | 'frames'> {
    return { bytes: this.offset, sha256: this.whole.digest('hex'), frames: this.frames };
  }
}
