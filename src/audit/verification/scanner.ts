import { type KeyObject } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { type ClientBase } from 'pg';
import { type WriterMac } from '../sealing/writer-mac.js';
import { PersonalCheck } from './personal-check.js';
import { scan } from './scan.js';
import { type Scanned, type ScanOrder } from './scanned.js';

/** Reads parts of logs. */
export interface Scanner {
  /** Parts worth having under way at once. */
  readonly width: number;
  scan(order: ScanOrder): Promise<Scanned>;
  close(): Promise<void>;
}

/** On the caller's connection, one part after another: the server reads the next one while the tree grows by what the last one held. */
export class LocalScanner implements Scanner {
  readonly width = 2;

  private personal: PersonalCheck | undefined;
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly client: ClientBase,
    private readonly writers: WriterMac,
  ) {}

  scan(order: ScanOrder): Promise<Scanned> {
    const scanned = this.last.then(() => this.begin(order));
    this.last = scanned.catch(() => undefined);
    return scanned;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private async begin(order: ScanOrder): Promise<Scanned> {
    this.personal ??= await PersonalCheck.on(this.client);
    return scan(this.client, order, this.writers, this.personal);
  }
}

/** What a thread needs: its own connection, in the same snapshot. */
export interface ScanThreadData {
  url: string;
  snapshot: string;
  writers: KeyObject[];
}

export type ScanThreadAnswer = { scanned: Scanned } | { failed: string };

/** Several parts at once, each in a thread with a connection of its own that sees the same snapshot. */
export class ThreadScanner implements Scanner {
  private readonly idle: Worker[];
  private readonly all: Worker[];
  private readonly waiting: (() => void)[] = [];

  constructor(
    readonly width: number,
    data: ScanThreadData,
  ) {
    this.all = Array.from({ length: width }, () => new Worker(new URL('scan-thread.js', import.meta.url), { workerData: data }));
    this.idle = [...this.all];
  }

  async scan(order: ScanOrder): Promise<Scanned> {
    const worker = await this.free();
    try {
      return await new Promise<Scanned>((resolve, reject) => {
        const settle = (answer: ScanThreadAnswer): void => {
          worker.off('error', reject);
          if ('scanned' in answer) resolve(answer.scanned);
          else reject(new Error(answer.failed));
        };
        worker.once('message', settle);
        worker.once('error', reject);
        worker.postMessage(order);
      });
    } finally {
      this.idle.push(worker);
      this.waiting.shift()?.();
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((worker) => worker.terminate()));
  }

  private async free(): Promise<Worker> {
    for (;;) {
      const worker = this.idle.pop();
      if (worker) return worker;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }
}
