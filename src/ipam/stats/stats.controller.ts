import { Controller, Get, Param, Query } from '@nestjs/common';
import { Requires } from '../../platform/auth/access.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { AlertFilter, AlertPage, PoolAnalytics, Stats, StatsFilter } from './stats.dto.js';
import { StatsService } from './stats.service.js';

@Controller('ipam')
export class StatsController {
  constructor(private readonly stats: StatsService) {}

  /** How many addresses there are, and where they went. */
  @Get('stats')
  @Requires('pool:read')
  overall(@Query() filter: StatsFilter): Promise<Stats> {
    return this.stats.overall(filter.vrfId);
  }

  /** Free space of a pool: its largest blocks, how scattered it is, and how long it will last. */
  @Get('pools/:id/stats')
  @Requires('pool:read')
  analytics(@Param('id', UuidPipe) id: string): Promise<PoolAnalytics> {
    return this.stats.analytics(id);
  }

  /** Pools that reached 80 or 95 percent, newest first. */
  @Get('alerts')
  @Requires('pool:read')
  alerts(@Query() filter: AlertFilter): Promise<AlertPage> {
    return this.stats.alerts(filter);
  }
}
