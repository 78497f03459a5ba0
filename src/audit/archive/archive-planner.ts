import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { type PeriodFate, PeriodFates } from '../retention/period-fates.js';
import { ArchiveRepository } from './archive.repository.js';
import { type ArchivePlan, planOf } from './archive-plan.js';
import { ArchiveSettings } from './archive-settings.js';
import { ManifestMaker } from './manifest-maker.js';

/** What would happen now. Asking changes nothing. */
@Injectable()
export class ArchivePlanner {
  constructor(
    private readonly archive: ArchiveRepository,
    private readonly fates: PeriodFates,
    private readonly manifests: ManifestMaker,
    private readonly settings: ArchiveSettings,
    private readonly clock: Clock,
  ) {}

  async plan(): Promise<ArchivePlan> {
    return (await this.withFates()).plan;
  }

  async withFates(): Promise<{ plan: ArchivePlan; fates: PeriodFate[] }> {
    const installation = await this.manifests.installation();
    const fates = await this.fates.all();
    const { undoDays, deletions } = this.settings;
    const rules = { now: this.clock.now(), undoDays, deletions };
    const plan = planOf(await this.archive.heldMonths(), fates, (month) => this.manifests.keyOf(month, installation), rules);
    return { plan, fates };
  }
}
