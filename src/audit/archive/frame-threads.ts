import { AskedThread, threadScript } from '../../kernel/asked-thread.js';
import { type FrameOrder, pack, type Packed, type Packing, prove, type Proved, type Proving } from './frame-work.js';

const THREAD = threadScript(import.meta.url, 'frame-thread.js', '../../../dist/src/audit/archive');
/** A thread costs more than these take. */
const SMALL_BYTES = 16 << 20;
/** Each takes every other frame. */
export const THREADS = 2;
/** So long a thread waits for the next archive: the first seconds of a new one go into compiling what it runs. */
const REST_MS = 30_000;
/** They have no use for more; what they work on does not lie there. */
const LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 };

/** Works on the frames of an archive beside the thread that serves requests, or right there when there is little to do. */
export class FrameThreads {
  private readonly threads: FrameThread[];
  private turn = 0;

  /** For so many bytes of payloads. Whoever opens it closes it. */
  constructor(bytes: number) {
    this.threads = Array.from({ length: bytes < SMALL_BYTES ? 0 : THREADS }, () => FrameThread.rested.pop()?.wake() ?? new FrameThread());
  }

  /** Those of this process that wait for an archive: no more will come. */
  static async endRested(): Promise<void> {
    await Promise.all(FrameThread.rested.splice(0).map((thread) => thread.end()));
  }

  pack(packing: Packing): Promise<Packed> {
    return this.next()?.ask<Packed>({ pack: packing }, packing.rows.buffer as ArrayBuffer) ?? Promise.resolve(pack(packing));
  }

  prove(proving: Proving): Promise<Proved> {
    return this.next()?.ask<Proved>({ prove: proving }, proving.frame.buffer as ArrayBuffer) ?? Promise.resolve(prove(proving));
  }

  async close(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.leave()));
  }

  private next(): FrameThread | undefined {
    return this.threads[this.turn++ % this.threads.length];
  }
}

class FrameThread {
  /** Of this process, without work. */
  static readonly rested: FrameThread[] = [];

  private readonly thread = new AskedThread(THREAD, LIMITS, () => {
    this.forget();
  });
  private rest: NodeJS.Timeout | undefined;

  ask<T>(order: FrameOrder, given: ArrayBuffer): Promise<T> {
    return this.thread.ask<T>(order, [given]);
  }

  /** One that is at work still was left in the middle of it. */
  async leave(): Promise<void> {
    if (this.thread.asked > 0 || this.thread.isOver) {
      await this.end();
      return;
    }
    this.rest = setTimeout(() => void this.end(), REST_MS).unref();
    FrameThread.rested.push(this);
  }

  wake(): this {
    clearTimeout(this.rest);
    return this;
  }

  end(): Promise<void> {
    return this.thread.end();
  }

  /** Nobody takes one that ends for one that rests. */
  private forget(): void {
    clearTimeout(this.rest);
    const resting = FrameThread.rested.indexOf(this);
    if (resting >= 0) FrameThread.rested.splice(resting, 1);
  }
}
