import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { ArchiveRepository, type Month } from '../archive/archive.repository.js';
import { parseManifest } from '../archive/manifest.js';
import { type Hit, MonthReader } from '../archive/month-reader.js';
import { type StoredEvent } from '../log/stored-event.js';
import { RestoredEvents } from './restored-events.js';

const HOUR_MS = 3_600_000;
const VERSION_7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7/i;

/** Single events that the log does not have any more, by their ids. */
@Injectable()
export class ArchivedEvents {
  constructor(
    private readonly archive: ArchiveRepository,
    private readonly restored: RestoredEvents,
    private readonly months: MonthReader,
  ) {}

  /**
   * From the copy of a month that is back for a while; with `inArchives` also from the archives that may have it, which are read for it one by
   * one. It has the hash that the log sealed in its place. Throws `archive_broken` and what the store does.
   */
  async find(id: string, inArchives: boolean): Promise<StoredEvent | undefined> {
    const found = (await this.inCopy(id)) ?? (inArchives ? await this.inArchive(id) : undefined);
    return found && (await this.months.proven([found]))[0];
  }

  /** Why it is not there: `event_archived` with the months that may have it, or `audit_event_not_found` when none may. */
  async missing(id: string): Promise<AppError> {
    const months = (await this.monthsOf(id)).map(({ log, period }) => ({ log, period: period.slice(0, 7) }));
    if (months.length === 0) return AppError.notFound('audit_event', id);
    const named = months.map(({ log, period }) => `${log} ${period}`).join(', ');
    return new AppError(
      'not_found',
      'event_archived',
      `Event ${id} is in the archive of ${named} if anywhere: read that month back first.`,
      { meta: { eventId: id, months } },
    );
  }

  private async inCopy(id: string): Promise<Hit | undefined> {
    const found = await this.restored.byId(id);
    const month = found && (await this.archive.archived()).find((one) => one.class === found.class && one.period === found.period);
    return month && { month, event: found.event, opened: undefined };
  }

  private async inArchive(id: string): Promise<Hit | undefined> {
    for (const month of await this.monthsOf(id))
      for await (const frame of this.months.frames(month, [{}])) {
        const event = frame.find((one) => one.id === id);
        if (event) return { month, event, opened: undefined };
      }
    return undefined;
  }

  /**
   * The archived months whose events happened around the time that the id carries (RFC 9562 §5.7). Whether one of them has it, only reading
   * them would tell; none has it when there are none.
   */
  private async monthsOf(id: string): Promise<Month[]> {
    const made = timeOf(id);
    if (made === undefined) return [];
    const months: Month[] = [];
    for (const month of await this.archive.archived()) {
      const signed = await this.archive.manifest(month);
      if (signed === undefined) continue;
      // A hint, for which a manifest need not be proven: whoever reads the month has it proven.
      const occurredAt = parseManifest(signed)?.manifest.occurredAt;
      if (occurredAt && made >= Date.parse(occurredAt.first) - HOUR_MS && made <= Date.parse(occurredAt.last) + HOUR_MS) months.push(month);
    }
    return months;
  }
}

function timeOf(id: string): number | undefined {
  const found = VERSION_7.exec(id);
  return found ? parseInt(`${found[1] ?? ''}${found[2] ?? ''}`, 16) : undefined;
}
