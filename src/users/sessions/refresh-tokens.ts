import { hashOfSecret, isSecret, newSecret } from '../../platform/crypto/bearer-secret.js';
import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { AccessTokens } from './access-tokens.js';
import { seal, unseal } from './sealed-successor.js';
import { isLive } from './session-life.js';
import { type Session, Sessions } from './sessions.js';
import { SignInSettings } from './sign-in-settings.js';

/** What a client gets at login and at each refresh. */
export interface TokenPair {
  accessToken: string;
  expiresInSeconds: number;
  refreshToken: string;
  sessionExpiresAt: Date;
  mustChangePassword: boolean;
}

interface Owner extends Session {
  userId: string;
  username: string;
  mustChangePassword: boolean;
  live: boolean;
}

interface Presented {
  sealedSuccessor: Buffer | null;
  inGrace: boolean;
}

/**
 * Opaque, single use, known to the database by their hash alone. A session has one live token; each use makes its successor. A token used
 * again within ten seconds (an answer lost, two tabs) gets that same successor, never another one; later it is taken for stolen.
 */
@Injectable()
export class RefreshTokens {
  constructor(
    private readonly work: UnitOfWork,
    private readonly sessions: Sessions,
    private readonly accessTokens: AccessTokens,
    private readonly audit: AuditTrail,
    private readonly settings: SignInSettings,
  ) {}

  /** A new session of the user's and its first pair. Part of the unit of work that signs them in. */
  async open(userId: string, mustChangePassword: boolean): Promise<TokenPair & { sessionId: string }> {
    const session = await this.sessions.open({ userId, methods: ['pwd'] });
    return { ...(await this.first({ ...session, userId, mustChangePassword })), sessionId: session.id };
  }

  /** The first pair of a session, which has no live token yet. Part of the unit of work that opens it. */
  async first(of: Session & { userId: string; mustChangePassword: boolean }): Promise<TokenPair> {
    return this.pair(of, await this.insert(of.id));
  }

  /**
   * Moves what a session used so far to the one that takes its place, so that a stolen token shows itself there too. The live one is gone:
   * whoever asked for the new session has a new one. Part of the open unit of work.
   */
  async moveFamily(from: string, to: string): Promise<void> {
    await this.work.queryInside('DELETE FROM refresh_tokens WHERE session_id = $1 AND used_at IS NULL', [from]);
    await this.work.queryInside('UPDATE refresh_tokens SET session_id = $2 WHERE session_id = $1', [from, to]);
  }

  /** Throws `refresh_refused` for a token that is unknown, of a session that is over, or used before; the last ends the session. */
  async rotate(token: string): Promise<TokenPair> {
    const pair = isSecret(token) ? await this.work.run(() => this.exchange(token)) : undefined;
    // Thrown only now: that a stolen token ended its session has to be committed.
    if (!pair) throw new AppError('unauthenticated', 'refresh_refused', 'This refresh token is no longer good; sign in again.');
    return pair;
  }

  private async exchange(token: string): Promise<TokenPair | undefined> {
    const hash = hashOfSecret(token);
    const owner = await this.lockOwner(hash);
    if (!owner?.live) return undefined;
    // Read by a second statement, under the lock of the session: it sees what the caller before us did.
    const [presented] = await this.work.queryInside<Presented>(
      `SELECT sealed_successor AS "sealedSuccessor", used_at > clock_timestamp() - interval '10 seconds' AS "inGrace"
         FROM refresh_tokens WHERE token_hash = $1`,
      [hash],
    );
    if (!presented) return undefined;
    if (presented.sealedSuccessor === null) return this.pair(owner, await this.succeed(token, hash, owner));
    if (presented.inGrace) return this.pair(owner, unseal(token, presented.sealedSuccessor));
    await this.endStolen(owner);
    return undefined;
  }

  /** Locks the session a token belongs to: all its tokens are looked at one caller at a time. */
  private async lockOwner(hash: Buffer): Promise<Owner | undefined> {
    const [owner] = await this.work.queryInside<Owner>(
      `SELECT s.id, s.user_id AS "userId", s.expires_at AS "expiresAt", u.username, u.must_change_password AS "mustChangePassword",
              ${isLive('$2', '$3')} AND u.active AS live
         FROM auth_sessions s JOIN users u ON u.id = s.user_id
        WHERE s.id = (SELECT t.session_id FROM refresh_tokens t WHERE t.token_hash = $1)
          FOR UPDATE OF s`,
      [hash, this.settings.idleSeconds, this.settings.administratorIdleSeconds],
    );
    return owner;
  }

  private async succeed(token: string, hash: Buffer, owner: Owner): Promise<string> {
    const successor = newSecret();
    await this.work.queryInside('UPDATE refresh_tokens SET used_at = clock_timestamp(), sealed_successor = $2 WHERE token_hash = $1', [
      hash,
      seal(token, successor),
    ]);
    await this.insert(owner.id, successor);
    await this.audit.record({ action: 'session.refreshed', category: 'access', ...about(owner) });
    return successor;
  }

  private async endStolen(owner: Owner): Promise<void> {
    await this.sessions.end(owner.id, 'refresh_reused');
    await this.audit.record({ action: 'session.refresh_reused', category: 'access', severity: 'high', outcome: 'denied', ...about(owner) });
  }

  private async insert(sessionId: string, token = newSecret()): Promise<string> {
    await this.work.queryInside('INSERT INTO refresh_tokens (token_hash, session_id) VALUES ($1, $2)', [hashOfSecret(token), sessionId]);
    return token;
  }

  private pair(of: Session & { userId: string; mustChangePassword: boolean }, refreshToken: string): TokenPair {
    const { token: accessToken, expiresInSeconds } = this.accessTokens.issue(of.userId, of.id, of.expiresAt);
    return { accessToken, expiresInSeconds, refreshToken, sessionExpiresAt: of.expiresAt, mustChangePassword: of.mustChangePassword };
  }
}

function about(owner: Owner): { resource: { type: string; id: string }; actor: { kind: string; id: string; name: string } } {
  return { resource: { type: 'session', id: owner.id }, actor: { kind: 'user', id: owner.userId, name: owner.username } };
}
