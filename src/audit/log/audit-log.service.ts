import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { isUuid } from '../../kernel/uuid.js';
import { currentContext } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { cursorOf, idIn, keyOf, pageById } from '../../platform/http/cursor.js';
import { ABOVE_ALL, type ArchivePlace, ArchiveSearch } from '../archive/archive-search.js';
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

/** What a cursor into the archives begins with. */
const ARCHIVED = 'archived';
const START = ['9999-12-01', ABOVE_ALL] as const;
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
  ) {}

  /** What the filter means; with `archived` also of months that are no longer in the database, behind all that are. */
  async list({ archived, ...filter }: SearchFilter): Promise<Page> {
    const place = archived === true && filter.after !== undefined ? archivePlaceOf(filter.after) : undefined;
    const page = place ? { items: [], next: null } : await this.pageFor(undefined, filter, filter);
    if (archived !== true) return { archivedMonths: 0, ...page };
    if (page.next === null && page.items.length < filter.limit) return this.goOn(page.items, filter, place);
    return { ...page, next: page.next ?? cursorOf([ARCHIVED, ...START]), archivedMonths: 0 };
  }

  /** Archives are read outside of any transaction, and that they were is said before the answer is given. */
  private async goOn(items: StoredEvent[], filter: AuditFilter, place: ArchivePlace | undefined): Promise<Page> {
    // The same filter without its page: the cursor is the place.
    const question = askedBy(filter) as AuditQuestion;
    const older = await this.archives.find(question, place, filter.limit - items.length);
    await this.reading.recordAlone({
      question: 'archived',
      filters: askedBy(filter),
      firstPage: place === undefined,
      count: older.items.length,
    });
    const next = older.next ? cursorOf([ARCHIVED, older.next.period, older.next.below]) : null;
    return { items: [...items, ...older.items], next, archivedMonths: 0 };
  }

  /** Everything that happened to one thing. */
  timeline(filter: TimelineFilter): Promise<Page> {
    return this.pageFor('timeline', filter, filter);
  }

  /** A page of what the question means; the event says `filter`. */
  pageFor(question: string | undefined, filter: PageAsked, asked: AuditQuestion): Promise<Page> {
    return this.reading.answer(
      { ...(question === undefined ? {} : { question }), filters: askedBy(filter), firstPage: filter.after === undefined },
      () => this.page(asked, filter),
      (page) => page.items.length,
    );
  }

  async get(id: string): Promise<StoredEvent> {
    return this.work.run(async () => {
      const event = await this.events.byId(id);
      if (!event) throw AppError.notFound('audit_event', id);
      await this.trail.record({ action: 'audit.read', category: 'access', resource: { type: 'audit_event', id }, detail: { count: 1 } });
      return event;
    });
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

/** Undefined for a place in the database. */
function archivePlaceOf(cursor: string): ArchivePlace | undefined {
  try {
    const [kind, period = '', below = ''] = keyOf(cursor, 3);
    return kind === ARCHIVED && PERIOD.test(period) && (isUuid(below) || below === ABOVE_ALL) ? { period, below } : undefined;
  } catch {
    return undefined;
  }
}
