import { Worker } from 'node:worker_threads';
import { type FrameOrder, pack, type Packed, type Packing, prove, type Proved, type Proving } from './frame-work.js';

/** Compiled, as the tests have it too, which run the sources. */
const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? '../../../dist/src/audit/archive/frame-thread.js' : 'frame-thread.js',
  import.meta.url,
);
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

  private readonly worker = new Worker(THREAD, { resourceLimits: LIMITS });
  /** Answers come in the order of the questions. */
  private readonly waiting: { resolve: (answer: unknown) => void; reject: (error: Error) => void }[] = [];
  private ended: Error | undefined;
  private rest: NodeJS.Timeout | undefined;

  constructor() {
    this.worker.on('message', (answer: unknown) => this.waiting.shift()?.resolve(answer));
    this.worker.on('error', (error) => {
      this.fail(error);
    });
    this.worker.on('exit', () => {
      this.fail(new Error('The thread for frames has ended.'));
    });
  }

  ask<T>(order: FrameOrder, given: ArrayBuffer): Promise<T> {
    const answer = new Promise<T>((resolve, reject) => {
      if (this.ended) reject(this.ended);
      else {
        // What the thread answers is what was asked for.
        this.waiting.push({
          resolve: (said) => {
            resolve(said as T);
          },
          reject,
        });
        this.worker.postMessage(order, [given]);
      }
    });
    // Whoever asked may look later, when something else has failed before.
    answer.catch(() => undefined);
    return answer;
  }

  /** One that is at work still was left in the middle of it. Nothing that rests keeps the process from ending. */
  async leave(): Promise<void> {
    if (this.waiting.length > 0 || this.ended) {
      await this.end();
      return;
    }
    this.worker.unref();
    this.rest = setTimeout(() => void this.end(), REST_MS).unref();
    FrameThread.rested.push(this);
  }

  wake(): this {
    clearTimeout(this.rest);
    this.worker.ref();
    return this;
  }

  async end(): Promise<void> {
    this.forget();
    await this.worker.terminate();
  }

  private fail(error: Error): void {
    this.ended ??= error;
    this.forget();
    for (const { reject } of this.waiting.splice(0)) reject(this.ended);
  }
  /** Nobody takes one that ends for one that rests. */
  private forget(): void {
    clearTimeout(this.rest);
    const resting = FrameThread.rested.indexOf(this);
    if (resting >= 0) FrameThread.rested.splice(resting, 1);
  }
}
