import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { type CopiedRows, COLUMN } from './copied-rows.js';
import { FrameThreads } from './frame-threads.js';
import { type Packed } from './frame-work.js';
import { LineWriter } from './line-writer.js';
import { type ArchiveFrame } from './manifest.js';

/** Of lines. A reader has to hold a whole frame, and can begin at each. */
const FRAME_BYTES = 1 << 20;
const FRAME_ROWS = 4096;
/** Frames that are compressed or wait for it while the next one is filled. */
const UNDER_WAY = 2;

/** Lines on their way into a file, by the frame. However many there are, the memory is that of a few frames, used again and again. */
export class FrameFile {
  private writer = new LineWriter(Buffer.allocUnsafeSlow(FRAME_BYTES));
  private rows = 0;
  private first = 0;
  private offset = 0;
  private readonly packed: Promise<{ answer: Packed; frame: Pick<ArchiveFrame, 'firstSeq' | 'rows'> }>[] = [];
  private readonly free: Uint8Array[] = [];
  private readonly frames: ArchiveFrame[] = [];
  private readonly whole = createHash('sha256');

  private constructor(
    private readonly file: FileHandle,
    private readonly threads: FrameThreads,
  ) {}

  /** `bytes` are those of the payloads to come. Whoever opens it closes it. */
  static async open(path: string, bytes: number): Promise<FrameFile> {
    return new FrameFile(await open(path, 'w', 0o600), new FrameThreads(bytes, 1));
  }

  /** A promise only when there is something to wait for. */
  add(row: CopiedRows): Promise<void> | undefined {
    const most = LineWriter.most(row);
    const full = this.rows === FRAME_ROWS || (this.rows > 0 && this.writer.length + most > this.writer.bytes.length);
    if (full) return this.pack().then(() => this.add(row));
    // Of no event that was recorded, but of one that somebody put there.
    if (most > this.writer.bytes.length) this.writer = new LineWriter(Buffer.allocUnsafeSlow(most));
    if (this.rows === 0) this.first = row.integer(COLUMN.seq);
    this.rows++;
    this.writer.write(row);
    return undefined;
  }

  /** All of it is in the file then. */
  async end(): Promise<{ bytes: number; sha256: string; frames: ArchiveFrame[] }> {
    if (this.rows > 0) await this.pack();
    while (this.packed.length > 0) await this.write();
    return { bytes: this.offset, sha256: this.whole.digest('hex'), frames: this.frames };
  }

  async close(): Promise<void> {
    await this.threads.close();
    await this.file.close();
  }

  private async pack(): Promise<void> {
    const { bytes, length } = this.writer;
    const frame = { firstSeq: this.first, rows: this.rows };
    this.packed.push(this.threads.pack({ content: bytes, length }).then((answer) => ({ answer, frame })));
    this.packed.at(-1)?.catch(() => undefined);
    this.rows = 0;
    if (this.packed.length > UNDER_WAY) await this.write();
    const free = this.free.pop();
    this.writer = new LineWriter(free ? Buffer.from(free.buffer) : Buffer.allocUnsafeSlow(FRAME_BYTES));
  }

  private async write(): Promise<void> {
    const next = await this.packed.shift();
    if (!next) return;
    const { frame, sha256, content } = next.answer;
    await this.file.writeFile(frame);
    this.whole.update(frame);
    this.frames.push({ ...next.frame, offset: this.offset, bytes: frame.length, sha256 });
    this.offset += frame.length;
    if (content.length === FRAME_BYTES) this.free.push(content);
  }
}
