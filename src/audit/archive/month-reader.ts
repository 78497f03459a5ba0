import { Injectable } from '@nestjs/common';
import { isJsonObject, type Json } from '../../kernel/canonical-json.js';
import { type AuditQuestion, SEALED_SLACK_MS } from '../log/audit-query.js';
import { type StoredEvent } from '../log/stored-event.js';
import { PersonalReader } from '../personal/personal-reader.js';
import { auditClasses } from '../trail/audit-event.js';
import { ArchiveRepository, type Month } from './archive.repository.js';
import { Archives } from './archives.js';
import { BloomFilter } from './bloom-filter.js';
import { type ArchivedEvent, storedEvent } from './event-line.js';
import { type EventMatcher, matcherOf } from './event-matcher.js';
import { type ArchiveManifest } from './manifest.js';

/** An archived event that a question means. */
export interface Hit {
  month: Month;
  event: ArchivedEvent;
  /** With what was encrypted, when the question was about that. */
  opened: StoredEvent | undefined;
}

/** Questions about archived months: which have an answer, which events are one, and the proof of those. */
@Injectable()
export class MonthReader {
  constructor(
    private readonly repository: ArchiveRepository,
    private readonly archives: Archives,
    private readonly personal: PersonalReader,
  ) {}

  /** The months that the database no longer holds, by log and time. */
  async archived(): Promise<Month[]> {
    return this.repository.archived();
  }

  /** Those of them that may have something that this actor did, as their manifests say. Throws `archive_broken`. */
  async mayHaveOf(actor: string): Promise<Month[]> {
    const months: Month[] = [];
    for (const month of await this.archived()) {
      const signed = await this.repository.manifest(month);
      if (signed !== undefined && mayHave(await this.archives.manifestOf(month, signed), { actor })) months.push(month);
    }
    return months;
  }

  /**
   * The events of a month by its frames, in the order of the log: none when its manifest says that no question can mean one. Throws
   * `archive_broken` and what the store does.
   */
  async *frames(month: Month, questions: readonly AuditQuestion[]): AsyncGenerator<ArchivedEvent[]> {
    const signed = await this.repository.manifest(month);
    if (signed === undefined) return;
    const manifest = await this.archives.manifestOf(month, signed);
    if (questions.some((question) => mayHave(manifest, question))) yield* this.archives.frames(month, manifest);
  }

  /** Those that one of the questions means. */
  async hits(month: Month, events: readonly ArchivedEvent[], questions: readonly AuditQuestion[]): Promise<Hit[]> {
    const matchers = questions.map((question) => matcherOf(question));
    const meant = events.flatMap((event) => {
      const said = readableOf(event);
      const by = matchers.filter(({ matches }) => matches(said));
      return by.length === 0 ? [] : [{ event, by }];
    });
    const inTheClear = ({ by }: { by: EventMatcher[] }): boolean => by.some(({ matchesOpened }) => !matchesOpened);
    const closed = meant.filter((one) => !inTheClear(one)).map(({ event }) => event);
    const opened = new Map((await this.personal.open(closed.map((event) => storedEvent(event)))).map((event) => [event.id, event]));
    return meant.flatMap(({ event, by }): Hit[] => {
      const one = opened.get(event.id);
      if (!one) return [{ month, event, opened: undefined }];
      const said = saidOpenly(event, one);
      return by.some(({ matchesOpened }) => matchesOpened?.(said)) ? [{ month, event, opened: one }] : [];
    });
  }

  /** As they are shown. Throws `archive_broken` unless each has the hash that the log sealed in its place, wherever it was read. */
  async proven(found: readonly Hit[]): Promise<StoredEvent[]> {
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

/** A category lies in its own log or in that of what is critical. */
export function mayLieIn({ class: ofClass }: Month, { category }: AuditQuestion): boolean {
  return category === undefined || ofClass === auditClasses[category] || ofClass === auditClasses.critical;
}

/** The same by the time as well, without a look at the manifest: what was sealed before a time happened before it. */
export function mayMatter(month: Month, question: AuditQuestion): boolean {
  return mayLieIn(month, question) && (!question.from || question.from.getTime() < endOf(month.period) + SEALED_SLACK_MS);
}

function endOf(period: string): number {
  const first = new Date(`${period}T00:00:00Z`);
  return first.setUTCMonth(first.getUTCMonth() + 1);
}

function mayHave({ occurredAt, resourceTypes, severities, filters }: ArchiveManifest, question: AuditQuestion): boolean {
  const { from, to, resourceType, resourceId, severity, severities: ofThese, actor, correlationId } = question;
  if (from && Date.parse(occurredAt.last) < from.getTime()) return false;
  if (to && Date.parse(occurredAt.first) >= to.getTime()) return false;
  if (resourceType !== undefined && !Object.hasOwn(resourceTypes, resourceType)) return false;
  if (severity !== undefined && !Object.hasOwn(severities, severity)) return false;
  if (ofThese?.some((one) => Object.hasOwn(severities, one)) === false) return false;
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
function saidOpenly(event: ArchivedEvent, one: StoredEvent): Said {
  const clear = saidBy(event) ?? {};
  const said = one.opened?.event;
  if (!said) return clear;
  const { actor } = said;
  const named = isJsonObject(clear.actor) && clear.actor.name !== undefined;
  return isJsonObject(actor) && !named && actor.name === actor.id ? { ...said, actor: { ...actor, name: null } } : said;
}
