import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { currentContext } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { cursorOf, keyOf } from '../../platform/http/cursor.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { type AuditFilter, type OwnAuditFilter, type TimelineFilter } from './audit-log.dto.js';
import { AuditLogRepository } from './audit-log.repository.js';
import { type AuditQuestion, type Slice } from './audit-query.js';
import { askedBy, AuditReading } from './audit-reading.js';
import { type StoredEvent } from './stored-event.js';

export interface Page {
  items: StoredEvent[];
  next: string | null;
}

type PageAsked = Pick<AuditFilter, 'limit' | 'after'> & Pick<Slice, 'order'>;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Reading the trail. What others did is read through AuditReading; what one did oneself is no secret, and reading it no event. */
@Injectable()
export class AuditLogService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly events: AuditLogRepository,
    private readonly trail: AuditTrail,
    private readonly reading: AuditReading,
  ) {}

  list(filter: AuditFilter): Promise<Page> {
    return this.pageFor(undefined, filter, filter);
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
    const items = await this.events.page(question, { after: after === undefined ? undefined : idOf(after), limit: limit + 1, order });
    const last = items.length > limit ? items[limit - 1] : undefined;
    return { items: items.slice(0, limit), next: last ? cursorOf([last.id]) : null };
  }
}

function callerId(): string {
  const caller = currentContext()?.principal;
  if (!caller) throw new Error('Own events need somebody who is signed in.');
  return caller.id;
}

function idOf(cursor: string): string {
  const [id = ''] = keyOf(cursor, 1);
  // A forged cursor is answered like one that cannot be read.
  return UUID.test(id) ? id : idOf('');
}
