import { Controller, Get, Query } from '@nestjs/common';
import { Requires } from '../../platform/auth/access.js';
import { AuditEventPage } from '../log/audit-event.dto.js';
import { FailuresView, HighSeverityFilter, StatisticsFilter, StatisticsView, UnusualUsageView, UsageFilter } from './statistics.dto.js';
import { StatisticsService } from './statistics.service.js';

@Controller('audit')
export class StatisticsController {
  constructor(private readonly statistics: StatisticsService) {}

  /** How many events there were, by what they have in common. Exact. */
  @Get('stats')
  @Requires('audit:read')
  async counts(@Query() filter: StatisticsFilter): Promise<StatisticsView> {
    return this.statistics.counts(filter);
  }

  /** What was high or critical in the last 24 hours, newest first. */
  @Get('monitoring/high-severity')
  @Requires('audit:read')
  async highSeverity(@Query() filter: HighSeverityFilter): Promise<AuditEventPage> {
    return AuditEventPage.of(await this.statistics.highSeverity(filter));
  }

  /** What failed or was denied in the last seven days, by who and what. */
  @Get('monitoring/failures')
  @Requires('audit:read')
  async failures(): Promise<FailuresView> {
    return this.statistics.failures();
  }

  /** Who does more today, or this hour, than three standard deviations above their mean of 28 days. */
  @Get('monitoring/unusual-usage')
  @Requires('audit:read')
  async unusualUsage(@Query() filter: UsageFilter): Promise<UnusualUsageView> {
    return this.statistics.unusualUsage(filter);
  }
}
