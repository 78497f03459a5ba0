import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import jwt from 'jsonwebtoken';
import { AppError } from '../../../kernel/app-error.js';
import { isAway } from '../is-away.js';
import { providerAway } from '../provider-away.js';
import { ProviderMessages } from '../provider-messages.js';
import { ProviderSessions } from '../provider-sessions.js';
import { isOidc, type OidcProvider } from '../provider.js';
import { noProvider, ProvidersRepository } from '../providers.repository.js';
import { OidcSignIn } from './oidc-sign-in.js';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const OLDEST_SECONDS = 300;
const ALGORITHMS: jwt.Algorithm[] = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384'];

interface LogoutClaims {
  jti: string;
  sub?: string;
  sid?: string;
}

/** Back-channel logout: the provider itself says that a session is over (OpenID Connect Back-Channel Logout 1.0). */
@Injectable()
export class LogoutTokens {
  constructor(
    private readonly providers: ProvidersRepository,
    private readonly oidc: OidcSignIn,
    private readonly messages: ProviderMessages,
    private readonly sessions: ProviderSessions,
  ) {}

  /** Ends the sessions a token names. Throws `logout_token_refused`, `provider_unavailable` or `provider_not_found`. */
  async take(slug: string, token: string): Promise<void> {
    const provider = await this.providers.enabledBySlug(slug);
    if (!isOidc(provider)) throw noProvider();
    const { jti, sid, sub } = await this.verified(provider, token);
    if (!(await this.messages.remember(provider.id, `logout ${jti}`, 2 * OLDEST_SECONDS))) throw refused(new Error('It came before.'));
    await this.sessions.endOf(provider, { session: sid, externalId: sub });
  }

  private async verified(provider: OidcProvider, token: string): Promise<LogoutClaims> {
    try {
      const { issuer, jwks_uri: keysAt } = (await this.oidc.configurationOf(provider)).serverMetadata();
      const { header } = jwt.decode(token, { complete: true }) ?? {};
      if (!header || 'crit' in header || !/^(logout\+jwt|jwt)$/i.test(header.typ ?? 'jwt')) throw new Error('This is no logout token.');
      const { keys } = (await this.oidc.json(provider, keysAt)) as { keys: (JsonWebKey & { kid?: string; use?: string })[] };
      const key = keys.find(({ kid, use }) => kid === header.kid && use !== 'enc');
      if (!key) throw new Error('No key of the provider signs such a token.');
      const claims = jwt.verify(token, createPublicKey({ key, format: 'jwk' }), {
        algorithms: ALGORITHMS,
        issuer,
        audience: provider.config.clientId,
        maxAge: OLDEST_SECONDS,
        clockTolerance: 5,
      });
      return logoutClaimsOf(claims);
    } catch (error) {
      throw isAway(error) ? providerAway(error) : refused(error);
    }
  }
}

/** §2.6, steps 4 to 7. */
function logoutClaimsOf(claims: jwt.JwtPayload | string): LogoutClaims {
  if (typeof claims === 'string') throw new Error('There are no claims.');
  const { jti, sub, events, nonce } = claims;
  const sid: unknown = claims.sid;
  if (typeof events !== 'object' || events === null || !(EVENT in events)) throw new Error('It is about another event.');
  if (nonce !== undefined || typeof jti !== 'string') throw new Error('This is no logout token.');
  if (typeof sub !== 'string' && typeof sid !== 'string') throw new Error('It names nobody.');
  return { jti, ...(typeof sub === 'string' ? { sub } : {}), ...(typeof sid === 'string' ? { sid } : {}) };
}

function refused(cause: unknown): AppError {
  return new AppError('unparsable', 'logout_token_refused', 'This logout token is not accepted.', { cause });
}
