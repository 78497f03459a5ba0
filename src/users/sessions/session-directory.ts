import { hashOfSecret, isSecret } from '../../platform/crypto/bearer-secret.js';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { CredentialChecks } from '../../platform/auth/credential-checks.js';
import { type Principal } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Log } from '../../platform/logging/log.js';
import { BriefMemory } from '../brief-memory.js';
import { type Assignment, ASSIGNMENTS, effectiveRights } from '../roles/effective-rights.js';
import { asksSecondFactor, isLive, NOTE_USE, SECOND_FACTORS_SQL } from './session-life.js';
import { SignInSettings } from './sign-in-settings.js';

interface Row {
  sessionId: string;
  userId: string;
  username: string;
  mustChangePassword: boolean;
  methods: string[];
  authenticatedAt: Date;
  unnoted: boolean;
  asksSecondFactor: boolean;
  assignments: Assignment[];
}

const WHILE_RESTRICTED = new Set(['profile:read', 'profile:write']);

const PRINCIPAL = `
  SELECT s.id AS "sessionId", u.id AS "userId", u.username, u.must_change_password AS "mustChangePassword", s.methods,
         s.authenticated_at AS "authenticatedAt", s.last_seen_at < now() - interval '1 minute' AS unnoted,
         ${asksSecondFactor('s.user_id')} AND NOT s.methods && ${SECOND_FACTORS_SQL} AS "asksSecondFactor",
         ${ASSIGNMENTS} AS assignments
    FROM auth_sessions s
    JOIN users u ON u.id = s.user_id`;
const LIVE = `${isLive('$1', '$2')} AND u.active`;
const BY_ID = `${PRINCIPAL} WHERE s.id = $3 AND s.user_id = $4 AND s.kind = 'token' AND ${LIVE}`;
const BY_COOKIE = `${PRINCIPAL} WHERE s.secret_hash = $3 AND s.kind = 'console' AND ${LIVE}`;

/** Who a session belongs to and what they may do, read from the database at most once a second and session. */
@Injectable()
export class SessionDirectory implements OnModuleInit {
  private readonly memory = new BriefMemory<Principal>();

  constructor(
    private readonly work: UnitOfWork,
    private readonly checks: CredentialChecks,
    private readonly settings: SignInSettings,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.checks.register('console', (cookie) => this.principalOfConsole(cookie));
  }

  /** Undefined when the session ended, expired or lay idle, is not that user's, or the user is inactive. */
  async principalOf(sessionId: string, userId: string): Promise<Principal | undefined> {
    const principal = await this.memory.recall(sessionId, () => this.read(BY_ID, [sessionId, userId]));
    return principal?.id === userId ? principal : undefined;
  }

  private async principalOfConsole(cookie: string): Promise<Principal | undefined> {
    if (!isSecret(cookie)) return undefined;
    const hash = hashOfSecret(cookie);
    return this.memory.recall(hash.toString('latin1'), () => this.read(BY_COOKIE, [hash]));
  }

  forgetSession(sessionId: string): void {
    this.memory.forgetWhere((principal) => principal.sessionId === sessionId);
  }

  forgetUser(userId: string): void {
    this.memory.forgetWhere((principal) => principal.id === userId);
  }

  forgetAll(): void {
    this.memory.clear();
  }

  private async read(sql: string, parameters: unknown[]): Promise<Principal | undefined> {
    const [row] = await this.work.query<Row>(sql, [this.settings.idleSeconds, this.settings.administratorIdleSeconds, ...parameters]);
    if (!row) return undefined;
    const { permissions, scopes, limitClass } = effectiveRights(row.assignments);
    if (row.unnoted) this.note(row.sessionId);
    const restricted = row.mustChangePassword || row.asksSecondFactor;
    return {
      kind: 'user',
      id: row.userId,
      name: row.username,
      sessionId: row.sessionId,
      permissions: restricted ? new Set([...permissions].filter((p) => WHILE_RESTRICTED.has(p))) : permissions,
      scopes,
      limitClass,
      methods: row.methods,
      authenticatedAt: row.authenticatedAt,
      mustChangePassword: row.mustChangePassword,
      secondFactorRequired: row.asksSecondFactor,
    };
  }

  /** At most one write a minute and session; the request does not wait for it, and a lost one only makes the session seem idle longer. */
  private note(sessionId: string): void {
    this.work.query(NOTE_USE, [sessionId]).catch((error: unknown) => {
      this.log.warn('the use of a session could not be noted', { sessionId, error });
    });
  }
}
