import { type ExecutionContext } from '@nestjs/common';
import { type Principal } from '../context/request-context.js';

/** Asked by the guard whether a call may be served at all, whatever its caller's rights. */
export abstract class Admission {
  /** Once the caller is known; undefined for a public route. Throws `rate_limited`, at once or later. */
  abstract admit(call: ExecutionContext, principal: Principal | undefined): Promise<unknown> | undefined;

  /** For a call without credentials to what needs some, or with credentials that are refused. Throws `rate_limited`. */
  abstract admitStranger(call: ExecutionContext, refused: boolean): Promise<unknown> | undefined;
}
