import { Injectable } from '@nestjs/common';
import { type AuditQuestion } from '../log/audit-query.js';
import { type StoredEvent } from '../log/stored-event.js';
import { RestoredEvents } from '../restored/restored-events.js';
import { type Month } from './archive.repository.js';
import { type Hit, mayLieIn, mayMatter, MonthReader } from './month-reader.js';

/** Where a page of archived events begins: in this month, below this id. */
export interface ArchivePlace {
  period: string;
  below: string;
}

export interface ArchivedPage {
  items: StoredEvent[];
  /** Where the next page begins; undefined when there is nothing older. */
  next: ArchivePlace | undefined;
}

/** Every id is below it. */
export const ABOVE_ALL = 'g';
/** A page is given after so long with what was found, and says where to go on. */
const PATIENCE_MS = 10_000;

/** Searches the months that are no longer in the database, newest month first and newest event first in it. */
@Injectable()
export class ArchiveSearch {
  constructor(
    private readonly months: MonthReader,
    private readonly restored: RestoredEvents,
  ) {}

  /** How many months are archived that may have something of it: what an answer from the database alone leaves out. */
  async leftOut(question: AuditQuestion): Promise<number> {
    return (await this.months.archived()).filter((month) => mayMatter(month, question)).length;
  }

  /**
   * Reads only archives whose manifests say that they may have something, and shows nothing that does not have the hash which the log sealed in
   * its place, wherever it was read. Throws `archive_broken` and what the store does.
   */
  async find(question: AuditQuestion, from: ArchivePlace | undefined, limit: number): Promise<ArchivedPage> {
    const began = performance.now();
    const months = (await this.months.archived()).filter((month) => mayLieIn(month, question));
    const periods = [...new Set(months.map(({ period }) => period))].filter((period) => !from || period <= from.period).sort();
    const items: StoredEvent[] = [];
    for (let period = periods.pop(); period !== undefined; period = periods.pop()) {
      const below = period === from?.period ? from.below : ABOVE_ALL;
      const found = new Newest(limit - items.length + 1, below);
      for (const month of months.filter((one) => one.period === period)) await this.search(month, question, found);
      const newest = found.sorted();
      const shown = newest.slice(0, limit - items.length);
      items.push(...(await this.months.proven(shown)));
      if (newest.length > shown.length) return { items, next: { period, below: shown.at(-1)?.event.id ?? below } };
      const older = periods.at(-1);
      if (older !== undefined && (items.length === limit || performance.now() - began > PATIENCE_MS))
        return { items, next: { period: older, below: ABOVE_ALL } };
    }
    return { items, next: undefined };
  }

  /** In the database when the month is back for a while, in its archive otherwise. */
  private async search(month: Month, question: AuditQuestion, found: Newest): Promise<void> {
    const events = await this.restored.find(month, question, found.slice);
    if (!events) return this.read(month, question, found);
    for (const event of events) found.add({ month, event, opened: undefined });
  }

  private async read(month: Month, question: AuditQuestion, found: Newest): Promise<void> {
    for await (const frame of this.months.frames(month, [question])) {
      const wanted = frame.filter(({ id }) => found.wants(id));
      for (const hit of await this.months.hits(month, wanted, [question])) found.add(hit);
    }
  }
}

/** So many with the highest ids. */
class Newest {
  private kept: Hit[] = [];
  private lowest = '';

  constructor(
    private readonly most: number,
    private readonly below: string,
  ) {}

  get slice(): { limit: number; below: string | undefined } {
    return { limit: this.most, below: this.below === ABOVE_ALL ? undefined : this.below };
  }

  wants(id: string): boolean {
    return id < this.below && id > this.lowest;
  }

  add(found: Hit): void {
    this.kept.push(found);
    // Sorting seldom: it is for memory, not for order.
    if (this.kept.length >= 4 * this.most) this.kept = this.sorted();
  }

  sorted(): Hit[] {
    const newest = this.kept.toSorted((a, b) => (a.event.id < b.event.id ? 1 : -1)).slice(0, this.most);
    if (newest.length === this.most) this.lowest = newest.at(-1)?.event.id ?? '';
    return newest;
  }
}
