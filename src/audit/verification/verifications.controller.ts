import { Body, Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { RequestVerification, VerificationFilter, VerificationPage, VerificationView } from './verifications.dto.js';
import { VerificationsService } from './verifications.service.js';

@Controller('audit/verifications')
export class VerificationsController {
  constructor(private readonly verifications: VerificationsService) {}

  /** Verify the log. A small one is verified at once; for a large one, ask again for the result. */
  @Post()
  @Requires('audit:read')
  async request(
    @Body() { class: log, from, to }: RequestVerification,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VerificationView> {
    const verification = await this.verifications.request({ log, from: from?.toISOString(), to: to?.toISOString() });
    void reply.header('location', `/api/v1/audit/verifications/${verification.id}`);
    return VerificationView.of(verification);
  }

  /** Verifications, newest first. */
  @Get()
  @Requires('audit:read')
  async list(@Query() { after, limit }: VerificationFilter): Promise<VerificationPage> {
    const { items, next } = await this.verifications.list(after, limit);
    return { items: items.map((verification) => VerificationView.of(verification)), next };
  }

  /** One verification. */
  @Get(':id')
  @Requires('audit:read')
  async get(@Param('id', UuidPipe) id: string): Promise<VerificationView> {
    return VerificationView.of(await this.verifications.get(id));
  }
}
