import { type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { type FastifyReply } from 'fastify';
import { AppError } from '../../kernel/app-error.js';
import { Admission } from '../auth/admission.js';
import { currentContext, type Principal } from '../context/request-context.js';
import { Settings } from '../settings/settings.js';
import { type Budget, quotas, WINDOW_SECONDS } from './budgets.js';
import { clientOf } from './client-of.js';
import { LIMIT, type LimitPlan, UNLIMITED } from './limit.js';
import { type Count, MemoryCounters } from './memory-counters.js';
import { SharedCounters } from './shared-counters.js';

const ORDINARY: LimitPlan = {};

/**
 * So many calls a minute, by class of caller: a fixed window from the caller's first call on. Counted in Redis when there is one, so that
 * instances share the count; otherwise, and while it is away, in memory. Says in every answer how much is left (the RateLimit fields of
 * draft-ietf-httpapi-ratelimit-headers).
 */
@Injectable()
export class RateLimits extends Admission {
  private readonly memory = new MemoryCounters(WINDOW_SECONDS * 1000);
  private readonly plans = new Map<unknown, LimitPlan | 'unlimited'>();

  constructor(
    private readonly settings: Settings,
    private readonly shared: SharedCounters,
    private readonly reflector: Reflector,
  ) {
    super();
  }

  admit(call: ExecutionContext, principal: Principal | undefined): Promise<void> | undefined {
    const plan = this.planOf(call);
    if (plan === 'unlimited') return undefined;
    const own = principal ? (principal.limitClass ?? 'user') : 'anonymous';
    const budget = plan.budget ?? own;
    const subject = principal && budget !== 'login' ? principal.id : clientOf(currentContext()?.clientAddress);
    const quota = this.settings.get(quotas[budget]);
    // A search is never cheaper to have than the rest of what a caller may do.
    const most = budget === 'search' ? Math.min(quota, this.settings.get(quotas[own])) : quota;
    return this.count(call, budget, subject, plan.cost ?? 1, most);
  }

  admitStranger(call: ExecutionContext): Promise<void> | undefined {
    return this.count(call, 'anonymous', clientOf(currentContext()?.clientAddress), 1, this.settings.get(quotas.anonymous));
  }

  /** No promise where there is nobody to wait for: this is on the path of every request. */
  private count(call: ExecutionContext, budget: Budget, subject: string, cost: number, quota: number): Promise<void> | undefined {
    const reply = call.switchToHttp().getResponse<FastifyReply>();
    const key = `${budget}:${subject}`;
    // However small the quota, one call of whatever cost fits.
    const points = Math.min(cost, quota);
    const later = this.shared.take(key, points);
    if (!later) {
      judge(reply, budget, quota, this.memory.take(key, points, performance.now()));
      return undefined;
    }
    return later.then((count) => {
      judge(reply, budget, quota, count ?? this.memory.take(key, points, performance.now()));
    });
  }

  private planOf(call: ExecutionContext): LimitPlan | 'unlimited' {
    const handler = call.getHandler();
    let plan = this.plans.get(handler);
    if (plan === undefined) {
      const free = this.reflector.get<string | undefined>(UNLIMITED, call.getClass()) !== undefined;
      plan = free ? 'unlimited' : (this.reflector.get<LimitPlan | undefined>(LIMIT, handler) ?? ORDINARY);
      this.plans.set(handler, plan);
    }
    return plan;
  }
}

function judge(reply: FastifyReply, budget: Budget, quota: number, { consumed, msLeft }: Count): void {
  const seconds = Math.max(1, Math.ceil(msLeft / 1000));
  void reply.header('ratelimit-policy', `"${budget}";q=${quota};w=${WINDOW_SECONDS}`);
  void reply.header('ratelimit', `"${budget}";r=${Math.max(0, quota - consumed)};t=${seconds}`);
  if (consumed > quota)
    throw new AppError(
      'too_many',
      'rate_limited',
      `More than ${quota} requests a minute are not served; try again in ${seconds} seconds.`,
      {
        retryAfterSeconds: seconds,
      },
    );
}
