import { Injectable } from '@nestjs/common';
import { type Principal } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';

interface Entry {
  userId: string;
  principal: Promise<Principal | undefined>;
  /** By the monotonic clock; unknown while the answer is under way. */
  until: number | undefined;
}

interface Row {
  username: string;
  mustChangePassword: boolean;
  permissions: string[];
}

const FRESH_MS = 1000;
const MOST = 10_000;
const BEFORE_PASSWORD_CHANGE = new Set(['profile:read', 'profile:write']);

const PRINCIPAL = `
  SELECT u.username, u.must_change_password AS "mustChangePassword",
         ARRAY (SELECT DISTINCT rp.permission
                  FROM user_roles ur JOIN role_permissions rp ON rp.role_id = ur.role_id
                 WHERE ur.user_id = u.id) AS permissions
    FROM auth_sessions s
    JOIN users u ON u.id = s.user_id
   WHERE s.id = $1 AND s.user_id = $2 AND s.ended_at IS NULL AND s.expires_at > now() AND u.active`;

/**
 * Who a session belongs to and what they may do, read from the database at most once a second and session. A change made by this process
 * is seen by its next request, one made by another within the second.
 */
@Injectable()
export class SessionDirectory {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly work: UnitOfWork) {}

  /** Undefined when the session ended or expired, is not that user's, or the user is inactive. */
  principalOf(sessionId: string, userId: string): Promise<Principal | undefined> {
    const known = this.entries.get(sessionId);
    if (known?.userId === userId && (known.until === undefined || performance.now() < known.until)) return known.principal;
    return this.look(sessionId, userId);
  }

  forgetSession(sessionId: string): void {
    this.entries.delete(sessionId);
  }

  forgetUser(userId: string): void {
    for (const [sessionId, entry] of this.entries) if (entry.userId === userId) this.entries.delete(sessionId);
  }

  forgetAll(): void {
    this.entries.clear();
  }

  private look(sessionId: string, userId: string): Promise<Principal | undefined> {
    const until = performance.now() + FRESH_MS;
    const entry: Entry = { userId, principal: this.read(sessionId, userId), until: undefined };
    // The answer is as old as the question. An entry forgotten meanwhile is no longer in the map, so a stale answer is not kept.
    entry.principal.then(
      () => (entry.until = until),
      () => (entry.until = 0),
    );
    const [oldest] = this.entries.keys();
    if (oldest !== undefined && this.entries.size >= MOST) this.entries.delete(oldest);
    this.entries.delete(sessionId);
    this.entries.set(sessionId, entry);
    return entry.principal;
  }

  private async read(sessionId: string, userId: string): Promise<Principal | undefined> {
    const [row] = await this.work.query<Row>(PRINCIPAL, [sessionId, userId]);
    if (!row) return undefined;
    const granted = row.mustChangePassword ? row.permissions.filter((p) => BEFORE_PASSWORD_CHANGE.has(p)) : row.permissions;
    return {
      kind: 'user',
      id: userId,
      name: row.username,
      sessionId,
      permissions: new Set(granted),
      mustChangePassword: row.mustChangePassword,
    };
  }
}
