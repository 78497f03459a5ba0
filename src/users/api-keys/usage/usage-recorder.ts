import {
  type BeforeApplicationShutdown,
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { Clock } from '../../../kernel/clock.js';
import { Log } from '../../../platform/logging/log.js';
import { KeySettings } from '../key-settings.js';
import { bucketOf, prefixOf } from './buckets.js';
import { type Denial, type Sightings, type Use } from './sightings.js';
import { UsageFiler } from './usage-filer.js';

interface Begun {
  keyId: string;
  address: string;
}

const MOST_ROWS = 20_000;

/** Counts what keys do, in the process; every ten seconds, and when it stops, the figures go to the database. A crash loses those seconds. */
@Injectable()
export class UsageRecorder implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  private readonly begunBy = new WeakMap<FastifyRequest, Begun>();
  private uses = new Map<string, Use>();
  private denials = new Map<string, Denial>();
  private junkSeen = 0;
  private timer: NodeJS.Timeout | undefined;
  private flushing: Promise<void> = Promise.resolve();

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly filer: UsageFiler,
    private readonly settings: KeySettings,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.host.httpAdapter.getInstance<FastifyInstance>().addHook('onResponse', (request, reply, done) => {
      const begun = this.begunBy.get(request);
      if (begun) this.ended(begun, request, reply);
      done();
    });
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.flush(), this.settings.usageFlushMs);
    this.timer.unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
  }

  /** Once more, for the answers that were under way. */
  async onApplicationShutdown(): Promise<void> {
    await this.flush();
  }

  /** A request of this key was let in; it is counted when it is answered. */
  begun(request: FastifyRequest, keyId: string, address = ''): void {
    this.begunBy.set(request, { keyId, address });
  }

  /** A wrong secret of a key, or a permission it lacks. '' is a key there is not: counted as junk. */
  denied(keyId: string, kind: Denial['kind']): void {
    if (keyId === '') {
      this.junk();
      return;
    }
    const minute = floorTo(this.clock.now(), 60_000);
    const at = `${keyId} ${kind} ${minute.getTime()}`;
    const known = this.denials.get(at);
    if (known) known.n += 1;
    else if (this.denials.size < MOST_ROWS) this.denials.set(at, { keyId, kind, minute, n: 1 });
  }

  junk(): void {
    this.junkSeen += 1;
  }

  /** Writes down what was counted so far; what cannot be written stays counted. One at a time. */
  flush(): Promise<void> {
    this.flushing = this.flushing.then(() => this.write());
    return this.flushing;
  }

  private async write(): Promise<void> {
    const seen: Sightings = { uses: [...this.uses.values()], denials: [...this.denials.values()], junk: this.junkSeen };
    if (seen.uses.length === 0 && seen.denials.length === 0 && seen.junk === 0) return;
    this.uses = new Map();
    this.denials = new Map();
    this.junkSeen = 0;
    try {
      await this.filer.file(seen);
    } catch (error) {
      this.log.warn('the use of keys could not be written down; it is kept for the next time', { error });
      for (const use of seen.uses) this.add(use);
      for (const { keyId, kind, n } of seen.denials) for (let i = 0; i < n; i++) this.denied(keyId, kind);
      this.junkSeen += seen.junk;
    }
  }

  private ended({ keyId, address }: Begun, request: FastifyRequest, { statusCode, elapsedTime: ms }: FastifyReply): void {
    if (statusCode === 403) this.denied(keyId, 'permission');
    const now = this.clock.now();
    const buckets = new Array<number>(12).fill(0);
    buckets[bucketOf(ms)] = 1;
    const route = `${request.method} ${request.routeOptions.url ?? '(none)'}`;
    const statusClass = Math.floor(statusCode / 100);
    const prefix = prefixOf(address);
    this.add({
      keyId,
      hour: floorTo(now, 3_600_000),
      route,
      statusClass,
      prefix,
      n: 1,
      msSum: ms,
      msMax: ms,
      buckets,
      lastAt: now,
      address,
    });
  }

  private add(use: Use): void {
    const at = `${use.keyId} ${use.hour.getTime()} ${use.route} ${use.statusClass} ${use.prefix}`;
    const known = this.uses.get(at);
    if (!known) {
      // A database that is away for long must not fill the memory.
      if (this.uses.size < MOST_ROWS) this.uses.set(at, use);
      return;
    }
    known.n += use.n;
    known.msSum += use.msSum;
    known.msMax = Math.max(known.msMax, use.msMax);
    known.buckets = known.buckets.map((n, i) => n + (use.buckets[i] ?? 0));
    if (use.lastAt >= known.lastAt) Object.assign(known, { lastAt: use.lastAt, address: use.address });
  }
}

function floorTo(time: Date, ms: number): Date {
  return new Date(Math.floor(time.getTime() / ms) * ms);
}
