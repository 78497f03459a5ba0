import { SetMetadata } from '@nestjs/common';

export interface LimitPlan {
  /** Counted apart from the caller’s own budget: `search` by caller, the others by address. */
  budget?: 'search' | 'login' | 'sign_in_step' | 'refresh';
  /** What one call counts; 1 when absent. */
  cost?: number;
}

export const LIMIT = Symbol('limit');
export const UNLIMITED = Symbol('unlimited');

/** The route counts otherwise than once towards its caller’s budget. */
export function Limit(plan: LimitPlan): MethodDecorator {
  return SetMetadata(LIMIT, plan);
}

/** Calls of these routes are not counted; the reason is for the reviewer. Credentials that are refused count nevertheless. */
export function Unlimited(why: string): ClassDecorator {
  return SetMetadata(UNLIMITED, why);
}
