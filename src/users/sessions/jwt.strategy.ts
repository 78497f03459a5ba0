import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { PassportStrategy } from '@nestjs/passport';
import { type FastifyRequest } from 'fastify';
import { ExtractJwt, Strategy, type StrategyOptionsWithRequest } from 'passport-jwt';
import { validate as isUuid } from 'uuid';
import { CredentialChecks } from '../../platform/auth/credential-checks.js';
import { type Principal } from '../../platform/context/request-context.js';
import { type KeyRing, KeyStore } from '../../platform/crypto/key-store.js';
import { ALGORITHM, AUDIENCE, ISSUER, keyOf } from './access-tokens.js';
import { SessionDirectory } from './session-directory.js';
import { VerifiedTokens } from './verified-tokens.js';

interface Application {
  ring: KeyRing;
  sessions: SessionDirectory;
  verified: VerifiedTokens;
}

/** Passport knows strategies by name for the whole process; a request is judged by the application that received it, should there be two. */
const applications = new WeakMap<object, Application>();

/** The bearer of an access token: a valid signature first, and only then a question to the database. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(keys: KeyStore, sessions: SessionDirectory, http: HttpAdapterHost, checks: CredentialChecks) {
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      algorithms: [ALGORITHM],
      issuer: ISSUER,
      audience: AUDIENCE,
      passReqToCallback: true,
      secretOrKeyProvider: (request: FastifyRequest, token: string, done: (error: Error | null, key?: unknown) => void) => {
        const key = keyOf(token, applicationOf(request).ring);
        done(key ? null : new Error('no key of ours signs such a token'), key);
      },
    } as unknown as StrategyOptionsWithRequest);
    const verified = new VerifiedTokens();
    applications.set(http.httpAdapter.getInstance<object>(), { ring: keys.jwt, sessions, verified });
    // A token that was found good stays good until it expires: only whose session it is must be asked again.
    checks.register('token', async (token) => {
      const claims = verified.claimsOf(token);
      return claims && sessions.principalOf(claims.sid, claims.sub);
    });
  }

  /** Called by passport once the signature, issuer, audience and time are right. Undefined is answered 401. */
  validate(request: FastifyRequest, { sub, sid, exp }: Record<string, unknown>): Promise<Principal | undefined> | undefined {
    if (typeof sub !== 'string' || typeof sid !== 'string' || !isUuid(sub) || !isUuid(sid) || typeof exp !== 'number') return undefined;
    const application = applicationOf(request);
    const token = bearerOf(request);
    if (token !== undefined) application.verified.remember(token, { sub, sid, exp });
    return application.sessions.principalOf(sid, sub);
  }
}

const bearerOf = ExtractJwt.fromAuthHeaderAsBearerToken() as unknown as (request: FastifyRequest) => string | undefined;

function applicationOf(request: FastifyRequest): Application {
  const application = applications.get(request.server);
  if (!application) throw new Error('This request came through no server of ours.');
  return application;
}
