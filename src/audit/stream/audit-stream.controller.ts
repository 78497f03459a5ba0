import { Controller, Get, Headers, Query, Req, Res, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiProduces } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { CredentialChecks } from '../../platform/auth/credential-checks.js';
import { credentialOf } from '../../platform/auth/credentials.js';
import { nothingOf } from '../reports/sealed-stream.js';
import { AuditStreamFilter } from './audit-stream.dto.js';
import { AuditStreams } from './audit-streams.js';

const TYPE = 'text/event-stream; charset=utf-8';

@Controller('audit/stream')
export class AuditStreamController {
  constructor(
    private readonly streams: AuditStreams,
    private readonly checks: CredentialChecks,
  ) {}

  /**
   * The trail as it is filed, as server-sent events. `Last-Event-ID` resumes after that event. Without `Accept: text/event-stream` what there
   * is, and the end. Listening is an event too.
   */
  @Get()
  @ApiProduces('text/event-stream')
  @ApiOkResponse({ schema: { type: 'string' } })
  @Requires('audit:read')
  async follow(
    @Query() filter: AuditStreamFilter,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Headers('accept') accept: string | undefined,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    if (request.method === 'HEAD') return nothingOf(TYPE);
    const once = accept?.includes('text/event-stream') !== true;
    const stream = await this.streams.follow({ filter, lastEventId, once, isWelcome: () => this.isWelcome(request) });
    // Some proxies would collect what is meant to be seen at once.
    void reply.header('x-accel-buffering', 'no');
    return new StreamableFile(stream, { type: TYPE });
  }

  /** Whether the credential is still good and still gives the right. */
  private async isWelcome(request: FastifyRequest): Promise<boolean> {
    const credential = credentialOf(request);
    const principal = credential && (await this.checks.principalOf(credential, request));
    return principal?.permissions.has('audit:read') === true;
  }
}
