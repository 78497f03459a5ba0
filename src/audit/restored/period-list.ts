import { Injectable } from '@nestjs/common';
import { ArchiveRepository, type Month } from '../archive/archive.repository.js';
import { PeriodFates } from '../retention/period-fates.js';
import { type Rehydration, RehydrationsRepository } from './rehydrations.repository.js';

export const periodPlaces = ['database', 'trash', 'archive', 'removed'] as const;
export type PeriodPlace = (typeof periodPlaces)[number];

/** A closed month and where its events are. */
export interface PeriodStanding {
  month: Month;
  place: PeriodPlace;
  rehydration: Rehydration | null;
  holds: string[];
}

/** Where every closed month is. */
@Injectable()
export class PeriodList {
  constructor(
    private readonly archive: ArchiveRepository,
    private readonly rehydrations: RehydrationsRepository,
    private readonly fates: PeriodFates,
  ) {}

  async all(): Promise<PeriodStanding[]> {
    const nameOf = ({ log, period }: { log: string; period: string }): string => `${log}/${period}`;
    const back = new Map((await this.rehydrations.all()).map((one) => [nameOf(one), one]));
    const fates = new Map((await this.fates.all()).map((fate) => [nameOf(fate), fate]));
    return (await this.archive.months()).map((month) => ({
      month,
      place: placeOf(month),
      rehydration: back.get(nameOf(month)) ?? null,
      holds: fates.get(nameOf(month))?.holds ?? [],
    }));
  }
}

function placeOf({ state, objectKey }: Month): PeriodPlace {
  if (state === 'detached') return 'trash';
  if (state === 'dropped') return objectKey === null ? 'removed' : 'archive';
  return state === 'purging' || state === 'purged' ? 'removed' : 'database';
}
