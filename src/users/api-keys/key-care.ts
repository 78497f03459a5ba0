import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { KeyAlarms } from './events/key-alarms.js';
import { KeyEnding } from './key-ending.js';
import { KeyHousekeeping } from './key-housekeeping.js';
import { KeyRotation } from './key-rotation.js';

/** What keys need every night; a second run does nothing. */
@Injectable()
export class KeyCare {
  constructor(
    private readonly work: UnitOfWork,
    private readonly rotation: KeyRotation,
    private readonly ending: KeyEnding,
    private readonly alarms: KeyAlarms,
    private readonly housekeeping: KeyHousekeeping,
  ) {}

  run(): Promise<Record<string, number>> {
    return this.work.run(async () => {
      const prepared = await this.rotation.prepareDue();
      const uncollected = await this.ending.revokeUncollected();
      let noticed = 0;
      for (const alarm of await this.housekeeping.endingSoon()) if (await this.alarms.raise(alarm)) noticed++;
      return { prepared, uncollected, noticed, ...(await this.housekeeping.forget()) };
    });
  }
}
