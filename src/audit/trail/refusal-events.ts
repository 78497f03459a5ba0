import { Injectable } from '@nestjs/common';
import { type AppError } from '../../kernel/app-error.js';
import { currentContext } from '../../platform/context/request-context.js';
import { Refusals } from '../../platform/http/refusals.js';
import { AuditTrail } from './audit-trail.js';

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Denials, and changes that failed, leave an event although they were rolled back. Malformed requests do not: they never were an attempt
 * at anything. Nor do anonymous ones: anyone could fill the trail with them.
 */
@Injectable()
export class RefusalEvents extends Refusals {
  constructor(private readonly trail: AuditTrail) {
    super();
  }

  async refused(error: AppError | undefined): Promise<void> {
    const context = currentContext();
    // The trail is in the database too: asking for it once more would only double the wait for an answer.
    if (!context?.principal || error?.code === 'database_unavailable') return;
    const denied = error?.kind === 'forbidden';
    const changing = !READS.has(context.method ?? 'GET');
    const failed = changing && (error === undefined || ['conflict', 'precondition_failed', 'locked', 'unavailable'].includes(error.kind));
    if (!denied && !failed) return;
    await this.trail.recordAlone({
      action: denied ? 'request.denied' : 'request.failed',
      category: 'access',
      outcome: denied ? 'denied' : 'failure',
      severity: denied ? 'medium' : error === undefined ? 'high' : 'low',
      resource: { type: 'route', id: `${context.method ?? ''} ${context.route ?? ''}` },
      detail: { code: error?.code ?? 'internal_error', ...(error ? { reason: error.message } : {}) },
    });
  }
}
