import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Poll } from '../../kernel/poll.js';
import { Log } from '../logging/log.js';
import { Settings } from './settings.js';
import { SettingsRepository } from './settings.repository.js';

/** Asks the database each second whether a setting was changed elsewhere. While it is away, what was last known holds. */
@Injectable()
export class SettingsPoll implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly poll: Poll;

  constructor(settings: Settings, repository: SettingsRepository, log: Log) {
    this.poll = new Poll(
      async () => {
        if ((await repository.revision()) !== settings.revision) settings.accept(await repository.all());
      },
      (error, first) => {
        if (first) log.warn('changes of settings cannot be seen', { error });
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
