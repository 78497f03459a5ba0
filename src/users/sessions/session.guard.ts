import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { type FastifyReply } from 'fastify';
import { Clock } from '../../kernel/clock.js';
import { RECENT_PROOF, recentProofChallenge, requireRecentProof } from '../../platform/auth/recent-proof.js';
import { currentContext } from '../../platform/context/request-context.js';
import { requireAdministratorNetwork } from './administrator-networks.js';
import { SignInSettings } from './sign-in-settings.js';

/**
 * Global, after the one that asks who it is and whether they may: whether they may from there, and whether it is they at this moment. Administrators
 * who were let in and then go elsewhere are refused like those who sign in there.
 */
@Injectable()
export class SessionGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly settings: SignInSettings,
    private readonly clock: Clock,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const here = currentContext();
    if (here?.principal?.kind === 'user' && here.principal.limitClass === 'admin')
      requireAdministratorNetwork(this.settings, here.clientAddress);
    if (this.reflector.get<true | undefined>(RECENT_PROOF, context.getHandler()) !== true) return true;
    const principal = here?.principal;
    if (!principal) throw new Error('A recent proof was asked of nobody: the route must be declared with @Requires.');
    const { proofSeconds } = this.settings;
    try {
      requireRecentProof(principal, proofSeconds, this.clock.now());
    } catch (error) {
      void context.switchToHttp().getResponse<FastifyReply>().header('www-authenticate', recentProofChallenge(proofSeconds));
      throw error;
    }
    return true;
  }
}
