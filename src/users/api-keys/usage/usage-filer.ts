import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Clock } from '../../../kernel/clock.js';
import { UnitOfWork } from '../../../platform/database/unit-of-work.js';
import { type Alarm, type Baseline, isSpike, isVolume } from '../events/alarm-rules.js';
import { KeyAlarms } from '../events/key-alarms.js';
import { KeySettings } from '../key-settings.js';
import { type Denial, type Sightings, type Use } from './sightings.js';
import { UsageRepository } from './usage.repository.js';

const TEN_MINUTES_MS = 600_000;

/** Writes down what was counted, and notices what is odd about it. */
@Injectable()
export class UsageFiler {
  private readonly baselines = new LRUCache<string, Baseline>({ max: 10_000 });
  private junk = { window: 0, n: 0 };

  constructor(
    private readonly work: UnitOfWork,
    private readonly usage: UsageRepository,
    private readonly alarms: KeyAlarms,
    private readonly settings: KeySettings,
    private readonly clock: Clock,
  ) {}

  /** The figures in one transaction; then the events, each in its own: one that fails takes no figure along. */
  async file({ uses, denials, junk }: Sightings): Promise<void> {
    const noticed = await this.work.run(async () => [...(await this.fileUses(uses)), ...(await this.fileDenials(denials))]);
    for (const alarm of [...noticed, ...this.flood(junk)]) await this.alarms.notice(alarm);
  }

  private async fileUses(uses: Use[]): Promise<Alarm[]> {
    if (uses.length === 0) return [];
    const at = this.clock.now();
    const strange = await this.usage.newNetworks(uses);
    await this.usage.add(uses);
    const rested = await this.usage.noteLastUse(uses, this.settings.dormantHours);
    return [
      ...strange.map(({ keyId, prefix }): Alarm => ({ rule: 'new_network', keyId, at, detail: { network: prefix } })),
      ...rested.map(({ keyId, hours }): Alarm => ({ rule: 'dormant_use', keyId, at, detail: { unusedHours: Math.floor(hours) } })),
      ...(await this.busyHours(uses)),
    ];
  }

  private async busyHours(uses: Use[]): Promise<Alarm[]> {
    const found: Alarm[] = [];
    for (const { keyId, hour, n } of await this.usage.hoursOf(uses)) {
      // Nothing below either floor can be odd: most keys are never compared with their past.
      if (n <= Math.min(this.settings.volumePerHour, this.settings.spikeFloor - 1)) continue;
      const baseline = await this.baselineOf(keyId, hour);
      const detail = { uses: n, mean: round(baseline.mean), deviation: round(baseline.deviation), hours: baseline.hours };
      if (isVolume(n, baseline, this.settings)) found.push({ rule: 'volume', keyId, at: hour, detail });
      if (isSpike(n, baseline, this.settings)) found.push({ rule: 'spike', keyId, at: hour, detail });
    }
    return found;
  }

  /** The past of an hour does not change: it is read once. */
  private async baselineOf(keyId: string, hour: Date): Promise<Baseline> {
    const name = `${keyId} ${hour.getTime()}`;
    const known = this.baselines.get(name);
    if (known) return known;
    const baseline = await this.usage.baselineOf(keyId, hour);
    this.baselines.set(name, baseline);
    return baseline;
  }

  private async fileDenials(denials: Denial[]): Promise<Alarm[]> {
    if (denials.length === 0) return [];
    await this.usage.addDenials(denials);
    const bursts = await this.usage.bursts(denials, this.settings.burst);
    const at = this.clock.now();
    return bursts.map(({ keyId, kind, n }) => ({
      rule: kind === 'permission' ? 'permission_burst' : 'failure_burst',
      keyId,
      at,
      detail: { refusals: n },
    }));
  }

  /** Counted here alone and without a row for each: whoever sends junk must not be able to make us keep it. */
  private flood(junk: number): Alarm[] {
    const at = this.clock.now();
    const window = Math.floor(at.getTime() / TEN_MINUTES_MS);
    this.junk = { window, n: junk + (this.junk.window === window ? this.junk.n : 0) };
    return this.junk.n >= this.settings.floodOfJunk
      ? [{ rule: 'checksum_flood', keyId: null, at, detail: { credentials: this.junk.n } }]
      : [];
  }
}

function round(x: number): number {
  return Math.round(x * 100) / 100;
}
