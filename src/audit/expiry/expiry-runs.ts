import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Expiries, type Expirable, type Expiry } from '../../platform/retention/expiries.js';
import { Log } from '../../platform/logging/log.js';
import { Settings } from '../../platform/settings/settings.js';
import { AuditTrail } from '../trail/audit-trail.js';

/** What would go, by what. */
export interface DueExpiry extends Expirable {
  name: string;
  text: string;
  /** The key of the setting. */
  setting: string;
  days: number;
  before: Date;
}

/** How many rows went, by name; and which could not be done. */
interface Expired {
  counts: Record<string, number>;
  failed: string[];
}

const DAY_MS = 86_400_000;
/** A transaction short enough to be in nobody's way. */
const BATCH = 1000;

/** Lets go of what is past its days, past the trail itself. */
@Injectable()
export class ExpiryRuns {
  constructor(
    private readonly expiries: Expiries,
    private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly audit: AuditTrail,
    private readonly log: Log,
  ) {}

  /** What a run would do now; changes nothing. */
  async due(): Promise<DueExpiry[]> {
    const found: DueExpiry[] = [];
    for (const expiry of this.expiries.all) {
      const { name, text, days } = expiry;
      const before = this.cutOff(expiry);
      found.push({ name, text, setting: days.key, days: this.settings.get(days), before, ...(await expiry.count(before)) });
    }
    return found;
  }

  /**
   * Removes what is due, in batches, and leaves one event under `id`. What fails keeps none of the others from going; it is named in the
   * event, and thrown at the end. A second run finds nothing to do.
   */
  async run(id: string, signal?: AbortSignal): Promise<Record<string, number>> {
    const { counts, failed } = await this.expireAll(signal);
    await this.audit.recordAlone({
      action: 'retention.expired',
      category: 'governance',
      severity: failed.length > 0 ? 'high' : 'info',
      outcome: failed.length > 0 ? 'failure' : 'success',
      resource: { type: 'job', id, name: 'retention.expire' },
      detail: { counts, failed },
    });
    if (failed.length > 0) throw new Error(`These could not expire: ${failed.join(', ')}`);
    return counts;
  }

  private async expireAll(signal: AbortSignal | undefined): Promise<Expired> {
    const expired: Expired = { counts: {}, failed: [] };
    for (const expiry of this.expiries.all) {
      if (signal?.aborted) break;
      let gone = 0;
      try {
        const before = this.cutOff(expiry);
        for (let batch = BATCH; batch === BATCH && !signal?.aborted; gone += batch) batch = await expiry.expire(before, BATCH);
      } catch (error) {
        this.log.error('could not expire', { name: expiry.name, error });
        expired.failed.push(expiry.name);
      }
      expired.counts[expiry.name] = gone;
    }
    return expired;
  }

  private cutOff({ days }: Expiry): Date {
    return new Date(this.clock.now().getTime() - this.settings.get(days) * DAY_MS);
  }
}
