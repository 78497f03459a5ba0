import { Injectable } from '@nestjs/common';
import { AppError } from '../../../kernel/app-error.js';
import { Clock } from '../../../kernel/clock.js';
import { type Key } from '../key.js';
import { KeySettings } from '../key-settings.js';
import { KeysRepository } from '../keys.repository.js';
import { quantileOf } from './buckets.js';
import { healthOf, type HealthInputs } from './health.js';
import { type KeyHealthView, type KeyUsageFigures, type KeyUsageFilter, type KeyUsageView } from './key-usage.dto.js';
import { type Sum, UsageRepository } from './usage.repository.js';

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;

/** What keys did, in figures that can be checked against the table. */
@Injectable()
export class UsageReports {
  constructor(
    private readonly keys: KeysRepository,
    private readonly usage: UsageRepository,
    private readonly settings: KeySettings,
    private readonly clock: Clock,
  ) {}

  /** Throws `key_not_found`, or `bad_period` when it ends before it begins. */
  async usageOf(keyId: string, { from, to, per = 'day' }: KeyUsageFilter): Promise<KeyUsageView> {
    await this.keys.byId(keyId);
    const until = to ?? this.clock.now();
    const since = from ?? new Date(until.getTime() - DEFAULT_DAYS * DAY_MS);
    if (since > until) throw new AppError('unparsable', 'bad_period', 'The period ends before it begins.');
    const [total] = await this.usage.sums(keyId, since, until, 'all');
    const periods = await this.usage.sums(keyId, since, until, per);
    const routes = await this.usage.sums(keyId, since, until, 'route');
    return {
      ...{ keyId, from: since.toISOString(), to: until.toISOString(), per, total: figuresOf(total) },
      periods: periods.map((sum) => Object.assign(figuresOf(sum), { at: sum.of })),
      routes: routes.map((sum) => Object.assign(figuresOf(sum), { route: sum.of })),
    };
  }

  /** Throws `key_not_found`. */
  async healthOf(keyId: string): Promise<KeyHealthView> {
    const key = await this.keys.byId(keyId);
    const inputs = await this.inputsOf(key);
    return { keyId, ...healthOf(inputs), inputs };
  }

  rotationCandidates(limit: number, offset: number): Promise<Key[]> {
    return this.keys.rotationCandidates(this.settings.rotateAfterDays, Math.max(...this.settings.noticeDays), limit, offset);
  }

  private async inputsOf(key: Key): Promise<HealthInputs> {
    const now = this.clock.now();
    const days = (since: Date): number => Math.floor(((now.getTime() - since.getTime()) / DAY_MS) * 10) / 10;
    const [total] = await this.usage.sums(key.id, new Date(now.getTime() - DEFAULT_DAYS * DAY_MS), now, 'all');
    return {
      ageDays: days(key.issuedAt ?? key.createdAt),
      daysToExpiry: -days(key.expiresAt),
      idleDays: days(key.lastUsedAt ?? key.createdAt),
      successRate: figuresOf(total).successRate,
      ...(await this.usage.openEvents(key.id)),
      confined: key.addressRanges !== null,
    };
  }
}

function figuresOf(sum: Sum | undefined): KeyUsageFigures {
  if (!sum) return { requests: 0, succeeded: 0, successRate: null, p50Ms: null, p95Ms: null, slowestMs: null };
  const { requests, succeeded, slowestMs, buckets } = sum;
  return {
    ...{ requests, succeeded, successRate: succeeded / requests, slowestMs },
    p50Ms: quantileOf(0.5, buckets, slowestMs),
    p95Ms: quantileOf(0.95, buckets, slowestMs),
  };
}
