import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { type GrowingTree } from '../sealing/growing-tree.js';
import { COLUMN, type CopiedRows } from './copied-rows.js';
import { FrameThreads, THREADS } from './frame-threads.js';
import { bufferOf, type Packed } from './frame-work.js';
import { type ArchiveFrame } from './manifest.js';

/** Of rows as they are copied. A reader has to hold a whole frame, and can begin at each. */
const FRAME_BYTES = 1 << 20;
const FRAME_ROWS = 4096;

/** Rows on their way into a file, by the frame. However many there are, the memory is that of a few frames, used again and again. */
export class FrameFile {
  private rows: Buffer = Buffer.allocUnsafeSlow(FRAME_BYTES);
  private length = 0;
  private count = 0;
  private first = 0;
  /** Where rows begin that were added and not kept yet; -1 when there are none. */
  private from = -1;
  private to = -1;
  private offset = 0;
  private readonly packing: { firstSeq: number; rows: number; answer: Promise<Packed> }[] = [];
  private readonly free: Uint8Array[] = [];
  private readonly frames: ArchiveFrame[] = [];
  private readonly whole = createHash('sha256');

  private constructor(
    private readonly file: FileHandle,
    private readonly threads: FrameThreads,
    private readonly tree: GrowingTree,
  ) {}

  /** `bytes` are those of the payloads to come; `tree` grows by the hash of each event as it was written. Whoever opens it closes it. */
  static async open(path: string, bytes: number, tree: GrowingTree): Promise<FrameFile> {
    return new FrameFile(await open(path, 'w', 0o600), new FrameThreads(bytes), tree);
  }

  /** The row has to stay where it is until `keep`. A promise only when there is something to wait for. */
  add(row: CopiedRows): Promise<void> | undefined {
    if (this.from < 0) this.from = this.to = row.from;
    const full = this.count === FRAME_ROWS || (this.count > 0 && this.length + row.to - this.from > FRAME_BYTES);
    if (full) {
      this.keep(row);
      return this.pack().then(() => this.add(row));
    }
    if (this.count === 0) this.first = row.integer(COLUMN.seq);
    this.count++;
    this.to = row.to;
    return undefined;
  }

  /** Takes what was added, all at once: rows lie behind each other. */
  keep({ bytes }: CopiedRows): void {
    const size = this.to - this.from;
    // Of no event that was recorded, but of one that somebody put there.
    if (this.length + size > this.rows.length) this.rows = Buffer.concat([this.rows.subarray(0, this.length)], this.length + size);
    this.length += bytes.copy(this.rows, this.length, this.from, this.to);
    this.from = this.to = -1;
  }

  /** All of it is in the file then. */
  async end(): Promise<{ bytes: number; sha256: string; frames: ArchiveFrame[] }> {
    if (this.count > 0) await this.pack();
    while (this.packing.length > 0) await this.write();
    return { bytes: this.offset, sha256: this.whole.digest('hex'), frames: this.frames };
  }

  async close(): Promise<void> {
    await this.threads.close();
    await this.file.close();
  }

  private async pack(): Promise<void> {
    const { rows, length, first, count } = this;
    this.packing.push({ firstSeq: first, rows: count, answer: this.threads.pack({ rows, length, count }) });
    // Each thread has one under way and one that waits.
    if (this.packing.length > 2 * THREADS) await this.write();
    const free = this.free.pop();
    this.rows = free ? bufferOf(free) : Buffer.allocUnsafeSlow(FRAME_BYTES);
    [this.length, this.count] = [0, 0];
  }

  private async write(): Promise<void> {
    const next = this.packing.shift();
    if (!next) return;
    const { frame, sha256, leaves, rows } = await next.answer;
    this.tree.pushLeaves(bufferOf(leaves));
    await this.file.writeFile(frame);
    this.whole.update(frame);
    this.frames.push({ firstSeq: next.firstSeq, rows: next.rows, offset: this.offset, bytes: frame.length, sha256 });
    this.offset += frame.length;
    if (rows.length === FRAME_BYTES) this.free.push(rows);
  }
}
