import { Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { Requires } from '../auth/access.js';
import { UuidPipe } from '../http/uuid.pipe.js';
import { JobConsole } from './job-console.js';
import { JobFilter, JobPage, JobView } from './job.dto.js';

@Controller('jobs')
export class JobsController {
  constructor(private readonly jobs: JobConsole) {}

  /** Background jobs, newest first. Done ones are forgotten after a week. */
  @Get()
  @Requires('job:read')
  async list(@Query() filter: JobFilter): Promise<JobPage> {
    const { items, next } = await this.jobs.list(filter);
    return { items: items.map((job) => JobView.of(job)), next };
  }

  /** Let a dead job start over. */
  @Post(':id/retry')
  @HttpCode(200)
  @Requires('job:write')
  async retry(@Param('id', UuidPipe) id: string): Promise<JobView> {
    return JobView.of(await this.jobs.retry(id));
  }
}
