import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { isUuid } from '../../kernel/uuid.js';
import { currentContext } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { cursorOf, idIn, keyOf, pageById } from '../../platform/http/cursor.js';
import { ArchivedEvents } from '../restored/archived-events.js';
import { type ArchivedPage, type ArchivePlace, ArchiveSearch, BEFORE_ALL, type Order } from '../archive/archive-search.js';
import { type AuditEvent } from '../trail/audit-event.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { type AuditFilter, type OwnAuditFilter, type SearchFilter, type TimelineFilter } from './audit-filter.dto.js';
import { AuditLogRepository } from './audit-log.repository.js';
import { type AuditQuestion, type Slice } from './audit-query.js';
import { askedBy, AuditReading } from './audit-reading.js';
import { type StoredEvent } from './stored-event.js';

export interface Page {
  items: StoredEvent[];
  next: string | null;
  /** Months that the database no longer holds, that may have something of it, and that were not looked into. */
  archivedMonths: number;
}

type PageAsked = Pick<AuditFilter, 'limit' | 'after'> & Pick<Slice, 'order'>;
type Searched = AuditQuestion & PageAsked;

/** What a cursor into the archives begins with. */
const ARCHIVED = 'archived';
/** Beyond every month, or before all of them. */
const LAST_PERIOD = '9999-12-01';
const PERIOD = /^\d{4}-\d\d-01$/;

/** Reading the trail. What others did is read through AuditReading; what one did oneself is no secret, and reading it no event. */
@Injectable()
export class AuditLogService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly events: AuditLogRepository,
    private readonly trail: AuditTrail,
    private readonly reading: AuditReading,
    private readonly archives: ArchiveSearch,
    private readonly archivedEvents: ArchivedEvents,
  ) {}

  /** What the filter means; with `archived` also of months that are no longer in the database, behind all that are. */
  list({ archived, ...filter }: SearchFilter): Promise<Page> {
    return this.newestFirst(undefined, filter, archived === true);
  }

  /** Everything that happened to one thing; with `archived` what is archived comes behind what is in the database, or before it. */
  timeline({ archived, ...filter }: TimelineFilter): Promise<Page> {
    if (archived === true && filter.order === 'oldest') return this.oldestFirst('timeline', filter);
    return this.newestFirst('timeline', filter, archived === true);
  }

  private async newestFirst(question: string | undefined, filter: Searched, archived: boolean): Promise<Page> {
    const place = archived ? archivePlaceOf(filter.after, 'newest') : undefined;
    const page = place ? { items: [], next: null } : await this.pageFor(question, filter, filter);
    if (!archived) return { archivedMonths: 0, ...page };
    if (page.next !== null || page.items.length >= filter.limit)
      return { ...page, next: page.next ?? cursorOf([ARCHIVED, LAST_PERIOD, BEFORE_ALL.newest]), archivedMonths: 0 };
    const older = await this.olderPage(filter, place, filter.limit - page.items.length);
    return { items: [...page.items, ...older.items], next: older.next ? cursorTo(older.next) : null, archivedMonths: 0 };
  }

  private async oldestFirst(question: string, filter: Searched): Promise<Page> {
    const place = archivePlaceOf(filter.after, 'oldest');
    const isPast = filter.after !== undefined && !place;
    const older = isPast ? { items: [], next: undefined } : await this.olderPage(filter, place, filter.limit);
    if (older.next) return { items: older.items, next: cursorTo(older.next), archivedMonths: 0 };
    if (older.items.length === filter.limit)
      return { items: older.items, next: cursorTo({ period: LAST_PERIOD, beyond: BEFORE_ALL.oldest }), archivedMonths: 0 };
    const { after, ...first } = filter;
    const page = await this.pageFor(question, { ...first, limit: filter.limit - older.items.length, ...(isPast ? { after } : {}) }, filter);
    return { items: [...older.items, ...page.items], next: page.next, archivedMonths: 0 };
  }

  /** Archives are read outside of any transaction, and that they were is said before the answer is given. */
  private async olderPage(filter: Searched, place: ArchivePlace | undefined, limit: number): Promise<ArchivedPage> {
    // The same filter without its page: the cursor is the place.
    const question = askedBy(filter) as AuditQuestion;
    const older = await this.archives.find(question, place, limit, filter.order);
    await this.reading.recordAlone({
      question: 'archived',
      filters: askedBy(filter),
      firstPage: place === undefined,
      count: older.items.length,
    });
    return older;
  }

  /** A page of what the question means; the event says `filter`. */
  pageFor(question: string | undefined, filter: PageAsked, asked: AuditQuestion): Promise<Page> {
    return this.reading.answer(
      { ...(question === undefined ? {} : { question }), filters: askedBy(filter), firstPage: filter.after === undefined },
      () => this.page(asked, filter),
      (page) => page.items.length,
    );
  }

  /** Throws `audit_event_not_found`, `event_archived`; and with `inArchives` `archive_broken` and what the store does. */
  async get(id: string, inArchives: boolean): Promise<StoredEvent> {
    const stored = await this.work.run(async () => {
      const event = await this.events.byId(id);
      if (event) await this.trail.record(readOf(id, { count: 1 }));
      return event;
    });
    if (stored) return stored;
    const older = await this.archivedEvents.find(id, inArchives);
    if (!older) throw inArchives ? AppError.notFound('audit_event', id) : await this.archivedEvents.missing(id);
    await this.trail.recordAlone(readOf(id, { count: 1, archived: true }));
    return older;
  }

  async listOwn(filter: OwnAuditFilter): Promise<Page> {
    return this.page({ ...askedBy(filter), actor: callerId() }, filter);
  }

  private async page(question: AuditQuestion, { limit, after, order }: PageAsked): Promise<Page> {
    const page = pageById(await this.events.page(question, { after: idIn(after), limit: limit + 1, order }), limit);
    return { ...page, archivedMonths: await this.archives.leftOut(question) };
  }
}

function callerId(): string {
  const caller = currentContext()?.principal;
  if (!caller) throw new Error('Own events need somebody who is signed in.');
  return caller.id;
}

function readOf(id: string, detail: Record<string, unknown>): AuditEvent {
  return { action: 'audit.read', category: 'access', resource: { type: 'audit_event', id }, detail };
}

function cursorTo({ period, beyond }: ArchivePlace): string {
  return cursorOf([ARCHIVED, period, beyond]);
}

/** Undefined for a place in the database. */
function archivePlaceOf(cursor: string | undefined, order: Order): ArchivePlace | undefined {
  if (cursor === undefined) return undefined;
  try {
    const [kind, period = '', beyond = ''] = keyOf(cursor, 3);
    const isPlace = kind === ARCHIVED && PERIOD.test(period) && (isUuid(beyond) || beyond === BEFORE_ALL[order]);
    return isPlace ? { period, beyond } : undefined;
  } catch {
    return undefined;
  }
}
