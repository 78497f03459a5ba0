import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { AuditTrail } from '../trail/audit-trail.js';

/** What was asked of the trail, as it is kept in it. */
export interface Asked {
  /** Which question it was; absent for the plain search. */
  question?: string;
  filters: Record<string, unknown>;
  firstPage?: boolean;
}

/** Whoever reads what others did is in the trail afterwards: the event is committed before the answer is given. */
@Injectable()
export class AuditReading {
  constructor(
    private readonly work: UnitOfWork,
    private readonly trail: AuditTrail,
  ) {}

  /** Answers, and records who asked for what and how much was shown. */
  async answer<T>(asked: Asked, ask: () => Promise<T>, countOf: (answer: T) => number): Promise<T> {
    return this.work.run(async () => {
      const answer = await ask();
      await this.record({ ...asked, count: countOf(answer) });
      return answer;
    });
  }

  /** For answers that are streamed: that one begins, before its first byte is sent. Returns the id that its end names as `attempt`. */
  async begin(action: 'audit.report_started' | 'audit.stream_started', detail: Asked): Promise<string> {
    return this.trail.attempt({ action, category: 'access', resource: { type: 'audit_log', id: 'audit_log' }, detail: { ...detail } });
  }

  /** For answers that are streamed: once they are complete, before their end is sent. */
  async recordAlone(detail: Asked & Record<string, unknown>, outcome: 'success' | 'failure' = 'success'): Promise<void> {
    await this.work.run(() => this.record(detail, outcome));
  }

  private record(detail: Asked & Record<string, unknown>, outcome: 'success' | 'failure' = 'success'): Promise<void> {
    return this.trail.record({
      action: 'audit.read',
      category: 'access',
      outcome,
      resource: { type: 'audit_log', id: 'audit_log' },
      detail,
    });
  }
}

/** A filter as the trail keeps it: what was asked for, without the page. */
export function askedBy(filter: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(filter).filter(([name, value]) => !['limit', 'after', 'order'].includes(name) && value !== undefined),
  );
}
