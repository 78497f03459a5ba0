import { type Options } from '@node-rs/argon2';
import { AskedThread, threadScript } from '../../kernel/asked-thread.js';

const THREAD = threadScript(import.meta.url, 'hashing-thread.js', '../../../dist/src/users/passwords');
const LIMITS = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 };

export type HashingOrder = { password: string; cost: Options } | { password: string; phc: string };
export type HashingAnswer = { value: string | boolean } | { failed: string };

/** Threads that hash beside everything else, as many as are asked at once; they are kept for the next. */
export class HashingThreads {
  private readonly threads = new Set<AskedThread>();

  hash(password: string, cost: Options): Promise<string> {
    return this.ask({ password, cost });
  }

  verify(phc: string, password: string): Promise<boolean> {
    return this.ask({ password, phc });
  }

  async close(): Promise<void> {
    await Promise.all([...this.threads].map((thread) => thread.end()));
  }

  private async ask<T extends string | boolean>(order: HashingOrder): Promise<T> {
    const thread = [...this.threads].find(({ asked }) => asked === 0) ?? this.another();
    const answer = await thread.ask<HashingAnswer>(order);
    if ('failed' in answer) throw new Error(answer.failed);
    return answer.value as T;
  }

  private another(): AskedThread {
    const thread: AskedThread = new AskedThread(THREAD, LIMITS, () => this.threads.delete(thread));
    this.threads.add(thread);
    return thread;
  }
}
