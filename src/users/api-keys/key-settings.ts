import { Injectable } from '@nestjs/common';
import { defineSetting, type Setting } from '../../platform/settings/setting.js';
import { Settings } from '../../platform/settings/settings.js';

const number = (name: string, standard: number, [min, max, unit]: readonly [number, number, string?], text: string): Setting<number> =>
  defineSetting({ key: `keys.${name}`, type: 'integer', default: standard, min, max, text, ...(unit === undefined ? {} : { unit }) });

/** No installation allows more. */
export const LONGEST_LIFETIME_DAYS = 3650;

/** What of keys an installation may want otherwise; everything else in this folder reads it here and nowhere else. */
export const keySettings = {
  defaultLifetimeDays: number('defaultLifetimeDays', 90, [1, 365, 'days'], 'Lifetime of a key that names none.'),
  maxLifetimeDays: number('maxLifetimeDays', 365, [1, LONGEST_LIFETIME_DAYS, 'days'], 'Longest lifetime of a key.'),
  maxAdminLifetimeDays: number(
    'maxAdminLifetimeDays',
    90,
    [1, 365, 'days'],
    'Keys of the kind `admin` are not bound to anybody’s present rights: they live shorter.',
  ),
  defaultGraceSeconds: number(
    'defaultGraceSeconds',
    3600,
    [0, 86400, 'seconds'],
    'How long a replaced key stays good when its replacement names no time.',
  ),
  maxGraceSeconds: number('maxGraceSeconds', 86_400, [0, 86400, 'seconds'], 'Longest time a replaced key stays good.'),
  maxTenantTokenSeconds: number('maxTenantTokenSeconds', 86_400, [60, 86400, 'seconds'], 'Longest lifetime of a tenant token.'),
  digestKeptDays: number(
    'digestKeptDays',
    30,
    [1, 365, 'days'],
    'How long the digest of a key that has ended is kept, to recognise its use.',
  ),
  usageKeptDays: number('usageKeptDays', 400, [1, 3650, 'days'], 'How long the hourly figures of use are kept.'),
  volumePerHour: number('volumePerHour', 100, [1, 1000000, 'uses'], 'Uses an hour that are never too many.'),
  volumeSigmas: number('volumeSigmas', 4, [1, 20], 'Standard deviations above the own mean of four weeks.'),
  spikeFactor: number('spikeFactor', 5, [2, 100], 'Times the own mean, for a spike.'),
  spikeFloor: number('spikeFloor', 30, [1, 1000000, 'uses'], 'Uses an hour that are never a spike.'),
  spikeBaselineHours: number(
    'spikeBaselineHours',
    24,
    [1, 672, 'hours'],
    'Hours with use that there must have been before a spike can be told.',
  ),
  dormantHours: number('dormantHours', 168, [1, 8760, 'hours'], 'A key unused for so long is dormant: its next use is noted.'),
  burst: number('burst', 10, [2, 100000, 'refusals'], 'Refusals in ten minutes that are a burst.'),
  floodOfJunk: number(
    'floodOfJunk',
    1000,
    [10, 10000000],
    'Credentials with a wrong checksum in ten minutes, at one instance, that are a flood.',
  ),
  rotateAfterDays: number(
    'rotateAfterDays',
    90,
    [1, 3650, 'days'],
    'A key this old is proposed for rotation, and a successor waits for it when it has no period of its own.',
  ),
} as const;

/** The values in force. */
@Injectable()
export class KeySettings {
  constructor(private readonly settings: Settings) {}

  /** What a crash may lose of the usage figures. */
  readonly usageFlushMs = 10_000;

  /** Days before its end when a key's end is announced. */
  readonly noticeDays: readonly number[] = [14, 7, 1];

  get defaultLifetimeDays(): number {
    return this.settings.get(keySettings.defaultLifetimeDays);
  }

  get maxLifetimeDays(): number {
    return this.settings.get(keySettings.maxLifetimeDays);
  }

  get maxAdminLifetimeDays(): number {
    return this.settings.get(keySettings.maxAdminLifetimeDays);
  }

  get defaultGraceSeconds(): number {
    return this.settings.get(keySettings.defaultGraceSeconds);
  }

  get maxGraceSeconds(): number {
    return this.settings.get(keySettings.maxGraceSeconds);
  }

  get maxTenantTokenSeconds(): number {
    return this.settings.get(keySettings.maxTenantTokenSeconds);
  }

  get digestKeptDays(): number {
    return this.settings.get(keySettings.digestKeptDays);
  }

  get volumePerHour(): number {
    return this.settings.get(keySettings.volumePerHour);
  }

  get volumeSigmas(): number {
    return this.settings.get(keySettings.volumeSigmas);
  }

  get spikeFactor(): number {
    return this.settings.get(keySettings.spikeFactor);
  }

  get spikeFloor(): number {
    return this.settings.get(keySettings.spikeFloor);
  }

  get spikeBaselineHours(): number {
    return this.settings.get(keySettings.spikeBaselineHours);
  }

  get dormantHours(): number {
    return this.settings.get(keySettings.dormantHours);
  }

  get burst(): number {
    return this.settings.get(keySettings.burst);
  }

  get floodOfJunk(): number {
    return this.settings.get(keySettings.floodOfJunk);
  }

  get rotateAfterDays(): number {
    return this.settings.get(keySettings.rotateAfterDays);
  }
}
