import { Controller, Get, Res } from '@nestjs/common';
import { ApiServiceUnavailableResponse } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { Public } from '../auth/access.js';
import { Unlimited } from '../limits/limit.js';
import { HealthView, LiveView, VersionView } from './health.dto.js';
import { HealthService } from './health.service.js';

@Unlimited('a probe that is refused takes an instance out of service')
@Controller('health')
export class HealthController {
  constructor(private readonly health: HealthService) {}

  /** The process runs: anything else would have it restarted for a database's fault. */
  @Get('live')
  @Public('liveness probe of the orchestrator')
  live(): LiveView {
    return { status: 'live' };
  }

  /** The process can serve: the database answers and has every migration. */
  @Get('ready')
  @Public('readiness probe of the load balancer')
  @ApiServiceUnavailableResponse({ type: HealthView })
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthView> {
    return answer(await this.health.readiness(), reply);
  }

  /** The process has been ready once. */
  @Get('startup')
  @Public('startup probe of the orchestrator')
  @ApiServiceUnavailableResponse({ type: HealthView })
  async startup(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthView> {
    return answer(await this.health.startup(), reply);
  }

  /** What runs here. */
  @Get('version')
  @Public('what to name in a report, before there is an account')
  version(): VersionView {
    return this.health.version();
  }
}

function answer(view: HealthView, reply: FastifyReply): HealthView {
  void reply.code(view.status === 'ready' ? 200 : 503).header('cache-control', 'no-store');
  return view;
}
