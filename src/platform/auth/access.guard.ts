import { type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import { type FastifyRequest } from 'fastify';
import { AppConfig } from '../../config/app-config.js';
import { AppError } from '../../kernel/app-error.js';
import { currentContext, type Principal } from '../context/request-context.js';
import { ACCESS, type Access } from './access.js';
import { CredentialChecks } from './credential-checks.js';
import { credentialOf } from './credentials.js';
import { requireSameOrigin } from './same-origin.js';
import { Admission } from './admission.js';

/** Global and first: who are you (a token, a key or a cookie, never two), then may you. Denies what is not declared. */
@Injectable()
export class AccessGuard extends AuthGuard('jwt') {
  constructor(
    private readonly reflector: Reflector,
    private readonly checks: CredentialChecks,
    private readonly config: AppConfig,
    private readonly admission: Admission,
  ) {
    super();
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const access = this.reflector.get<Access | undefined>(ACCESS, context.getHandler());
    if (access?.kind === 'public') {
      await this.admission.admit(context, undefined);
      return true;
    }
    const principal = await this.known(context);
    const request = currentContext();
    if (request) request.principal = principal;
    await this.admission.admit(context, principal);
    if (!access) throw new AppError('forbidden', 'forbidden', 'You may not do this.');
    if (!principal.permissions.has(access.permission)) throw denied(principal, access.permission);
    const scope = principal.scopes?.get(access.permission);
    if (request && scope) request.scope = scope;
    return true;
  }

  private async known(context: ExecutionContext): Promise<Principal> {
    try {
      return await this.identify(context);
    } catch (error) {
      if (error instanceof AppError && error.kind === 'unauthenticated')
        await this.admission.admitStranger(context, credentialOf(context.switchToHttp().getRequest<FastifyRequest>()) !== undefined);
      throw error;
    }
  }

  /** Whatever is wrong with a credential, the answer is the same. */
  override handleRequest<T>(error: unknown, user: T | false | undefined): T {
    if (error instanceof Error) throw error;
    if (!user) throw new AppError('unauthenticated', 'unauthenticated', 'Sign in, and send the access token as a bearer token.');
    return user;
  }

  private async identify(context: ExecutionContext): Promise<Principal> {
    const request = context.switchToHttp().getRequest<FastifyRequest & { user: Principal }>();
    const credential = credentialOf(request);
    if (!credential) return this.handleRequest<Principal>(undefined, undefined);
    const principal = await this.checks.principalOf(credential, request);
    if (!principal && credential.kind === 'token') {
      await super.canActivate(context);
      return request.user;
    }
    if (credential.kind === 'console') requireSameOrigin(request, this.config.http.corsOrigins);
    return this.handleRequest(undefined, principal);
  }
}

function denied(user: Principal, permission: string): AppError {
  if (user.mustChangePassword === true)
    return new AppError('forbidden', 'password_change_required', 'Change your password first: POST /api/v1/me/password.');
  if (user.secondFactorRequired === true)
    return new AppError('forbidden', 'second_factor_required', 'Set up a second factor first: see /api/v1/me/second-factors.');
  return new AppError('forbidden', 'forbidden', `You may not do this: it needs ${permission}.`, { meta: { permission } });
}
