import { type FastifyReply } from 'fastify';
import { AppError } from '../../kernel/app-error.js';
import { type Budget, HOUR, quotas } from './budgets.js';
import { type Count } from './memory-counters.js';

/** Says in the answer what is left, and returns it. Throws `rate_limited` when it was too much. */
export function judge(reply: FastifyReply, budget: Budget, quota: number, count: Count, told = Infinity): number {
  const left = tell(reply, budget, quota, count, told);
  if (count.consumed > quota) throw excess(budget, quota, count);
  return left;
}

/** Not when less was left of another budget that was `told` already: the tighter one counts for its reader. */
export function tell(reply: FastifyReply, budget: Budget, quota: number, count: Count, told = Infinity): number {
  const left = Math.max(0, quota - count.consumed);
  if (left <= told) {
    void reply.header('ratelimit-policy', `"${budget}";q=${quota};w=${quotas[budget].seconds}`);
    void reply.header('ratelimit', `"${budget}";r=${left};t=${secondsLeft(count)}`);
  }
  return left;
}

export function excess(budget: Budget, quota: number, count: Count): AppError {
  const window = quotas[budget].seconds === HOUR ? 'an hour' : 'a minute';
  const seconds = secondsLeft(count);
  return new AppError(
    'too_many',
    'rate_limited',
    `More than ${quota} requests ${window} are not served; try again in ${seconds} seconds.`,
    {
      retryAfterSeconds: seconds,
    },
  );
}

function secondsLeft({ msLeft }: Count): number {
  return Math.max(1, Math.ceil(msLeft / 1000));
}
