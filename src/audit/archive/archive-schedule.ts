import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { ArchiveSettings } from './archive-settings.js';

/** When the run of the night begins. */
@Injectable()
export class ArchiveSchedule {
  constructor(
    private readonly settings: ArchiveSettings,
    private readonly clock: Clock,
  ) {}

  isDue(): boolean {
    // A timer may fire a little early.
    return new Date(this.clock.now().getTime() + 60_000).getUTCHours() === this.settings.hour;
  }
}
