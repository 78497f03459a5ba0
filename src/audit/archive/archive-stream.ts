import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { type AuditQuestion } from '../log/audit-query.js';
import { type StoredEvent } from '../log/stored-event.js';
import { RestoredEvents } from '../restored/restored-events.js';
import { type Month } from './archive.repository.js';
import { mayLieIn, mayMatter, MonthReader } from './month-reader.js';

/** The archived months at one moment. */
export interface ArchivedThen {
  readonly months: readonly Month[];
}

/** Everything that questions mean in months that the database no longer holds, for answers of any length. */
@Injectable()
export class ArchiveStream {
  constructor(
    private readonly months: MonthReader,
    private readonly restored: RestoredEvents,
  ) {}

  async begin(): Promise<ArchivedThen> {
    return { months: await this.months.archived() };
  }

  /** How many of them may have something of it. */
  count({ months }: ArchivedThen, questions: readonly AuditQuestion[]): number {
    return months.filter((month) => questions.some((question) => mayMatter(month, question))).length;
  }

  /**
   * The oldest month first, log by log, in the order of each log: parts of any size. Shows nothing that does not have the hash which the log
   * sealed in its place. Throws `archive_broken` and what the store does.
   */
  async *events({ months }: ArchivedThen, questions: readonly AuditQuestion[]): AsyncGenerator<StoredEvent[]> {
    const meant = months.filter((month) => questions.some((question) => mayLieIn(month, question)));
    for (const month of meant.toSorted((a, b) => (a.period === b.period ? a.class - b.class : a.period < b.period ? -1 : 1))) {
      const parts = (await this.restored.all(month)) ?? this.months.frames(month, questions);
      for await (const part of parts) {
        const hits = await this.months.hits(month, part, questions);
        if (hits.length > 0) yield await this.months.proven(hits);
      }
    }
  }

  /** Throws `archive_state_changed` when a month has left the database, or come back, since then: some events were told twice or not at all. */
  async end({ months }: ArchivedThen): Promise<void> {
    const key = ({ class: ofClass, period }: Month): string => `${ofClass}/${period}`;
    const now = (await this.months.archived()).map(key).sort().join(' ');
    if (now !== months.map(key).sort().join(' '))
      throw AppError.conflict('archive_state_changed', 'A month was archived or put back meanwhile: ask again.');
  }
}
