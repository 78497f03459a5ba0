import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { defineSetting, type Setting } from '../../platform/settings/setting.js';
import { Settings } from '../../platform/settings/settings.js';

/** What numbers are counted for. */
export type PosixCounter = 'person' | 'service' | 'group';

const number = (key: string, standard: number, text: string): Setting<number> =>
  defineSetting({ key, type: 'integer', default: standard, min: 1000, max: 2_147_483_647, text });

/** Above what systems give their own accounts and those made on one machine (Debian policy §9.2.2), below 65534, which is nobody. */
const ranges: Record<PosixCounter, { first: Setting<number>; last: Setting<number> }> = {
  person: {
    first: number('posix.personFirst', 10_000, 'First uid number of people.'),
    last: number('posix.personLast', 59_999, 'Last uid number of people.'),
  },
  service: {
    first: number('posix.serviceFirst', 60_000, 'First uid number of service accounts.'),
    last: number('posix.serviceLast', 64_999, 'Last uid number of service accounts.'),
  },
  group: {
    first: number('posix.groupFirst', 10_000, 'First gid number.'),
    last: number('posix.groupLast', 59_999, 'Last gid number.'),
  },
};

const NOUNS: Record<PosixCounter, string> = { person: 'people', service: 'service accounts', group: 'groups' };

/** Where numbers are taken from. A range that was narrowed keeps what was given; one whose first is above its last gives nothing. */
@Injectable()
export class PosixRanges {
  constructor(private readonly settings: Settings) {}

  of(counter: PosixCounter): { first: number; last: number } {
    const { first, last } = ranges[counter];
    return { first: this.settings.get(first), last: this.settings.get(last) };
  }

  /** For a number that somebody names. Throws `uid_outside_range` or `gid_outside_range`. */
  require(counter: PosixCounter, number: number): void {
    const { first, last } = this.of(counter);
    if (number >= first && number <= last) return;
    const detail = `must be a number of the range of ${NOUNS[counter]}, ${first} to ${last}`;
    if (counter === 'group') throw AppError.field('/gidNumber', 'gid_outside_range', detail);
    throw AppError.field('/uidNumber', 'uid_outside_range', detail);
  }
}
