import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../config/app-config.js';
import { type Leaf } from '../trail/inbox-rows.js';
import { SpoolFolder } from './spool-folder.js';
import { type Decoded, decodeRecords, encodeRecord } from './spool-records.js';

const SEGMENT_BYTES = 16 * 2 ** 20;

class SpoolFull extends Error {}

/** Where events wait on disk while the database does not take them. One writer's calls come one after another. */
@Injectable()
export class Spool {
  readonly writer = randomUUID();
  private readonly folder: SpoolFolder;
  private open: { file: string; handle: FileHandle; bytes: number } | undefined;
  private next = 1;
  private inTurn: Promise<unknown> = Promise.resolve();

  constructor(private readonly config: AppConfig) {
    this.folder = new SpoolFolder(path.join(config.varDirectory, 'spool', 'reads'), this.writer);
  }

  /** Keeps all of them or none; they are on the disk when it resolves. Throws SpoolFull beyond the quota, or what the disk says. */
  append(leaves: readonly Leaf[]): Promise<void> {
    return this.alone(async () => {
      const bytes = Buffer.concat(leaves.map(encodeRecord));
      if ((await this.bytes()) + bytes.length > this.config.audit.spoolLimit) throw new SpoolFull('The spool has no room left.');
      const segment = (this.open ??= await this.begin());
      try {
        await segment.handle.write(bytes, 0, bytes.length, segment.bytes);
        await segment.handle.datasync();
        segment.bytes += bytes.length;
      } catch (error) {
        // What is half written goes; where even that fails the segment ends here, with a torn record.
        await segment.handle.truncate(segment.bytes).catch(() => this.end());
        throw error;
      }
      if (segment.bytes >= SEGMENT_BYTES) await this.end();
    });
  }

  /** The segments that are there now, oldest first; what is appended from here on goes to others. */
  segments(): Promise<string[]> {
    return this.alone(async () => {
      await this.end();
      return this.folder.segments();
    });
  }

  async read(segment: string): Promise<Decoded> {
    return decodeRecords(await readFile(segment));
  }

  /** Once all of it is in the database. */
  async remove(segment: string): Promise<void> {
    await rm(segment, { force: true });
  }

  /** How much lies in it. */
  async bytes(): Promise<number> {
    const sizes = await Promise.all(this.folder.segments().map(async (file) => (await stat(file)).size));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  get isEmpty(): boolean {
    return this.folder.segments().length === 0;
  }

  /** Says that this writer lives, and takes over what dead ones have left. */
  adopt(): number {
    this.folder.beat();
    return this.folder.adopt();
  }

  /** Nothing is appended after that. */
  close(): Promise<void> {
    return this.alone(async () => {
      await this.end();
      this.folder.tidy();
    });
  }

  /** Removes folders with nothing in them. */
  tidy(): Promise<void> {
    return this.alone(() => {
      if (!this.open) this.folder.tidy();
      return Promise.resolve();
    });
  }

  private async begin(): Promise<{ file: string; handle: FileHandle; bytes: number }> {
    this.folder.make();
    const file = path.join(this.folder.path, `${String(this.next++).padStart(6, '0')}.log`);
    return { file, handle: await open(file, 'wx', 0o600), bytes: 0 };
  }

  private async end(): Promise<void> {
    const { open: segment } = this;
    this.open = undefined;
    await segment?.handle.close();
  }

  private alone<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.inTurn.then(act);
    this.inTurn = turn.catch(() => undefined);
    return turn;
  }
}
