import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Metrics } from '../../platform/metrics/metrics.js';
import { AuditLogRepository } from './audit-log.repository.js';

/** The figure to raise an alarm on: events wait while any transaction that writes is left open on the whole database server. */
@Injectable()
export class InboxGauge implements OnModuleInit {
  constructor(
    private readonly metrics: Metrics,
    private readonly events: AuditLogRepository,
  ) {}

  onModuleInit(): void {
    this.metrics.gauge('audit_inbox_oldest_seconds', 'How long the oldest audit event has waited to be filed.', [], async () => [
      { labels: {}, value: await this.events.oldestUnfiledSeconds() },
    ]);
  }
}
