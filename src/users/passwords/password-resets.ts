import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { AccountGate } from '../accounts/account-gate.js';
import { UsersRepository } from '../accounts/users.repository.js';
import { LoginThrottle } from '../sessions/login-throttle.js';
import { OneTimeTokens } from '../sessions/one-time-tokens.js';
import { Sessions } from '../sessions/sessions.js';
import { SignInSettings } from '../sessions/sign-in-settings.js';
import { PasswordHasher } from './password-hasher.js';
import { PasswordPolicy } from './password-policy.js';

/**
 * Links to a new password. An administrator makes one and hands it over; what it is changed to, only its owner knows. It opens no session
 * and leads past no second factor.
 */
@Injectable()
export class PasswordResets {
  constructor(
    private readonly work: UnitOfWork,
    private readonly users: UsersRepository,
    private readonly gate: AccountGate,
    private readonly tokens: OneTimeTokens,
    private readonly policy: PasswordPolicy,
    private readonly hasher: PasswordHasher,
    private readonly sessions: Sessions,
    private readonly throttle: LoginThrottle,
    private readonly settings: SignInSettings,
    private readonly audit: AuditTrail,
  ) {}

  /** Voids an earlier one. Throws what AccountGate does, `user_inactive` or `no_password`. */
  issue(userId: string): Promise<{ token: string; expiresAt: Date }> {
    return this.work.run(async () => {
      const account = await this.gate.open(userId);
      await this.gate.allow(account, account);
      if (!account.active) throw AppError.conflict('user_inactive', 'The account is inactive.');
      const credentials = await this.users.credentials({ id: userId });
      if (credentials?.passwordHash == null) throw AppError.conflict('no_password', 'This account does not sign in by a password.');
      const issued = await this.tokens.issue('password_reset', { userId, seconds: this.settings.resetSeconds, alone: true });
      await this.audit.record({
        action: 'user.password_reset_issued',
        category: 'governance',
        severity: 'medium',
        resource: { type: 'user', id: userId, name: account.username },
        detail: { expiresAt: issued.expiresAt },
      });
      return issued;
    });
  }

  /** Ends every session. Throws `reset_refused` and what PasswordPolicy.require() throws; only a success uses the token up. */
  async redeem(token: string, newPassword: string): Promise<void> {
    const found = await this.tokens.look('password_reset', token);
    if (!found?.userId) throw refused();
    const userId = found.userId;
    this.policy.require(newPassword, await this.users.byId(userId), '/newPassword');
    const passwordHash = await this.hasher.hash(newPassword);
    await this.work.run(async () => {
      if (!(await this.tokens.take('password_reset', token))) throw refused();
      const account = await this.users.credentials({ id: userId });
      if (!account?.active || !(await this.users.replacePassword(account, passwordHash))) throw refused();
      const endedSessions = await this.sessions.endAllOf(userId, 'password_changed');
      await this.throttle.unlock(account.username);
      await this.audit.record({
        action: 'user.password_reset',
        category: 'governance',
        severity: 'medium',
        resource: { type: 'user', id: userId, name: account.username },
        actor: { kind: 'user', id: userId, name: account.username },
        detail: { endedSessions },
      });
    });
  }
}

function refused(): AppError {
  return new AppError('unauthenticated', 'reset_refused', 'This link was used, is too old, or was replaced by a newer one.');
}
