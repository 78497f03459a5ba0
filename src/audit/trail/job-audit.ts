import { Injectable } from '@nestjs/common';
import { type Job } from '../../platform/jobs/job.js';
import { JobEvents } from '../../platform/jobs/job-events.js';
import { AuditTrail } from './audit-trail.js';

/** What the trail keeps of background jobs: those that failed for good, and who let them start over. */
@Injectable()
export class JobAudit extends JobEvents {
  constructor(private readonly trail: AuditTrail) {
    super();
  }

  async died(job: Job): Promise<void> {
    await this.trail.record({
      action: 'job.failed',
      category: 'governance',
      outcome: 'failure',
      severity: 'high',
      resource: { type: 'job', id: job.id, name: job.name },
      detail: { attempts: job.attempts, reason: job.lastError },
    });
  }

  async retried(before: Job, after: Job): Promise<void> {
    await this.trail.record({
      action: 'job.retried',
      category: 'governance',
      resource: { type: 'job', id: after.id, name: after.name },
      before,
      after,
    });
  }
}
