import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { type Principal } from '../context/request-context.js';
import { Log } from '../logging/log.js';
import { Metrics } from './metrics.js';

const NO_ROUTE = '(none)';

/** One figure and one log line for each answer. Never the URL, the query or a header: they may hold secrets. */
@Injectable()
export class RequestObserver implements OnModuleInit {
  constructor(
    private readonly host: HttpAdapterHost,
    private readonly metrics: Metrics,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.host.httpAdapter.getInstance<FastifyInstance>().addHook('onResponse', (request, reply, done) => {
      this.observe(request, reply);
      done();
    });
  }

  private observe(request: FastifyRequest & { user?: Principal }, reply: FastifyReply): void {
    const route = request.routeOptions.url ?? NO_ROUTE;
    const { statusCode: status, elapsedTime: ms } = reply;
    this.metrics.requestServed(request.method, route, status, ms / 1000);
    // Probes come every few seconds and say nothing while they succeed.
    const level = route.startsWith('/health/') && status < 400 ? 'debug' : 'info';
    this.log[level]('request', {
      requestId: request.id,
      method: request.method,
      route,
      status,
      ms: Math.round(ms * 10) / 10,
      principal: request.user?.id,
    });
  }
}
