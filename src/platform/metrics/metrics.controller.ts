import { Controller, Get, Res } from '@nestjs/common';
import { ApiProduces } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { Requires } from '../auth/access.js';
import { Unlimited } from '../limits/limit.js';
import { Metrics } from './metrics.js';

@Unlimited('a scraper calls at an interval of its own, and figures are wanted most when there is much to count')
@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  /** Figures of this process for Prometheus. */
  @Get()
  @Requires('metrics:read')
  @ApiProduces('text/plain')
  async read(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    void reply.type(this.metrics.contentType);
    return this.metrics.text();
  }
}
