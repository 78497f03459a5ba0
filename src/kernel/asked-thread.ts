import { Worker, type ResourceLimits } from 'node:worker_threads';

/** A thread that answers one message with one message, in their order. It keeps the process from ending while an answer is due, and only then. */
export class AskedThread {
  private readonly worker: Worker;
  private readonly waiting: { resolve: (answer: unknown) => void; reject: (error: Error) => void }[] = [];
  private failure: Error | undefined;

  /** `ended` is called once, when it will answer nothing any more. */
  constructor(
    script: URL,
    resourceLimits: ResourceLimits,
    private readonly ended: () => void = () => undefined,
  ) {
    this.worker = new Worker(script, { resourceLimits });
    this.worker.unref();
    this.worker.on('message', (answer: unknown) => {
      this.waiting.shift()?.resolve(answer);
      if (this.waiting.length === 0) this.worker.unref();
    });
    this.worker.on('error', (error) => {
      this.fail(error);
    });
    this.worker.on('exit', () => {
      this.fail(new Error('The thread has ended.'));
    });
  }

  /** Questions that are not answered yet. */
  get asked(): number {
    return this.waiting.length;
  }

  get isOver(): boolean {
    return this.failure !== undefined;
  }

  /** What the thread answers is what was asked for; rejects when it ends before. What is `given` cannot be used here any more. */
  ask<T>(question: unknown, given: readonly ArrayBuffer[] = []): Promise<T> {
    const answer = new Promise<T>((resolve, reject) => {
      if (this.failure) reject(this.failure);
      else {
        this.worker.postMessage(question, given);
        this.worker.ref();
        this.waiting.push({
          resolve: (said) => {
            resolve(said as T);
          },
          reject,
        });
      }
    });
    // Whoever asked may look later, when something else has failed before.
    answer.catch(() => undefined);
    return answer;
  }

  async end(): Promise<void> {
    this.fail(new Error('The thread was ended.'));
    await this.worker.terminate();
  }

  private fail(error: Error): void {
    if (this.failure) return;
    this.failure = error;
    this.ended();
    for (const { reject } of this.waiting.splice(0)) reject(error);
  }
}

/** A script beside the module that asks for it; `compiled` is its place below the compiled sources, which tests that run the sources use too. */
export function threadScript(asker: string, name: string, compiled: string): URL {
  return new URL(asker.endsWith('.ts') ? `${compiled}/${name}` : name, asker);
}
