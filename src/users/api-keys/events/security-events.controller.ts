import { Body, Controller, Get, Headers, Param, Patch, Query, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { Requires } from '../../../platform/auth/access.js';
import { etagOf, expectedVersion } from '../../../platform/http/etag.js';
import { UuidPipe } from '../../../platform/http/uuid.pipe.js';
import { PatchSecurityEvent, SecurityEventFilter, SecurityEventPage, SecurityEventView } from './security-event.dto.js';
import { type SecurityEvent, SecurityEvents } from './security-events.js';

@Controller('security-events')
export class SecurityEventsController {
  constructor(private readonly events: SecurityEvents) {}

  /** What was odd about keys, newest first. */
  @Get()
  @Requires('security-event:read')
  async list(@Query() filter: SecurityEventFilter): Promise<SecurityEventPage> {
    const { items, next } = await this.events.list(filter);
    return { items: items.map(viewOf), next };
  }

  @Get(':id')
  @Requires('security-event:read')
  async get(@Param('id', UuidPipe) id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<SecurityEventView> {
    return view(await this.events.get(id), reply);
  }

  /** Acknowledge it, then resolve it; note what you found. */
  @Patch(':id')
  @Requires('security-event:write')
  async patch(
    @Param('id', UuidPipe) id: string,
    @Body() body: PatchSecurityEvent,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SecurityEventView> {
    return view(await this.events.patch(id, body, expectedVersion(ifMatch)), reply);
  }
}

function view(event: SecurityEvent, reply: FastifyReply): SecurityEventView {
  void reply.header('etag', etagOf(event.version));
  return viewOf(event);
}

function viewOf(event: SecurityEvent): SecurityEventView {
  return {
    ...event,
    windowStart: event.windowStart.toISOString(),
    raisedAt: event.raisedAt.toISOString(),
    acknowledgedAt: event.acknowledgedAt?.toISOString() ?? null,
    resolvedAt: event.resolvedAt?.toISOString() ?? null,
  };
}
