import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Log } from '../logging/log.js';
import { Settings } from './settings.js';
import { SettingsRepository } from './settings.repository.js';

const EVERY_MS = 1000;

/** Asks the database each second whether a setting was changed elsewhere. While it is away, what was last known holds. */
@Injectable()
export class SettingsPoll implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private polling: Promise<void> | undefined;
  private failing = false;

  constructor(
    private readonly settings: Settings,
    private readonly repository: SettingsRepository,
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
      if ((await this.repository.revision()) !== this.settings.revision) this.settings.accept(await this.repository.all());
      this.failing = false;
    } catch (error) {
      // Once an outage, not once a second.
      if (!this.failing) this.log.warn('changes of settings cannot be seen', { error });
      this.failing = true;
    }
  }
}
