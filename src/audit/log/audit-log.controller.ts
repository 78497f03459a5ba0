import { Controller, Get, Param, Query } from '@nestjs/common';
import { Requires } from '../../platform/auth/access.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { AuditEventPage, AuditEventView } from './audit-event.dto.js';
import { EventQuery, OwnAuditFilter, SearchFilter, TimelineFilter } from './audit-filter.dto.js';
import { AuditLogService } from './audit-log.service.js';

@Controller()
export class AuditLogController {
  constructor(private readonly log: AuditLogService) {}

  /** What happened, newest first. Reading it is an event too. */
  @Get('audit/events')
  @Requires('audit:read')
  async list(@Query() filter: SearchFilter): Promise<AuditEventPage> {
    return AuditEventPage.of(await this.log.list(filter));
  }

  /** One event, also of a month that was read back; with `archived` of any. */
  @Get('audit/events/:id')
  @Requires('audit:read')
  async get(@Param('id', UuidPipe) id: string, @Query() { archived }: EventQuery): Promise<AuditEventView> {
    return AuditEventView.of(await this.log.get(id, archived === true));
  }

  /** Everything that happened to one thing, with its changes. Asking is an event too. */
  @Get('audit/timeline')
  @Requires('audit:read')
  async timeline(@Query() filter: TimelineFilter): Promise<AuditEventPage> {
    return AuditEventPage.of(await this.log.timeline(filter));
  }

  /** What you did, newest first. */
  @Get('me/audit-events')
  @Requires('audit:read-own')
  async own(@Query() filter: OwnAuditFilter): Promise<AuditEventPage> {
    return AuditEventPage.of(await this.log.listOwn(filter));
  }
}
