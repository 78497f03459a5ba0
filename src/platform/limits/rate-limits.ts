import { type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { type FastifyReply } from 'fastify';
import { Admission } from '../auth/admission.js';
import { currentContext, type Principal } from '../context/request-context.js';
import { Settings } from '../settings/settings.js';
import { type Budget, HOUR, MINUTE, quotas } from './budgets.js';
import { clientOf } from './client-of.js';
import { judge } from './judge.js';
import { LIMIT, type LimitPlan, UNLIMITED } from './limit.js';
import { MemoryCounters } from './memory-counters.js';
import { SharedCounters } from './shared-counters.js';

const ORDINARY: LimitPlan = {};

/**
 * So many calls a minute, by class of caller, and with a public key an hour: a fixed window from the caller's first call on. Counted in Redis when
 * there is one, so that instances share the count; otherwise, and while it is away, in memory. Says in every answer how much is left (the
 * RateLimit fields of draft-ietf-httpapi-ratelimit-headers).
 */
@Injectable()
export class RateLimits extends Admission {
  private readonly minutes = new MemoryCounters(MINUTE * 1000);
  private readonly hours = new MemoryCounters(HOUR * 1000);
  private readonly plans = new Map<unknown, LimitPlan | 'unlimited'>();

  constructor(
    private readonly settings: Settings,
    private readonly shared: SharedCounters,
    private readonly reflector: Reflector,
  ) {
    super();
  }

  admit(call: ExecutionContext, principal: Principal | undefined): Promise<unknown> | undefined {
    const plan = this.planOf(call);
    if (plan === 'unlimited') return undefined;
    const own = principal ? (principal.limitClass ?? 'user') : 'anonymous';
    const budget = plan.budget ?? own;
    const byCaller = plan.budget === undefined || plan.budget === 'search';
    const subject = principal && byCaller ? principal.id : clientOf(currentContext()?.clientAddress);
    const quota = this.settings.get(quotas[budget].calls);
    // A search is never cheaper to have than the rest of what a caller may do.
    const most = budget === 'search' ? Math.min(quota, this.settings.get(quotas[own].calls)) : quota;
    const reply = replyOf(call);
    const left = this.count(reply, budget, subject, plan.cost ?? 1, most);
    if (own !== 'public_key') return pending(left);
    // After the minute: a call that it refuses costs nothing of the hour.
    const hour = (leftOfMinute: number): number | Promise<number> =>
      this.count(reply, 'public_key_hour', subject, plan.cost ?? 1, this.settings.get(quotas.public_key_hour.calls), leftOfMinute);
    return typeof left === 'number' ? pending(hour(left)) : left.then(hour);
  }

  admitStranger(call: ExecutionContext, refused: boolean): Promise<unknown> | undefined {
    const subject = clientOf(currentContext()?.clientAddress);
    const budget = refused ? 'refused' : 'anonymous';
    return pending(this.count(replyOf(call), budget, subject, 1, this.settings.get(quotas[budget].calls)));
  }

  /** What is left. No promise where there is nobody to wait for: this is on the path of every request. */
  private count(
    reply: FastifyReply,
    budget: Budget,
    subject: string,
    cost: number,
    quota: number,
    told = Infinity,
  ): number | Promise<number> {
    const key = `${budget}:${subject}`;
    // However small the quota, one call of whatever cost fits.
    const points = Math.min(cost, quota);
    const { seconds } = quotas[budget];
    const memory = seconds === HOUR ? this.hours : this.minutes;
    const later = this.shared.take(key, points, seconds);
    if (!later) return judge(reply, budget, quota, memory.take(key, points, performance.now()), told);
    return later.then((count) => judge(reply, budget, quota, count ?? memory.take(key, points, performance.now()), told));
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

function replyOf(call: ExecutionContext): FastifyReply {
  return call.switchToHttp().getResponse<FastifyReply>();
}

function pending(left: number | Promise<number>): Promise<number> | undefined {
  return typeof left === 'number' ? undefined : left;
}
