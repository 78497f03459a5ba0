import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { type FastifyInstance, type FastifyRequest, type onSendAsyncHookHandler, type preSerializationHookHandler } from 'fastify';
import { currentContext, runInContext } from '../../platform/context/request-context.js';
import { type ClassifiedRead, classifiedRead, readAction } from '../catalogue/read-routes.js';
import { type AuditEvent } from '../trail/audit-event.js';
import { filtersOf, shownIn } from './read-facts.js';
import { ReadTrail } from './read-trail.js';

type Asked = FastifyRequest<{ Params: Record<string, string>; Querystring: Record<string, unknown> }>;

/**
 * Leaves one event for each answer that showed something classified: which, or what was asked for, how much and a digest; never the content.
 * Hooks of the routes concerned, so that all others are answered as fast as without.
 */
@Injectable()
export class AuditedReads {
  constructor(
    private readonly reads: ReadTrail,
    host: HttpAdapterHost,
  ) {
    // Here, since the routes are made before modules are initialised.
    host.httpAdapter.getInstance<FastifyInstance>().addHook('onRoute', (route) => {
      // HEAD tells whether there is something, and how much.
      if (route.method !== 'GET' && route.method !== 'HEAD') return;
      const read = classifiedRead(`GET ${route.url}`);
      if (!read) return;
      if (read.shows === 'file') route.onSend = [...hooksOf(route.onSend), this.sending(read)];
      else route.preSerialization = [...hooksOf(route.preSerialization), this.answering(read)];
    });
  }

  /** No promise where nothing is waited for: it would cost as much as the rest of an event. */
  private answering(read: ClassifiedRead): preSerializationHookHandler {
    return (request, reply, answer, done) => {
      const policy = reply.statusCode < 300 ? this.reads.policyOf(read.kind) : 'off';
      if (policy === 'off') {
        done(null, answer);
        return;
      }
      const recorded = this.reads.record(read.kind, () => eventOf(read, request as Asked, answer));
      if (policy === 'batched') done(null, answer);
      else
        recorded.then(
          () => {
            done(null, answer);
          },
          (error: unknown) => {
            done(error as Error);
          },
        );
    };
  }

  private sending(read: ClassifiedRead): onSendAsyncHookHandler {
    return async (request, reply, sent) => {
      if (reply.statusCode >= 300 || this.reads.policyOf(read.kind) === 'off') return sent;
      if (request.method === 'GET' && sent instanceof Readable) return this.file(read, request as Asked, sent);
      await this.reads.record(read.kind, () => eventOf(read, request as Asked, undefined));
      return sent;
    };
  }

  /** Two events: that it began, before the first byte; and what became of it, before the last. */
  private async file(read: ClassifiedRead, request: Asked, file: Readable): Promise<Readable> {
    const filters = filtersOf(request.query);
    const about = { resource: aboutOf(read, request) };
    const attempt = await this.reads.record(read.kind, () => ({
      ...about,
      action: `${read.resource}.export_started`,
      outcome: 'unknown',
      detail: { filters },
    }));
    const here = currentContext();
    const ended = async (complete: boolean, sent: Record<string, unknown>): Promise<void> => {
      const outcome = complete ? 'success' : 'failure';
      const event = () => ({ ...about, action: readAction(read), outcome, detail: { attempt, filters, ...sent } }) as const;
      await (here ? runInContext(here, () => this.reads.record(read.kind, event)) : this.reads.record(read.kind, event));
    };
    return Readable.from(counted(file, ended), { objectMode: false });
  }
}

function eventOf(read: ClassifiedRead, request: Asked, answer: unknown): Omit<AuditEvent, 'category'> {
  const filters = filtersOf(request.query);
  const asked = Object.keys(filters).length === 0 ? {} : { filters };
  return {
    action: readAction(read),
    resource: aboutOf(read, request),
    detail: read.shows === 'list' ? { filters, ...shownIn(answer) } : asked,
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

function hooksOf<T>(hooks: T | T[] | undefined): T[] {
  return hooks === undefined ? [] : Array.isArray(hooks) ? hooks : [hooks];
}
