import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { currentContext, runInContext } from '../../platform/context/request-context.js';
import { AuditEventView } from '../log/audit-event.dto.js';
import { AuditLogRepository } from '../log/audit-log.repository.js';
import { type AuditQuestion } from '../log/audit-query.js';
import { askedBy, AuditReading } from '../log/audit-reading.js';
import { StreamSettings } from './stream-settings.js';
import { idOf, type Place, placesOf } from './tail-place.js';
import { TailRepository } from './tail.repository.js';

export interface StreamAsked {
  filter: AuditQuestion;
  lastEventId: string | undefined;
  /** What there is, and the end. */
  once: boolean;
  /** Whether the caller may still listen. */
  isWelcome: () => Promise<boolean>;
}

const BATCH = 200;
const LAST_WORDS_MS = 2000;

/** The trail as it is filed, as server-sent events (HTML Living Standard §9.2). */
@Injectable()
export class AuditStreams implements BeforeApplicationShutdown {
  private readonly open = new Map<AbortController, { user: string; ended: Promise<void> }>();

  constructor(
    private readonly tail: TailRepository,
    private readonly log: AuditLogRepository,
    private readonly reading: AuditReading,
    private readonly settings: StreamSettings,
  ) {}

  /** An open stream would keep the server from closing; one that nobody reads does not end by itself. */
  async beforeApplicationShutdown(): Promise<void> {
    for (const stream of this.open.keys()) stream.abort();
    await Promise.race([Promise.all([...this.open.values()].map(({ ended }) => ended)), delay(LAST_WORDS_MS, undefined, { ref: false })]);
  }

  /** Throws `too_many_streams`, or `bad_event_id` for an id that no stream gave. */
  async follow(asked: StreamAsked): Promise<Readable> {
    const from = asked.lastEventId === undefined ? undefined : placesOf(asked.lastEventId);
    if (asked.lastEventId !== undefined && !from)
      throw new AppError('unparsable', 'bad_event_id', 'Last-Event-ID must be what a stream gave as `id`.');
    // A filter that cannot be asked is refused now; once the stream has begun there is nobody to tell.
    await this.log.page(asked.filter, { limit: 1 });
    const context = currentContext();
    const user = context?.principal?.id ?? '';
    const stream = new AbortController();
    let leave = (): void => undefined;
    if (!asked.once) {
      if ([...this.open.values()].filter((other) => other.user === user).length >= this.settings.mostPerUser)
        throw new AppError('too_many', 'too_many_streams', `Nobody may have more than ${this.settings.mostPerUser} streams at once.`, {
          retryAfterSeconds: 5,
        });
      const ended = new Promise<void>((resolve) => {
        leave = () => {
          this.open.delete(stream);
          resolve();
        };
      });
      this.open.set(stream, { user, ended });
    }
    const attempt = await this.begin(asked.filter).catch((error: unknown) => {
      leave();
      throw error;
    });
    const within = <T>(work: () => Promise<T>): Promise<T> => (context ? runInContext(context, work) : work());
    const readable = Readable.from(this.frames({ ...asked, attempt }, from, stream.signal, within), { highWaterMark: 1 });
    // Also when it never began, or when the server leaves one that nobody reads.
    stream.signal.addEventListener('abort', () => setTimeout(() => readable.destroy(), LAST_WORDS_MS).unref());
    readable.once('close', () => {
      stream.abort();
      leave();
    });
    return readable;
  }

  /** That somebody listens is in the trail from the beginning, not only once they have heard enough. */
  private begin(filter: AuditQuestion): Promise<string> {
    return this.reading.begin('audit.stream_started', { question: 'stream', filters: askedBy(filter) });
  }

  private async *frames(
    asked: StreamAsked & { attempt: string },
    from: Place[] | undefined,
    signal: AbortSignal,
    within: <T>(work: () => Promise<T>) => Promise<T>,
  ): AsyncGenerator<string> {
    let count = 0;
    try {
      yield ': the audit trail\nretry: 2000\n\n';
      let places = from ?? (await within(() => this.tail.ends()));
      let [checkedAt, saidAt] = [performance.now(), performance.now()];
      while (!signal.aborted) {
        if (performance.now() - checkedAt > this.settings.recheckMs) {
          if (!(await within(asked.isWelcome))) {
            yield 'event: end\ndata: {"reason":"unauthenticated"}\n\n';
            return;
          }
          checkedAt = performance.now();
        }
        const ends = await within(() => this.tail.ends());
        const behind = distance(places, ends);
        const now = places;
        const found = behind > this.settings.mostBehind ? [] : await within(() => this.tail.between(asked.filter, now, ends, BATCH));
        if (behind > this.settings.mostBehind) yield `event: gap\nid: ${idOf(ends)}\ndata: ${JSON.stringify({ skipped: behind })}\n\n`;
        for (const event of found) {
          places = places.map((place) => (place.class === event.place.class ? event.place : place));
          yield `event: audit\nid: ${idOf(places)}\ndata: ${JSON.stringify(AuditEventView.of(event))}\n\n`;
          count++;
        }
        const isDrained = found.length < BATCH;
        if (isDrained) places = ends;
        if (behind > this.settings.mostBehind || found.length > 0) saidAt = performance.now();
        else if (performance.now() - saidAt > this.settings.heartbeatMs) {
          // An id without data: whoever resumes need not look at all of this again.
          yield `: heartbeat\nid: ${idOf(places)}\n\n`;
          saidAt = performance.now();
        }
        if (isDrained && asked.once) return;
        if (isDrained) await delay(this.settings.pollMs, undefined, { signal }).catch(() => undefined);
      }
    } finally {
      await within(() => this.reading.recordAlone({ attempt: asked.attempt, question: 'stream', filters: askedBy(asked.filter), count }));
    }
  }
}

/** How many events were filed between. */
function distance(from: readonly Place[], to: readonly Place[]): number {
  return to.reduce(
    (sum, { class: kept, seq }) => sum + Math.max(Number(seq) - Number(from.find((p) => p.class === kept)?.seq ?? seq), 0),
    0,
  );
}
