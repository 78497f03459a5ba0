import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { asProgram } from '../as-program.js';
import { OneTimeTokens } from './one-time-tokens.js';
import { isIdle } from './session-life.js';
import { SignInSettings } from './sign-in-settings.js';

const BATCH = 500;

/** Sessions another sweeper is at are left to it. */
const END_OVERDUE = `
  UPDATE auth_sessions e
     SET ended_at = now(), end_reason = CASE WHEN e.expires_at <= now() THEN 'expired' ELSE 'idle' END
    FROM users u
   WHERE u.id = e.user_id AND e.ended_at IS NULL
     AND e.id IN (SELECT s.id FROM auth_sessions s
                   WHERE s.ended_at IS NULL
                     AND (s.expires_at <= now()
                          OR (s.last_seen_at <= now() - make_interval(secs => least($1::int, $2::int)) AND ${isIdle('$1', '$2')}))
                   LIMIT ${BATCH}
                     FOR UPDATE SKIP LOCKED)
  RETURNING e.id, e.user_id AS "userId", e.end_reason AS reason, u.username`;

/** Writes down what the lookup of sessions decides anyway: that some are over. Any number of sweepers at once leave one event each. */
@Injectable()
export class SessionSweeper {
  constructor(
    private readonly work: UnitOfWork,
    private readonly settings: SignInSettings,
    private readonly tokens: OneTimeTokens,
    private readonly audit: AuditTrail,
  ) {}

  /** Ends what is idle or over, and returns how many. Challenges nobody answered go too: anybody may ask for one. */
  async sweep(): Promise<number> {
    let total = 0;
    for (let ended = BATCH; ended === BATCH; total += ended) ended = await asProgram(() => this.work.run(() => this.endSome()));
    await this.tokens.forgetOld();
    return total;
  }

  private async endSome(): Promise<number> {
    const { idleSeconds, administratorIdleSeconds } = this.settings;
    const ended = await this.work.queryInside<{ id: string; userId: string; reason: string; username: string }>(END_OVERDUE, [
      idleSeconds,
      administratorIdleSeconds,
    ]);
    for (const { id, userId, reason, username } of ended)
      await this.audit.record({
        action: 'session.ended',
        category: 'access',
        resource: { type: 'session', id },
        subject: userId,
        detail: { reason, user: username },
      });
    return ended.length;
  }
}
