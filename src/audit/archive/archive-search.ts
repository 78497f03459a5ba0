import { Injectable } from '@nestjs/common';
import { type AuditQuestion } from '../log/audit-query.js';
import { type StoredEvent } from '../log/stored-event.js';
import { RestoredEvents } from '../restored/restored-events.js';
import { type Month } from './archive.repository.js';
import { type Hit, mayLieIn, mayMatter, MonthReader } from './month-reader.js';

export type Order = 'newest' | 'oldest';

/** Where a page of archived events begins: in this month, beyond this id. */
export interface ArchivePlace {
  period: string;
  beyond: string;
}

export interface ArchivedPage {
  items: StoredEvent[];
  /** Where the next page begins; undefined when there are no more. */
  next: ArchivePlace | undefined;
}

/** Every id lies beyond it, in its order. */
export const BEFORE_ALL: Record<Order, string> = { newest: 'g', oldest: '' };
/** A page is given after so long with what was found, and says where to go on. */
const PATIENCE_MS = 10_000;

/** Searches the months that are no longer in the database: month after month, and by their ids the events of each. */
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
  async find(question: AuditQuestion, from: ArchivePlace | undefined, limit: number, order: Order = 'newest'): Promise<ArchivedPage> {
    const began = performance.now();
    const months = (await this.months.archived()).filter((month) => mayLieIn(month, question));
    const periods = inOrder([...new Set(months.map(({ period }) => period))], order).filter(
      (period) => !from || period === from.period || isBeyond(period, from.period, order),
    );
    const items: StoredEvent[] = [];
    for (let period = periods.shift(); period !== undefined; period = periods.shift()) {
      const beyond = period === from?.period ? from.beyond : BEFORE_ALL[order];
      const found = new First(limit - items.length + 1, beyond, order);
      for (const month of months.filter((one) => one.period === period)) await this.search(month, question, found);
      const first = found.sorted();
      const shown = first.slice(0, limit - items.length);
      items.push(...(await this.months.proven(shown)));
      if (first.length > shown.length) return { items, next: { period, beyond: shown.at(-1)?.event.id ?? beyond } };
      const [further] = periods;
      if (further !== undefined && (items.length === limit || performance.now() - began > PATIENCE_MS))
        return { items, next: { period: further, beyond: BEFORE_ALL[order] } };
    }
    return { items, next: undefined };
  }

  /** In the database when the month is back for a while, in its archive otherwise. */
  private async search(month: Month, question: AuditQuestion, found: First): Promise<void> {
    const events = await this.restored.find(month, question, found.slice);
    if (!events) return this.read(month, question, found);
    for (const event of events) found.add({ month, event, opened: undefined });
  }

  private async read(month: Month, question: AuditQuestion, found: First): Promise<void> {
    for await (const frame of this.months.frames(month, [question])) {
      const wanted = frame.filter(({ id }) => found.wants(id));
      for (const hit of await this.months.hits(month, wanted, [question])) found.add(hit);
    }
  }
}

/** So many that come first of those beyond an id. */
class First {
  private kept: Hit[] = [];
  private last: string | undefined;

  constructor(
    private readonly most: number,
    private readonly beyond: string,
    private readonly order: Order,
  ) {}

  get slice(): { limit: number; order: Order; beyond: string | undefined } {
    return { limit: this.most, order: this.order, beyond: this.beyond === BEFORE_ALL[this.order] ? undefined : this.beyond };
  }

  wants(id: string): boolean {
    return isBeyond(id, this.beyond, this.order) && (this.last === undefined || isBeyond(this.last, id, this.order));
  }

  add(found: Hit): void {
    this.kept.push(found);
    // Sorting seldom: it is for memory, not for order.
    if (this.kept.length >= 4 * this.most) this.kept = this.sorted();
  }

  sorted(): Hit[] {
    const first = this.kept.toSorted((a, b) => (isBeyond(a.event.id, b.event.id, this.order) ? 1 : -1)).slice(0, this.most);
    if (first.length === this.most) this.last = first.at(-1)?.event.id;
    return first;
  }
}

function isBeyond(what: string, mark: string, order: Order): boolean {
  return order === 'newest' ? what < mark : what > mark;
}

function inOrder(periods: readonly string[], order: Order): string[] {
  return periods.toSorted((a, b) => (isBeyond(a, b, order) ? 1 : -1));
}
