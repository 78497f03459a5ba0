import { isIP } from 'node:net';
import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppConfig } from '../../config/app-config.js';
import { currentContext } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { SessionDirectory } from './session-directory.js';
import { type SignedIn } from './signed-in.js';

export type EndReason = 'logout' | 'password_changed' | 'refresh_reused' | 'revoked' | 'expired';

export interface Session {
  id: string;
  expiresAt: Date;
}

/** Logins. One that ended is refused from this process's next request on. */
@Injectable()
export class Sessions {
  constructor(
    private readonly work: UnitOfWork,
    private readonly directory: SessionDirectory,
    private readonly audit: AuditTrail,
    private readonly config: AppConfig,
  ) {}

  async open(userId: string): Promise<Session> {
    const { clientAddress = '', userAgent } = currentContext() ?? {};
    const [session] = await this.work.queryInside<Session>(
      `INSERT INTO auth_sessions (user_id, expires_at, client_ip, user_agent)
       VALUES ($1, now() + make_interval(secs => $2), $3, $4)
       RETURNING id, expires_at AS "expiresAt"`,
      [userId, this.config.auth.sessionSeconds, isIP(clientAddress) === 0 ? null : clientAddress, userAgent ?? null],
    );
    if (!session) throw new Error('INSERT … RETURNING gave no row.');
    return session;
  }

  async logOut({ sessionId }: SignedIn): Promise<void> {
    await this.work.run(async () => {
      if (!(await this.end(sessionId, 'logout'))) return;
      await this.audit.record({
        action: 'session.ended',
        category: 'access',
        resource: { type: 'session', id: sessionId },
        detail: { reason: 'logout' },
      });
    });
  }

  /** False when it had ended before. */
  async end(sessionId: string, reason: EndReason): Promise<boolean> {
    this.work.afterCommit(() => {
      this.directory.forgetSession(sessionId);
    });
    const ended = await this.work.queryInside(
      'UPDATE auth_sessions SET ended_at = now(), end_reason = $2 WHERE id = $1 AND ended_at IS NULL RETURNING id',
      [sessionId, reason],
    );
    return ended.length > 0;
  }

  /** Ends the user's sessions, all or all but one, and returns how many. */
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

  /** What is remembered of the user's rights is forgotten once the open unit of work has committed. */
  rightsChanged(userId: string): void {
    this.work.afterCommit(() => {
      this.directory.forgetUser(userId);
    });
  }
}
