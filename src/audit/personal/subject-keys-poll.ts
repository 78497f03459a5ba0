import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Log } from '../../platform/logging/log.js';
import { SubjectKeys } from './subject-keys.js';

const EVERY_MS = 1000;

/** Asks the database each second whether a key was destroyed elsewhere. While it is away nothing can be read or written anyway. */
@Injectable()
export class SubjectKeysPoll implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private polling: Promise<void> | undefined;
  private failing = false;

  constructor(
    private readonly keys: SubjectKeys,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.polling ??= this.poll().finally(() => (this.polling = undefined));
    }, EVERY_MS);
    this.timer.unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.polling;
  }

  private async poll(): Promise<void> {
    try {
      await this.keys.refresh();
      this.failing = false;
    } catch (error) {
      if (!this.failing) this.log.warn('destroyed keys of the audit trail cannot be seen', { error });
      this.failing = true;
      // Who cannot ask must not go on with what may be gone.
      this.keys.forget();
    }
  }
}
