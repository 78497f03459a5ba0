import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { AppConfig } from '../../config/app-config.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Log } from '../../platform/logging/log.js';
import { defineSetting } from '../../platform/settings/setting.js';
import { Settings } from '../../platform/settings/settings.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { Anchoring } from './anchoring.js';
import { AnchoringRepository } from './anchoring.repository.js';
import { SEALER } from './sealer-actor.js';

const anchorLagSeconds = defineSetting({
  key: 'audit.anchorLagSeconds',
  type: 'integer',
  default: 300,
  min: 1,
  max: 86_400,
  unit: 'seconds',
  text: 'How long a signed checkpoint may wait for an anchor before the trail says so.',
});

const EVERY_MS = 15_000;

/** Says in the trail that an anchor does not get what is signed: once an outage, whatever the number of instances. */
@Injectable()
export class AnchorWatch implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> = Promise.resolve();
  private late: readonly string[] = [];

  constructor(
    private readonly config: AppConfig,
    private readonly anchoring: Anchoring,
    private readonly stored: AnchoringRepository,
    private readonly work: UnitOfWork,
    private readonly trail: AuditTrail,
    private readonly settings: Settings,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.config.jobs) return;
    this.timer = setInterval(() => {
      this.looking = this.looking
        .then(() => this.look())
        .catch((error: unknown) => {
          this.log.warn('the lag of the anchors could not be looked at', { error });
        });
    }, EVERY_MS);
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
  }

  /** Whoever is late twice in a row is: a program that has just started publishes what waited at once. */
  async look(): Promise<void> {
    const limit = this.settings.get(anchorLagSeconds);
    const before = this.late;
    const late: string[] = [];
    for (const anchor of this.anchoring.names) {
      const lag = await this.stored.lagSeconds(anchor);
      if (lag > limit) late.push(anchor);
      else await this.stored.outageOver(anchor);
      if (lag > limit && before.includes(anchor)) await this.tell(anchor, lag, limit);
    }
    this.late = late;
  }

  private async tell(anchor: string, lag: number, limit: number): Promise<void> {
    await this.work.run(async () => {
      if (!(await this.stored.outageBegan(anchor))) return;
      await this.trail.record({
        action: 'audit.anchor_lagged',
        category: 'meta',
        severity: 'high',
        outcome: 'failure',
        actor: SEALER,
        resource: { type: 'audit_anchor', id: anchor },
        detail: { lagSeconds: Math.round(lag), limitSeconds: limit },
      });
    });
  }
}
