import { Injectable } from '@nestjs/common';
import { currentContext, type RequestContext, runInContext } from '../../platform/context/request-context.js';
import { ArchiveStream } from '../archive/archive-stream.js';
import { AuditEventView } from '../log/audit-event.dto.js';
import { AuditLogRepository } from '../log/audit-log.repository.js';
import { type AuditQuestion } from '../log/audit-query.js';
import { type StoredEvent } from '../log/stored-event.js';

const PAGE = 500;

export interface AllPages {
  pages: AsyncGenerator<AuditEventView[]>;
  /** Months that may have something of it and are not looked into. */
  archivedMonths: number;
}

/** Events for what is streamed: what is archived first, when that is asked for; then what is in the database, oldest first. */
@Injectable()
export class EventPages {
  constructor(
    private readonly events: AuditLogRepository,
    private readonly archives: ArchiveStream,
  ) {}

  /**
   * Page by page as they are asked for, none held and no transaction or connection between them, up to the newest event there is now. What
   * is wrong with the questions is thrown at once, by the first page. Keeps the context of whoever calls: what reads a stream may do so
   * outside of the request. The pages throw `archive_state_changed` at their end when a month came or went meanwhile.
   */
  async of(asked: AuditQuestion | readonly AuditQuestion[], archived: boolean): Promise<AllPages> {
    const context = currentContext();
    const then = await this.archives.begin();
    const ceiling = await this.events.newestId();
    const questions: AuditQuestion[] = [];
    for (const question of [asked].flat()) questions.push(await this.events.understood(question));
    const after = (id: string | undefined): Promise<StoredEvent[]> =>
      this.events.page(questions, { limit: PAGE, order: 'oldest', after: id, ceiling });
    const stored = pages(await after(undefined), after);
    const older = archived ? this.archives.events(then, questions) : [];
    const all = joined(older, stored, () => this.archives.end(then));
    // An archive that is broken is told while there is still an answer to tell it in.
    const first = await all.next();
    return {
      pages: within(context, first, all),
      archivedMonths: archived ? 0 : this.archives.count(then, questions),
    };
  }
}

/** Each step in the context there was. */
async function* within<T>(context: RequestContext | undefined, first: IteratorResult<T>, steps: AsyncGenerator<T>): AsyncGenerator<T> {
  const inContext = <R>(work: () => R): R => (context ? runInContext(context, work) : work());
  try {
    for (let step = first; step.done !== true; step = await inContext(() => steps.next())) yield step.value;
  } finally {
    await inContext(() => steps.return(undefined));
  }
}

async function* joined(
  older: AsyncIterable<StoredEvent[]> | StoredEvent[][],
  stored: AsyncIterable<AuditEventView[]>,
  end: () => Promise<void>,
): AsyncGenerator<AuditEventView[]> {
  for await (const page of older) yield page.map((event) => AuditEventView.of(event));
  yield* stored;
  await end();
}

async function* pages(first: StoredEvent[], after: (id: string | undefined) => Promise<StoredEvent[]>): AsyncGenerator<AuditEventView[]> {
  for (let page = first; ; page = await after(page.at(-1)?.id)) {
    if (page.length > 0) yield page.map((event) => AuditEventView.of(event));
    if (page.length < PAGE) return;
  }
}
