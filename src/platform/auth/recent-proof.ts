import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiExtension } from '@nestjs/swagger';
import { AppError } from '../../kernel/app-error.js';
import { type Principal } from '../context/request-context.js';

export const RECENT_PROOF = Symbol('recent proof');

/** The route asks for a proof of identity that is not old: a session left open at a desk is not enough. */
export function RequiresRecentProof(): MethodDecorator {
  return applyDecorators(SetMetadata(RECENT_PROOF, true), ApiExtension('x-recent-proof', true));
}

/** The challenge of RFC 9470 §3, for the header WWW-Authenticate. */
export function recentProofChallenge(maxAgeSeconds: number): string {
  return `Bearer error="insufficient_user_authentication", max_age=${maxAgeSeconds}`;
}

/** Throws `recent_proof_required` when identity was proven longer ago than that, or nobody knows when. */
export function requireRecentProof({ authenticatedAt }: Principal, maxAgeSeconds: number, now: Date): void {
  if (authenticatedAt && now.getTime() - authenticatedAt.getTime() <= maxAgeSeconds * 1000) return;
  throw new AppError('forbidden', 'recent_proof_required', 'Prove once more who you are: POST /api/v1/auth/step-up.', {
    meta: { maxAgeSeconds },
  });
}
