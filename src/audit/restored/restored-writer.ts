import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Month } from '../archive/archive.repository.js';
import { Archives } from '../archive/archives.js';
import { type ArchivedEvent, storedEvent } from '../archive/event-line.js';
import { columnsAgain } from '../personal/columns-again.js';
import { PersonalReader } from '../personal/personal-reader.js';
import { RehydrationsRepository } from './rehydrations.repository.js';
import { RestoredRepository } from './restored.repository.js';

/** Events in one transaction: while it is open nothing that was recorded after its begin is sealed. */
const AT_ONCE = 500;

/** Writes the events of months that are read back, and removes them, in transactions of a moment each. */
@Injectable()
export class RestoredWriter {
  constructor(
    private readonly work: UnitOfWork,
    private readonly archives: Archives,
    private readonly personal: PersonalReader,
    private readonly rehydrations: RehydrationsRepository,
    private readonly restored: RestoredRepository,
  ) {}

  /**
   * All events of the month, in place of what an attempt before left, and returns how many they are. Only when this has returned every one of
   * them is proven. Throws `archive_broken`, `archive_state_changed` when the attempt is not the newest any more, what the store does, and what
   * the signal says.
   */
  async write(month: Month, manifest: string, attempt: number, signal?: AbortSignal): Promise<number> {
    if (!(await this.clear(month, attempt))) throw overtaken(month);
    let batch: ArchivedEvent[] = [];
    let rows = 0;
    await this.archives.check(month, manifest, async (event) => {
      batch.push(event);
      if (batch.length < AT_ONCE) return;
      rows += await this.insert(month, attempt, batch, signal);
      batch = [];
    });
    rows += await this.insert(month, attempt, batch, signal);
    // A server that took over from another may not have all that was committed there.
    const there = await this.restored.count(month);
    if (there !== rows) throw new Error(`Of ${rows} events of ${month.log} ${month.period} that were written ${there} are there.`);
    return rows;
  }

  /** Removes all events of the month that were written. False when the attempt is not the newest any more, and some may be there. */
  async clear(month: Month, attempt: number): Promise<boolean> {
    for (let after: number | undefined = -1; after !== undefined;) {
      const from: number = after;
      const removed = await this.work.run(async () => {
        if (!(await this.rehydrations.hold(month, attempt))) return 'overtaken';
        return this.restored.remove(month, from);
      });
      if (removed === 'overtaken') return false;
      after = removed;
    }
    return true;
  }

  private async insert(month: Month, attempt: number, events: readonly ArchivedEvent[], signal?: AbortSignal): Promise<number> {
    signal?.throwIfAborted();
    if (events.length === 0) return 0;
    // With keys that may be destroyed before the next line: the insertion looks again.
    const columns = (await this.personal.open(events.map((event) => storedEvent(event)))).map(columnsAgain);
    await this.work.run(async () => {
      if (!(await this.rehydrations.hold(month, attempt))) throw overtaken(month);
      await this.restored.insert(month, events, columns);
    });
    return events.length;
  }
}

export function overtaken({ log, period }: Pick<Month, 'log' | 'period'>): AppError {
  return AppError.conflict('archive_state_changed', `Somebody else reads ${log} ${period} back, or took it away meanwhile.`);
}
