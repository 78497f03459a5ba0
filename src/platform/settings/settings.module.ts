import { type DynamicModule, Global, Module } from '@nestjs/common';
import { type AppConfig } from '../../config/app-config.js';
import { SecretBox } from '../crypto/secret-box.js';
import { Log } from '../logging/log.js';
import { FeatureFlagsController } from './feature-flags.controller.js';
import { readPins } from './pins.js';
import { SettingChanges } from './setting-changes.js';
import { Settings } from './settings.js';
import { SettingsController } from './settings.controller.js';
import { SettingsPoll } from './settings-poll.js';
import { SettingsRepository } from './settings.repository.js';

/** Typed settings that change while the program runs. Needs a SettingEvents from whoever keeps the audit trail. */
@Global()
@Module({})
export class SettingsModule {
  /** Every module that defines settings has to be imported by now. Throws ConfigError, before anything is opened, for pins that are none. */
  static with(config: AppConfig): DynamicModule {
    const pins = readPins(config.pinnedSettings);
    return {
      module: SettingsModule,
      controllers: [SettingsController, FeatureFlagsController],
      providers: [
        SettingsRepository,
        SettingsPoll,
        SettingChanges,
        {
          // Whoever is given the settings finds them loaded; without them there is no start.
          provide: Settings,
          useFactory: async (repository: SettingsRepository, box: SecretBox, log: Log) =>
            new Settings(pins, await repository.all(), box, log),
          inject: [SettingsRepository, SecretBox, Log],
        },
      ],
      exports: [Settings],
    };
  }
}
