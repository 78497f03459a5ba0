import { createSecretKey, type KeyObject } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { type NetworkScope } from '../../platform/context/request-context.js';

const ISSUER = 'cadastre';
const AUDIENCE = 'cadastre-tenant';
const ALGORITHM = 'HS256';
const TYPE = 'tt+jwt';
const HANDLE = /^[0-9A-Za-z]{12}$/;

export interface TenantClaims {
  jti: string;
  permissions: string[];
  limits: NetworkScope;
}

/** A token of at most so many seconds, signed with the parent key's token key. */
export function sign(claims: TenantClaims, key: Buffer, handle: string, ttlSeconds: number): string {
  const { jti, permissions, limits } = claims;
  return jwt.sign({ permissions, limits }, secretOf(key), {
    algorithm: ALGORITHM,
    header: { alg: ALGORITHM, typ: TYPE, kid: handle },
    issuer: ISSUER,
    audience: AUDIENCE,
    jwtid: jti,
    expiresIn: ttlSeconds,
  });
}

/** The key that has to have signed a token, by its header alone. */
export function handleOf(token: string): string | undefined {
  try {
    const header = JSON.parse(Buffer.from(token.slice(0, token.indexOf('.')), 'base64url').toString()) as Record<string, unknown> | null;
    if (header?.alg !== ALGORITHM || header.typ !== TYPE || 'crit' in header || typeof header.kid !== 'string') return undefined;
    return HANDLE.test(header.kid) ? header.kid : undefined;
  } catch {
    return undefined;
  }
}

/** What a token says, when this key signed it and it has not expired. What we signed has the form we gave it. */
export function verified(token: string, key: Buffer): (TenantClaims & { exp: number }) | undefined {
  try {
    return jwt.verify(token, secretOf(key), { algorithms: [ALGORITHM], issuer: ISSUER, audience: AUDIENCE }) as unknown as TenantClaims & {
      exp: number;
    };
  } catch (error) {
    if (error instanceof jwt.JsonWebTokenError) return undefined;
    throw error;
  }
}

function secretOf(key: Buffer): KeyObject {
  return createSecretKey(key);
}
