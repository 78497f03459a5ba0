import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { currentContext } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { cursorOf, keyOf } from '../../platform/http/cursor.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { AuditFilter, type OwnAuditFilter } from './audit-log.dto.js';
import { AuditLogRepository } from './audit-log.repository.js';
import { type StoredEvent } from './stored-event.js';

interface Page {
  items: StoredEvent[];
  next: string | null;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Reading the trail. Whoever reads what others did is in it afterwards: the event is committed before the answer is given. */
@Injectable()
export class AuditLogService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly events: AuditLogRepository,
    private readonly trail: AuditTrail,
  ) {}

  async list(filter: AuditFilter): Promise<Page> {
    return this.work.run(async () => {
      const page = await this.page(filter);
      await this.trail.record({
        action: 'audit.read',
        category: 'access',
        resource: { type: 'audit_log', id: 'audit_log' },
        detail: { filters: askedBy(filter), firstPage: filter.after === undefined, count: page.items.length },
      });
      return page;
    });
  }

  async get(id: string): Promise<StoredEvent> {
    return this.work.run(async () => {
      const event = await this.events.byId(id);
      if (!event) throw AppError.notFound('audit_event', id);
      await this.trail.record({ action: 'audit.read', category: 'access', resource: { type: 'audit_event', id }, detail: { count: 1 } });
      return event;
    });
  }

  /** What one did oneself is no secret, and reading it no event. */
  async listOwn(filter: OwnAuditFilter): Promise<Page> {
    return this.page(Object.assign(new AuditFilter(), filter, { actor: callerId() }));
  }

  private async page(filter: AuditFilter): Promise<Page> {
    const items = await this.events.newest(filter, filter.after === undefined ? undefined : idOf(filter.after), filter.limit + 1);
    const last = items.length > filter.limit ? items[filter.limit - 1] : undefined;
    return { items: items.slice(0, filter.limit), next: last ? cursorOf([last.id]) : null };
  }
}

/** What was asked for, without the page. */
function askedBy(filter: AuditFilter): Record<string, unknown> {
  return Object.fromEntries(Object.entries(filter).filter(([name]) => name !== 'limit' && name !== 'after'));
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
