import { isIP } from 'node:net';
import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { currentContext } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { SessionDirectory } from './session-directory.js';
import { ADMINISTERS, isLive } from './session-life.js';
import { SignInSettings } from './sign-in-settings.js';
import { type SignedIn } from './signed-in.js';

export type EndReason =
  | 'logout'
  | 'password_changed'
  | 'refresh_reused'
  | 'revoked'
  | 'expired'
  | 'idle'
  | 'limit'
  | 'replaced'
  | 'deactivated'
  | 'provider_logout';

export interface NewSession {
  userId: string;
  /** As in RFC 8176. */
  methods: readonly string[];
  /** SHA-256 of the console's cookie; absent for sessions of tokens. */
  secretHash?: Buffer;
  providerId?: string;
  /** The provider's name for its own session, for its back-channel logout. */
  providerSession?: string;
}

export interface Session {
  id: string;
  expiresAt: Date;
}

interface Ended {
  id: string;
  userId: string;
  username: string;
}

/** Logins. One that ended is refused from this process's next request on. */
@Injectable()
export class Sessions {
  constructor(
    private readonly work: UnitOfWork,
    private readonly directory: SessionDirectory,
    private readonly audit: AuditTrail,
    private readonly settings: SignInSettings,
  ) {}

  /** Part of the unit of work that signs somebody in. Beyond the limit the user's oldest sessions end; logins of one user take turns. */
  async open({ userId, methods, secretHash, providerId, providerSession }: NewSession): Promise<Session> {
    const { clientAddress = '', userAgent } = currentContext() ?? {};
    await this.work.queryInside('SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE', [userId]);
    const [session] = await this.work.queryInside<Session & { administers: boolean }>(
      `INSERT INTO auth_sessions AS s (user_id, expires_at, client_ip, user_agent, kind, secret_hash, methods, provider_id, provider_session)
       VALUES ($1, now() + make_interval(secs => $2), $3, $4, $5, $6, $7, $8, $9)
       RETURNING id, expires_at AS "expiresAt", ${ADMINISTERS} AS administers`,
      [
        userId,
        this.settings.absoluteSeconds,
        isIP(clientAddress) === 0 ? null : clientAddress,
        userAgent ?? null,
        secretHash ? 'console' : 'token',
        secretHash ?? null,
        methods,
        providerId ?? null,
        providerSession ?? null,
      ],
    );
    if (!session) throw new Error('INSERT … RETURNING gave no row.');
    const { administers, ...opened } = session;
    await this.endOldest(userId, opened.id, administers ? this.settings.administratorSessionsMost : this.settings.sessionsMost);
    return opened;
  }

  /** Whose live session it is. */
  async userOf(sessionId: string): Promise<string | undefined> {
    const [session] = await this.work.query<{ userId: string }>(
      'SELECT user_id AS "userId" FROM auth_sessions WHERE id = $1 AND ended_at IS NULL',
      [sessionId],
    );
    return session?.userId;
  }

  /** Whether it was a console's, whose cookie is of no more use. */
  async logOut({ sessionId }: SignedIn): Promise<{ console: boolean }> {
    return this.work.run(async () => {
      await this.revoke(sessionId, 'logout');
      const [session] = await this.work.query<{ console: boolean }>(`SELECT kind = 'console' AS console FROM auth_sessions WHERE id = $1`, [
        sessionId,
      ]);
      return { console: session?.console ?? false };
    });
  }

  /** False when it had ended before. Leaves the event to the caller. */
  async end(sessionId: string, reason: EndReason): Promise<boolean> {
    this.forgotten(sessionId);
    const ended = await this.work.queryInside(
      'UPDATE auth_sessions SET ended_at = now(), end_reason = $2 WHERE id = $1 AND ended_at IS NULL RETURNING id',
      [sessionId, reason],
    );
    return ended.length > 0;
  }

  /** Ends a session, of this user's when one is named, with its event. False when there is no such live one. */
  revoke(sessionId: string, reason: EndReason, userId?: string): Promise<boolean> {
    return this.work.run(async () => {
      const ended = await this.endWhere('s.id = $2 AND ($3::uuid IS NULL OR s.user_id = $3)', reason, sessionId, userId ?? null);
      return ended > 0;
    });
  }

  /** Ends the user's sessions, all or all but one, each with its event, and returns how many. */
  revokeAllOf(userId: string, reason: EndReason, except?: string): Promise<number> {
    return this.work.run(() => this.endWhere('s.user_id = $2 AND ($3::uuid IS NULL OR s.id <> $3)', reason, userId, except ?? null));
  }

  /** Ends the user's sessions, all or all but one, and returns how many: for what leaves an event of its own. */
  async endAllOf(userId: string, reason: EndReason, except?: string): Promise<number> {
    this.rightsChanged(userId);
    const ended = await this.work.queryInside(
      `UPDATE auth_sessions SET ended_at = now(), end_reason = $2
        WHERE user_id = $1 AND ended_at IS NULL AND ($3::uuid IS NULL OR id <> $3)
        RETURNING id`,
      [userId, reason, except ?? null],
    );
    return ended.length;
  }

  /** One more method was shown in this session just now. */
  async confirm(sessionId: string, method: string): Promise<void> {
    this.forgotten(sessionId);
    await this.work.queryInside(
      `UPDATE auth_sessions
          SET authenticated_at = now(), methods = CASE WHEN $2 = ANY (methods) THEN methods ELSE methods || $2::text END
        WHERE id = $1`,
      [sessionId, method],
    );
  }

  /** What is remembered of the user's rights is forgotten once the open unit of work has committed. */
  rightsChanged(userId: string): void {
    this.work.afterCommit(() => {
      this.directory.forgetUser(userId);
    });
  }

  private forgotten(sessionId: string): void {
    this.work.afterCommit(() => {
      this.directory.forgetSession(sessionId);
    });
  }

  private async endOldest(userId: string, newest: string, most: number): Promise<void> {
    const { idleSeconds, administratorIdleSeconds } = this.settings;
    await this.endWhere(
      `s.id IN (SELECT s.id FROM auth_sessions s
                 WHERE s.user_id = $2 AND s.id <> $3 AND ${isLive('$4', '$5')}
                 ORDER BY s.created_at DESC, s.id DESC
                OFFSET $6)`,
      'limit',
      userId,
      newest,
      idleSeconds,
      administratorIdleSeconds,
      most - 1,
    );
  }

  /** Of callers that race for one session, one ends it and tells. */
  private async endWhere(which: string, reason: EndReason, ...parameters: unknown[]): Promise<number> {
    const ended = await this.work.queryInside<Ended>(
      `UPDATE auth_sessions s SET ended_at = now(), end_reason = $1
         FROM users u
        WHERE u.id = s.user_id AND s.ended_at IS NULL AND ${which}
        RETURNING s.id, s.user_id AS "userId", u.username`,
      [reason, ...parameters],
    );
    const somebody = currentContext()?.principal !== undefined;
    for (const { id, userId, username } of ended) {
      this.forgotten(id);
      await this.audit.record({
        action: 'session.ended',
        category: 'access',
        resource: { type: 'session', id },
        subject: userId,
        detail: { reason, user: username },
        // Before there is a principal, it is the user's own login that ends it.
        ...(somebody ? {} : { actor: { kind: 'user', id: userId, name: username } }),
      });
    }
    return ended.length;
  }
}
