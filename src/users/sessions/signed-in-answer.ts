import { type FastifyReply } from 'fastify';
import { consoleCookie } from './console-cookie.js';
import { type PendingSignIn } from './pending-sign-ins.js';
import { type TokenPair } from './refresh-tokens.js';
import { type CredentialView, type PendingSignInView, type SignedInView, type TokenView } from './session.dto.js';
import { type OpenedSession } from './sign-ins.js';

/** What a client that signed in is told: its tokens, or the cookie in a header that no script can read. */
export function credentialOf(opened: OpenedSession, reply: FastifyReply): CredentialView {
  if (opened.mode === 'tokens') return tokensOf(opened);
  void reply.header('set-cookie', consoleCookie(opened.secret));
  return { sessionExpiresAt: opened.sessionExpiresAt.toISOString(), mustChangePassword: opened.mustChangePassword };
}

/** The same, or what is still to be shown. */
export function signedInOf(answer: OpenedSession | PendingSignIn, reply: FastifyReply): SignedInView {
  return answer.mode === 'pending' ? pendingOf(answer) : credentialOf(answer, reply);
}

function pendingOf({ ticket, expiresInSeconds, kinds }: PendingSignIn): PendingSignInView {
  return { secondFactorRequired: true, ticket, expiresIn: expiresInSeconds, methods: kinds };
}

export function tokensOf({ accessToken, expiresInSeconds, refreshToken, sessionExpiresAt, mustChangePassword }: TokenPair): TokenView {
  return {
    accessToken,
    tokenType: 'Bearer',
    expiresIn: expiresInSeconds,
    refreshToken,
    sessionExpiresAt: sessionExpiresAt.toISOString(),
    mustChangePassword,
  };
}
