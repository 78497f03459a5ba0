import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from '@nestjs/common';
import { Redis } from 'ioredis';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import { AppConfig } from '../../config/app-config.js';
import { Log } from '../logging/log.js';
import { Metrics } from '../metrics/metrics.js';
import { MINUTE } from './budgets.js';
import { type Count } from './memory-counters.js';

/** An answer later than this is no answer: the caller waits for it. */
const PATIENCE_MS = 50;
/** One late answer is a hiccup; so many in a row, and nobody waits for the next. */
const HICCUPS = 3;
const PAUSE_MS = 1000;

/** Windows in Redis, the same for all instances. Without it, or while it is away, there are none. */
@Injectable()
export class SharedCounters implements OnModuleInit, BeforeApplicationShutdown {
  private readonly redis: Redis | undefined;
  private readonly counter: RateLimiterRedis | undefined;
  private hiccups = 0;
  private pausedUntil = 0;
  private away = false;

  constructor(
    config: AppConfig,
    private readonly log: Log,
    metrics: Metrics,
  ) {
    metrics.gauge('rate_limits_shared', '1 while rate limits are counted in Redis, 0 while this process counts for itself.', [], () => [
      { labels: {}, value: this.isUp ? 1 : 0 },
    ]);
    if (config.redisUrl === undefined) return;
    this.redis = new Redis(config.redisUrl, {
      lazyConnect: true,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 1,
      commandTimeout: PATIENCE_MS,
      connectTimeout: 1000,
      retryStrategy: (attempt) => Math.min(attempt * 100, PAUSE_MS),
    });
    this.redis.on('error', (error) => {
      this.lost(error);
    });
    this.redis.on('close', () => {
      this.lost(new Error('The connection was closed.'));
    });
    this.redis.on('ready', () => {
      this.found();
    });
    // Never exhausted by itself: quotas may change while a window lasts, so they are compared elsewhere.
    this.counter = new RateLimiterRedis({
      storeClient: this.redis,
      keyPrefix: 'cadastre:limit',
      points: Number.MAX_SAFE_INTEGER,
      duration: MINUTE,
      rejectIfRedisNotReady: true,
    });
  }

  /** Connected before the first request, if it can be; a Redis that is away keeps nobody from starting. */
  async onModuleInit(): Promise<void> {
    await this.redis?.connect().catch(() => undefined);
  }

  beforeApplicationShutdown(): void {
    this.redis?.removeAllListeners('close');
    this.redis?.disconnect();
  }

  /** One round trip. Undefined, at once or later, when Redis cannot say. */
  take(key: string, cost: number, windowSeconds: number): Promise<Count | undefined> | undefined {
    if (!this.counter || !this.isUp) return undefined;
    return this.counter.consume(key, cost, { customDuration: windowSeconds }).then(
      ({ consumedPoints, msBeforeNext }) => {
        this.hiccups = 0;
        return { consumed: consumedPoints, msLeft: msBeforeNext };
      },
      (error: unknown) => {
        if (++this.hiccups >= HICCUPS) {
          this.hiccups = 0;
          this.pausedUntil = performance.now() + PAUSE_MS;
          this.lost(error);
        }
        return undefined;
      },
    );
  }

  private get isUp(): boolean {
    if (this.redis?.status !== 'ready' || performance.now() < this.pausedUntil) return false;
    this.found();
    return true;
  }

  /** Once an outage, not once a request. */
  private lost(error: unknown): void {
    if (!this.away) this.log.warn('Redis is away: rate limits are counted by each instance for itself', { error });
    this.away = true;
  }

  private found(): void {
    if (this.away) this.log.info('Redis is back: rate limits are shared again');
    this.away = false;
  }
}
