import { Injectable } from '@nestjs/common';
import { type FastifyInstance, type FastifyReply } from 'fastify';
import { type AppError } from '../../kernel/app-error.js';
import { currentContext } from '../context/request-context.js';
import { sendProblem } from '../http/problem.js';
import { Settings } from '../settings/settings.js';
import { MINUTE, quotas } from './budgets.js';
import { clientOf } from './client-of.js';
import { excess, tell } from './judge.js';
import { MemoryCounters } from './memory-counters.js';

/** Probes and figures: they are wanted most during a flood. */
const FREE = /^\/(health\/|metrics$)/;

/**
 * The guard counts what reaches it. This counts everything, also what is refused before: unknown routes, bodies that cannot be read, two
 * credentials, pages of other sites. In the memory of this process alone, since no request may wait for it.
 */
@Injectable()
export class AddressLimit {
  private readonly counters = new MemoryCounters(MINUTE * 1000);

  constructor(private readonly settings: Settings) {}

  /** Has to come before every other hook that may answer. */
  watch(server: FastifyInstance): void {
    server.addHook('onRequest', (request, reply, done) => {
      const refusal = this.refusal(reply);
      // Answered from here: not every route has the program's error handler, that of preflights has not.
      if (refusal) sendProblem(reply, refusal, request.id);
      else done();
    });
  }

  private refusal(reply: FastifyReply): AppError | undefined {
    const { route = '', clientAddress, startedAt = performance.now() } = currentContext() ?? {};
    if (FREE.test(route)) return undefined;
    const quota = this.settings.get(quotas.address.calls);
    const count = this.counters.take(clientOf(clientAddress), 1, startedAt);
    if (count.consumed <= quota) return undefined;
    tell(reply, 'address', quota, count);
    return excess('address', quota, count);
  }
}
