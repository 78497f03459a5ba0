import { type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import { AppError } from '../../kernel/app-error.js';
import { currentContext, type Principal } from '../context/request-context.js';
import { ACCESS, type Access } from './access.js';

/** Global and first: who are you (the strategy the users module registers), then may you. Denies what is not declared. */
@Injectable()
export class AccessGuard extends AuthGuard('jwt') {
  constructor(private readonly reflector: Reflector) {
    super();
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const access = this.reflector.get<Access | undefined>(ACCESS, context.getHandler());
    if (access?.kind === 'public') return true;
    await super.canActivate(context);
    const { user } = context.switchToHttp().getRequest<{ user: Principal }>();
    const request = currentContext();
    if (request) request.principal = user;
    if (!access) throw new AppError('forbidden', 'forbidden', 'You may not do this.');
    if (!user.permissions.has(access.permission)) throw denied(user, access.permission);
    return true;
  }

  /** Whatever is wrong with a token, the answer is the same. */
  override handleRequest<T>(error: unknown, user: T | false | undefined): T {
    if (error instanceof Error) throw error;
    if (!user) throw new AppError('unauthenticated', 'unauthenticated', 'Sign in, and send the access token as a bearer token.');
    return user;
  }
}

function denied(user: Principal, permission: string): AppError {
  if (user.mustChangePassword === true)
    return new AppError('forbidden', 'password_change_required', 'Change your password first: POST /api/v1/me/password.');
  return new AppError('forbidden', 'forbidden', `You may not do this: it needs ${permission}.`, { meta: { permission } });
}
