import { Injectable } from '@nestjs/common';
import { isJsonObject, type Json } from '../../kernel/canonical-json.js';
import { type AuditQuestion } from '../log/audit-query.js';
import { type StoredEvent } from '../log/stored-event.js';
import { PersonalReader } from '../personal/personal-reader.js';
import { RestoredEvents } from '../restored/restored-events.js';
import { auditClasses } from '../trail/audit-event.js';
import { ArchiveRepository, type Month } from './archive.repository.js';
import { Archives } from './archives.js';
import { BloomFilter } from './bloom-filter.js';
import { type ArchivedEvent, storedEvent } from './event-line.js';
import { type EventMatcher, matcherOf } from './event-matcher.js';
import { type ArchiveManifest } from './manifest.js';

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

interface Found {
  month: Month;
  event: ArchivedEvent;
  opened: StoredEvent | undefined;
}

/** Every id is below it. */
export const ABOVE_ALL = 'g';
/** A page is given after so long with what was found, and says where to go on. */
const PATIENCE_MS = 10_000;

/** Searches the months that are no longer in the database, newest month first and newest event first in it. */
@Injectable()
export class ArchiveSearch {
  constructor(
    private readonly repository: ArchiveRepository,
    private readonly archives: Archives,
    private readonly personal: PersonalReader,
    private readonly restored: RestoredEvents,
  ) {}

  /**
   * Reads only archives whose manifests say that they may have something, and shows nothing that does not have the hash which the log sealed in
   * its place, wherever it was read. Throws `archive_broken` and what the store does.
   */
  async find(question: AuditQuestion, from: ArchivePlace | undefined, limit: number): Promise<ArchivedPage> {
    const began = performance.now();
    const months = (await this.repository.archived()).filter((month) => mayLieIn(month, question));
    const periods = [...new Set(months.map(({ period }) => period))].filter((period) => !from || period <= from.period).sort();
    const matcher = matcherOf(question);
    const items: StoredEvent[] = [];
    for (let period = periods.pop(); period !== undefined; period = periods.pop()) {
      const below = period === from?.period ? from.below : ABOVE_ALL;
      const found = new Newest(limit - items.length + 1, below);
      for (const month of months.filter((one) => one.period === period)) await this.search(month, question, matcher, found);
      const newest = found.sorted();
      const shown = newest.slice(0, limit - items.length);
      items.push(...(await this.proven(shown)));
      if (newest.length > shown.length) return { items, next: { period, below: shown.at(-1)?.event.id ?? below } };
      const older = periods.at(-1);
      if (older !== undefined && (items.length === limit || performance.now() - began > PATIENCE_MS))
        return { items, next: { period: older, below: ABOVE_ALL } };
    }
    return { items, next: undefined };
  }

  /** In the database when the month is back for a while, in its archive otherwise. */
  private async search(month: Month, question: AuditQuestion, matcher: EventMatcher, found: Newest): Promise<void> {
    const events = await this.restored.find(month, question, found.slice);
    if (!events) return this.read(month, question, matcher, found);
    for (const event of events) found.add({ month, event, opened: undefined });
  }

  private async read(month: Month, question: AuditQuestion, matcher: EventMatcher, found: Newest): Promise<void> {
    const signed = await this.repository.manifest(month);
    if (signed === undefined) return;
    const manifest = await this.archives.manifestOf(month, signed);
    if (!mayHave(manifest, question)) return;
    for await (const frame of this.archives.frames(month, manifest)) {
      const candidates = frame.filter((event) => found.wants(event.id)).filter((event) => matcher.matches(readableOf(event)));
      if (!matcher.matchesOpened) for (const event of candidates) found.add({ month, event, opened: undefined });
      else {
        const opened = await this.personal.open(candidates.map((event) => storedEvent(event)));
        for (const [i, event] of candidates.entries()) {
          const one = opened[i];
          if (matcher.matchesOpened(saidOpenly(event, one))) found.add({ month, event, opened: one });
        }
      }
    }
  }

  private async proven(found: readonly Found[]): Promise<StoredEvent[]> {
    for (const month of new Set(found.map((one) => one.month)))
      await this.archives.prove(
        month,
        found.filter((one) => one.month === month).map(({ event }) => event),
      );
    const quarantined = await this.repository.quarantined(found.map(({ event }) => event.id));
    const opened = await this.personal.open(found.map(({ event, opened: known }) => known ?? storedEvent(event)));
    return opened.map((event) => ({ ...event, quarantined: quarantined.get(event.id) ?? null }));
  }
}

/** So many with the highest ids. */
class Newest {
  private kept: Found[] = [];
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

  add(found: Found): void {
    this.kept.push(found);
    // Sorting seldom: it is for memory, not for order.
    if (this.kept.length >= 4 * this.most) this.kept = this.sorted();
  }

  sorted(): Found[] {
    const newest = this.kept.toSorted((a, b) => (a.event.id < b.event.id ? 1 : -1)).slice(0, this.most);
    if (newest.length === this.most) this.lowest = newest.at(-1)?.event.id ?? '';
    return newest;
  }
}

/** A category lies in its own log or in that of what is critical. */
function mayLieIn({ class: ofClass }: Month, { category }: AuditQuestion): boolean {
  return category === undefined || ofClass === auditClasses[category] || ofClass === auditClasses.critical;
}

function mayHave({ occurredAt, resourceTypes, severities, filters }: ArchiveManifest, question: AuditQuestion): boolean {
  const { from, to, resourceType, resourceId, severity, actor, correlationId } = question;
  if (from && Date.parse(occurredAt.last) < from.getTime()) return false;
  if (to && Date.parse(occurredAt.first) >= to.getTime()) return false;
  if (resourceType !== undefined && !Object.hasOwn(resourceTypes, resourceType)) return false;
  if (severity !== undefined && !Object.hasOwn(severities, severity)) return false;
  if (resourceId !== undefined && !BloomFilter.of(filters.resource).mayHave(resourceId)) return false;
  if (actor !== undefined && !BloomFilter.of(filters.actor).mayHave(actor)) return false;
  return correlationId === undefined || BloomFilter.of(filters.correlation).mayHave(correlationId);
}

type Said = Record<string, Json>;

function saidBy({ payload }: ArchivedEvent): Said | undefined {
  try {
    const said = JSON.parse(payload) as Json;
    return isJsonObject(said) ? said : undefined;
  } catch {
    return undefined;
  }
}

/** As audit_readable() has it: what is no event of ours is found as what it is. */
function readableOf(event: ArchivedEvent): Said {
  const said = saidBy(event);
  const whole = said && ['action', 'category', 'severity', 'outcome'].every((name) => typeof said[name] === 'string');
  if (whole && Array.isArray(said.flags) && typeof said.at === 'string' && !Number.isNaN(Date.parse(said.at))) return said;
  return { action: 'audit.unreadable', category: 'meta', severity: 'critical', outcome: 'failure', flags: [], at: event.recordedAt };
}

/** What the event says of persons. One who was erased is shown by the id, and is not found by it as if that were a name. */
function saidOpenly(event: ArchivedEvent, one: StoredEvent | undefined): Said {
  const clear = saidBy(event) ?? {};
  const said = one?.opened?.event;
  if (!said) return clear;
  const { actor } = said;
  const named = isJsonObject(clear.actor) && clear.actor.name !== undefined;
  return isJsonObject(actor) && !named && actor.name === actor.id ? { ...said, actor: { ...actor, name: null } } : said;
}
