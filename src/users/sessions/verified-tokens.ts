import { LRUCache } from 'lru-cache';

/** What an access token says once its signature was found good. */
export interface Claims {
  sub: string;
  sid: string;
  /** Seconds since 1970. */
  exp: number;
}

const MOST = 10_000;

/**
 * Tokens whose signature, issuer, audience and type were checked by this process, letter for letter. The check costs more than the rest of
 * a request's sign-in; its result cannot change while the keys stay. Expiry is looked at every time.
 */
export class VerifiedTokens {
  private readonly byToken = new LRUCache<string, Claims>({ max: MOST });

  claimsOf(token: string): Claims | undefined {
    const claims = this.byToken.get(token);
    return claims && claims.exp > Date.now() / 1000 ? claims : undefined;
  }

  remember(token: string, claims: Claims): void {
    this.byToken.set(token, claims);
  }
}
