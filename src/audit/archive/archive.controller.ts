import { Body, Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { RequiresRecentProof } from '../../platform/auth/recent-proof.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { ArchivePlanView, ArchiveRunFilter, ArchiveRunPage, ArchiveRunView, RequestArchiveRun } from './archive.dto.js';
import { ArchiveRuns } from './archive-runs.service.js';

@Controller('audit/archive')
export class ArchiveController {
  constructor(private readonly runs: ArchiveRuns) {}

  /** What would be archived, dropped and removed now, month by month. Nothing is done. */
  @Get('plan')
  @Requires('audit:read')
  async plan(): Promise<ArchivePlanView> {
    return this.runs.plan();
  }

  /** Do what a plan says, unless something else would be done by now. Ask again for the result. */
  @Post('runs')
  @Requires('audit:archive')
  @RequiresRecentProof()
  async request(@Body() { planHash }: RequestArchiveRun, @Res({ passthrough: true }) reply: FastifyReply): Promise<ArchiveRunView> {
    const run = await this.runs.request(planHash);
    void reply.header('location', `/api/v1/audit/archive/runs/${run.id}`);
    return ArchiveRunView.of(run);
  }

  /** Runs, newest first: what each did, and how large logs and archives were after it. */
  @Get('runs')
  @Requires('audit:read')
  async list(@Query() { after, limit }: ArchiveRunFilter): Promise<ArchiveRunPage> {
    const { items, next } = await this.runs.list(after, limit);
    return { items: items.map((run) => ArchiveRunView.of(run)), next };
  }

  /** One run. */
  @Get('runs/:id')
  @Requires('audit:read')
  async get(@Param('id', UuidPipe) id: string): Promise<ArchiveRunView> {
    return ArchiveRunView.of(await this.runs.get(id));
  }
}
