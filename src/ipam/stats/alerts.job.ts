import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { JobHandlers } from '../../platform/jobs/job-handlers.js';

interface NewAlert {
  poolId: string;
  network: string;
  threshold: number;
  utilization: string;
}

/** The database raises an alert when a pool's use crosses a threshold, and sends this job with it: each is announced in the trail once. */
@Injectable()
export class AlertsJob implements OnModuleInit {
  constructor(
    private readonly work: UnitOfWork,
    private readonly audit: AuditTrail,
    private readonly handlers: JobHandlers,
  ) {}

  onModuleInit(): void {
    this.handlers.register('ipam.announce-alerts', () => this.announce());
  }

  private async announce(): Promise<void> {
    const alerts = await this.work.query<NewAlert>(
      `UPDATE pool_alerts a SET announced_at = now() FROM pools p
        WHERE p.id = a.pool_id AND a.id IN (SELECT id FROM pool_alerts WHERE announced_at IS NULL FOR UPDATE SKIP LOCKED)
       RETURNING a.pool_id AS "poolId", p.network, a.threshold, a.utilization`,
    );
    // A jump over both thresholds is told in the order in which they were passed.
    for (const { poolId, network, threshold, utilization } of alerts.sort((a, b) => a.threshold - b.threshold))
      await this.audit.record({
        action: 'pool.threshold_reached',
        category: 'ipam',
        severity: threshold === 95 ? 'high' : 'medium',
        resource: { type: 'pool', id: poolId, name: network },
        detail: { threshold, utilization },
      });
  }
}
