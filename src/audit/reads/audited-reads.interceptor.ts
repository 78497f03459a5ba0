import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor, StreamableFile } from '@nestjs/common';
import { type FastifyRequest } from 'fastify';
import { mergeMap, type Observable } from 'rxjs';
import { currentContext, runInContext } from '../../platform/context/request-context.js';
import { type ClassifiedRead, classifiedRead, readAction } from '../catalogue/read-routes.js';
import { type AuditEvent } from '../trail/audit-event.js';
import { filtersOf, shownIn } from './read-facts.js';
import { ReadTrail } from './read-trail.js';

type Asked = FastifyRequest<{ Params: Record<string, string>; Querystring: Record<string, unknown> }>;

/** Leaves one event for each answer that showed something classified: which, or what was asked for, how much and a digest; never the content. */
@Injectable()
export class AuditedReads implements NestInterceptor {
  constructor(private readonly reads: ReadTrail) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<Asked>();
    // HEAD tells whether there is something, and how much.
    const read = request.method === 'GET' || request.method === 'HEAD' ? classifiedRead(`GET ${currentContext()?.route ?? ''}`) : undefined;
    if (!read || !this.reads.records(read.kind)) return next.handle();
    return next.handle().pipe(mergeMap((answer) => this.answered(read, request, answer)));
  }

  private async answered(read: ClassifiedRead, request: Asked, answer: unknown): Promise<unknown> {
    if (answer instanceof StreamableFile && request.method === 'GET') return this.file(read, request, answer);
    await this.reads.record(read.kind, eventOf(read, request, answer));
    return answer;
  }

  /** Two events: that it began, before the first byte; and what became of it, before the last. */
  private async file(read: ClassifiedRead, request: Asked, file: StreamableFile): Promise<StreamableFile> {
    const filters = filtersOf(request.query);
    const about = { resource: aboutOf(read, request) };
    const attempt = await this.reads.record(read.kind, {
      ...about,
      action: `${read.resource}.export_started`,
      outcome: 'unknown',
      detail: { filters },
    });
    const here = currentContext();
    const ended = async (complete: boolean, sent: Record<string, unknown>): Promise<void> => {
      const outcome = complete ? 'success' : 'failure';
      const event = { ...about, action: readAction(read), outcome, detail: { attempt, filters, ...sent } } as const;
      await (here ? runInContext(here, () => this.reads.record(read.kind, event)) : this.reads.record(read.kind, event));
    };
    return new StreamableFile(Readable.from(counted(file.getStream(), ended), { objectMode: false }), file.options);
  }
}

function eventOf(read: ClassifiedRead, request: Asked, answer: unknown): Omit<AuditEvent, 'category'> {
  const filters = filtersOf(request.query);
  const asked = Object.keys(filters).length === 0 ? {} : { filters };
  return {
    action: readAction(read),
    resource: aboutOf(read, request),
    detail: read.shows === 'list' ? { ...asked, filters, ...shownIn(answer) } : asked,
  };
}

/** The thing of which the path has the id; `*` stands for all of its type. */
function aboutOf({ resource, of, shows }: ClassifiedRead, { params }: Asked): { type: string; id: string } {
  const id = params.id ?? params.key;
  return { type: shows === 'list' && id !== undefined ? (of ?? resource) : resource, id: id ?? '*' };
}

async function* counted(
  stream: Readable,
  ended: (complete: boolean, sent: Record<string, unknown>) => Promise<void>,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let [bytes, complete] = [0, false];
  try {
    for await (const chunk of stream as AsyncIterable<string | Buffer>) {
      const piece = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
      hash.update(piece);
      bytes += piece.length;
      yield piece;
    }
    complete = true;
  } finally {
    await ended(complete, { bytes, ...(complete ? { digest: `sha256:${hash.digest('hex')}` } : { brokenOff: true }) });
  }
}
