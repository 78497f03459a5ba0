import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Log } from '../../platform/logging/log.js';
import { Settings } from '../../platform/settings/settings.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { clockStepSeconds } from './read-policies.js';

const EVERY_MS = 1000;

/** Tells when this machine's clock stepped: the times of events before and after it are not on one line. */
@Injectable()
export class ClockWatch implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> = Promise.resolve();
  private offset = 0;

  constructor(
    private readonly clock: Clock,
    private readonly trail: AuditTrail,
    private readonly settings: Settings,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.offset = this.clock.now().getTime() - performance.now();
    this.timer = setInterval(() => {
      this.looking = this.looking.then(() => this.look());
    }, EVERY_MS);
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
  }

  /** What drifts less than a step between two looks is no step, however long it drifts. */
  private async look(): Promise<void> {
    const now = this.clock.now();
    const offset = now.getTime() - performance.now();
    const stepped = offset - this.offset;
    if (Math.abs(stepped) <= this.settings.get(clockStepSeconds) * 1000) {
      this.offset = offset;
      return;
    }
    try {
      await this.trail.recordAlone({
        action: 'audit.clock_stepped',
        category: 'meta',
        severity: 'medium',
        actor: { kind: 'system', id: 'system', name: 'system' },
        resource: { type: 'audit_log', id: 'audit_log' },
        detail: { writer: this.trail.writer, from: new Date(now.getTime() - stepped), to: now, milliseconds: Math.round(stepped) },
      });
      this.offset = offset;
    } catch (error) {
      // Said at the next look, as soon as the trail can be written.
      this.log.warn('a step of the clock could not be recorded', { error });
    }
  }
}
