import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { ArchiveSearch } from '../archive/archive-search.js';
import { AuditLogService, type Page } from '../log/audit-log.service.js';
import { askedBy, AuditReading } from '../log/audit-reading.js';
import {
  type FailuresView,
  type HighSeverityFilter,
  type StatisticsFilter,
  type StatisticsView,
  type UnusualUsageView,
  type UsageFilter,
} from './statistics.dto.js';
import { StatisticsRepository } from './statistics.repository.js';

const DAY_MS = 86_400_000;

/** Figures of the trail, and the questions that are asked of it every day. Each is an event too. */
@Injectable()
export class StatisticsService {
  constructor(
    private readonly reading: AuditReading,
    private readonly log: AuditLogService,
    private readonly statistics: StatisticsRepository,
    private readonly archives: ArchiveSearch,
    private readonly clock: Clock,
  ) {}

  async counts(filter: StatisticsFilter): Promise<StatisticsView> {
    const { by, to = this.clock.now(), from = new Date(to.getTime() - 30 * DAY_MS) } = filter;
    const counted = await this.reading.answer(
      { question: 'stats', filters: askedBy(filter) },
      () => this.statistics.counts(by, from, to),
      ({ events }) => events,
    );
    return { from: from.toISOString(), to: to.toISOString(), by, ...counted, archivedMonths: await this.archives.leftOut({ from, to }) };
  }

  /** High and critical events of 24 hours, newest first. */
  highSeverity(filter: HighSeverityFilter): Promise<Page> {
    const from = new Date(this.clock.now().getTime() - DAY_MS);
    return this.log.pageFor('high-severity', filter, { severities: ['high', 'critical'], from });
  }

  async failures(): Promise<FailuresView> {
    const items = await this.reading.answer(
      { question: 'failures', filters: {} },
      () => this.statistics.failures(),
      ({ length }) => length,
    );
    return { items };
  }

  async unusualUsage(filter: UsageFilter): Promise<UnusualUsageView> {
    const items = await this.reading.answer(
      { question: 'unusual-usage', filters: askedBy(filter) },
      () => this.statistics.unusualUsage(filter.per),
      ({ length }) => length,
    );
    return { items };
  }
}
