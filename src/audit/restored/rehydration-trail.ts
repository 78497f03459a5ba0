import { Injectable } from '@nestjs/common';
import { type Month } from '../archive/archive.repository.js';
import { byArchiver } from '../archive/archiver-actor.js';
import { AuditTrail } from '../trail/audit-trail.js';

interface Said {
  action: string;
  detail: object;
  outcome?: 'success' | 'failure';
}

/** What the trail says of months that come back and go again. */
@Injectable()
export class RehydrationTrail {
  constructor(private readonly trail: AuditTrail) {}

  /** Part of the open unit of work. */
  async say({ log, period, root }: Month, { action, detail, outcome = 'success' }: Said): Promise<void> {
    await this.trail.record({
      action,
      category: 'meta',
      severity: outcome === 'success' ? 'info' : 'high',
      outcome,
      ...byArchiver(),
      resource: { type: 'audit_period', id: `${log}/${period}` },
      detail: { root: root.toString('base64'), ...detail },
    });
  }
}
