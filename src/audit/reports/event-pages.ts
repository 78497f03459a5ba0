import { Injectable } from '@nestjs/common';
import { currentContext, runInContext } from '../../platform/context/request-context.js';
import { AuditEventView } from '../log/audit-event.dto.js';
import { AuditLogRepository } from '../log/audit-log.repository.js';
import { type AuditQuestion } from '../log/audit-query.js';
import { type StoredEvent } from '../log/stored-event.js';

const PAGE = 500;

/** Events for what is streamed, oldest first. */
@Injectable()
export class EventPages {
  constructor(private readonly events: AuditLogRepository) {}

  /**
   * Page by page as they are asked for, none held and no transaction or connection between them, up to the newest event there is now. What
   * is wrong with the questions is thrown at once, by the first page. Keeps the context of whoever calls: what reads a stream may do so
   * outside of the request.
   */
  async of(asked: AuditQuestion | readonly AuditQuestion[]): Promise<AsyncGenerator<AuditEventView[]>> {
    const context = currentContext();
    const ceiling = await this.events.newestId();
    const questions: AuditQuestion[] = [];
    for (const question of [asked].flat()) questions.push(await this.events.understood(question));
    const after = (id: string | undefined): Promise<StoredEvent[]> => {
      const ask = (): Promise<StoredEvent[]> => this.events.page(questions, { limit: PAGE, order: 'oldest', after: id, ceiling });
      return context ? runInContext(context, ask) : ask();
    };
    return pages(await after(undefined), after);
  }
}

async function* pages(first: StoredEvent[], after: (id: string | undefined) => Promise<StoredEvent[]>): AsyncGenerator<AuditEventView[]> {
  for (let page = first; ; page = await after(page.at(-1)?.id)) {
    if (page.length > 0) yield page.map((event) => AuditEventView.of(event));
    if (page.length < PAGE) return;
  }
}
