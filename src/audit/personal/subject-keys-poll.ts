import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Poll } from '../../kernel/poll.js';
import { Log } from '../../platform/logging/log.js';
import { SubjectKeys } from './subject-keys.js';

/** Asks the database each second whether a key was destroyed elsewhere. While it is away nothing can be read or written anyway. */
@Injectable()
export class SubjectKeysPoll implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly poll: Poll;

  constructor(keys: SubjectKeys, log: Log) {
    this.poll = new Poll(
      () => keys.refresh(),
      (error, first) => {
        if (first) log.warn('destroyed keys of the audit trail cannot be seen', { error });
        // Who cannot ask must not go on with what may be gone.
        keys.forget();
      },
    );
  }

  onApplicationBootstrap(): void {
    this.poll.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.poll.stop();
  }
}
