import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { PassportStrategy } from '@nestjs/passport';
import { type FastifyRequest } from 'fastify';
import { ExtractJwt, Strategy, type StrategyOptionsWithRequest } from 'passport-jwt';
import { validate as isUuid } from 'uuid';
import { type Principal } from '../../platform/context/request-context.js';
import { type KeyRing, KeyStore } from '../../platform/crypto/key-store.js';
import { ALGORITHM, AUDIENCE, ISSUER, keyOf } from './access-tokens.js';
import { SessionDirectory } from './session-directory.js';

interface Application {
  ring: KeyRing;
  sessions: SessionDirectory;
}

/** Passport knows strategies by name for the whole process; a request is judged by the application that received it, should there be two. */
const applications = new WeakMap<object, Application>();

/** The bearer of an access token: a valid signature first, and only then a question to the database. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(keys: KeyStore, sessions: SessionDirectory, http: HttpAdapterHost) {
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
    applications.set(http.httpAdapter.getInstance<object>(), { ring: keys.jwt, sessions });
  }

  /** Called by passport once the signature, issuer, audience and time are right. Undefined is answered 401. */
  validate(request: FastifyRequest, { sub, sid, exp }: Record<string, unknown>): Promise<Principal | undefined> | undefined {
    if (!isUuid(sub) || !isUuid(sid) || typeof exp !== 'number') return undefined;
    return applicationOf(request).sessions.principalOf(sid as string, sub as string);
  }
}

function applicationOf(request: FastifyRequest): Application {
  const application = applications.get(request.server);
  if (!application) throw new Error('This request came through no server of ours.');
  return application;
}
