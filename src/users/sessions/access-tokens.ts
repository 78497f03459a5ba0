import { type KeyObject, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import jwt from 'jsonwebtoken';
import { AppConfig } from '../../config/app-config.js';
import { Clock } from '../../kernel/clock.js';
import { type KeyRing, KeyStore } from '../../platform/crypto/key-store.js';

export const ISSUER = 'cadastre';
export const AUDIENCE = 'cadastre-api';
export const ALGORITHM = 'HS256';
const TYPE = 'at+jwt';

/** Issues access tokens (RFC 9068): who and which session, never what they may do. */
@Injectable()
export class AccessTokens {
  constructor(
    private readonly config: AppConfig,
    private readonly keys: KeyStore,
    private readonly clock: Clock,
  ) {}

  /** A token that does not outlive its session. */
  issue(userId: string, sessionId: string, sessionExpiresAt: Date): { token: string; expiresInSeconds: number } {
    const iat = Math.floor(this.clock.now().getTime() / 1000);
    const exp = Math.min(iat + this.config.auth.accessTokenSeconds, Math.floor(sessionExpiresAt.getTime() / 1000));
    const { kid, key } = this.keys.jwt.signing;
    const token = jwt.sign({ iat, exp, sid: sessionId }, key, {
      algorithm: ALGORITHM,
      header: { alg: ALGORITHM, typ: TYPE, kid },
      issuer: ISSUER,
      audience: AUDIENCE,
      subject: userId,
      jwtid: randomUUID(),
    });
    return { token, expiresInSeconds: exp - iat };
  }
}

/** The key that has to have signed a token, by its header alone; undefined when the header is not one of ours. */
export function keyOf(token: string, ring: KeyRing): KeyObject | undefined {
  const header = headerOf(token);
  if (header?.alg !== ALGORITHM || header.typ !== TYPE || 'crit' in header || typeof header.kid !== 'string') return undefined;
  return ring.byKid.get(header.kid);
}

function headerOf(token: string): Record<string, unknown> | undefined {
  try {
    const header: unknown = JSON.parse(Buffer.from(token.slice(0, token.indexOf('.')), 'base64url').toString());
    return typeof header === 'object' && header !== null ? (header as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
