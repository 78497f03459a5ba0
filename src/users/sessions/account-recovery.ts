import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { AccountGate } from '../accounts/account-gate.js';
import { UsersRepository } from '../accounts/users.repository.js';
import { SecondFactors } from '../second-factors/second-factors.js';
import { DirectoryNames } from './directory-names.js';
import { LoginThrottle } from './login-throttle.js';
import { Sessions } from './sessions.js';

/** What administrators do for people who cannot sign in any more, or should not be signed in. */
@Injectable()
export class AccountRecovery {
  constructor(
    private readonly work: UnitOfWork,
    private readonly users: UsersRepository,
    private readonly gate: AccountGate,
    private readonly throttle: LoginThrottle,
    private readonly elsewhere: DirectoryNames,
    private readonly factors: SecondFactors,
    private readonly sessions: Sessions,
    private readonly audit: AuditTrail,
  ) {}

  /** Ends locks and delays of the account's name, and of its names at directories, everywhere and at once. Throws `user_not_found`. */
  unlock(userId: string): Promise<void> {
    return this.work.run(async () => {
      const { username } = await this.users.byId(userId);
      let networks = 0;
      for (const name of [username, ...(await this.elsewhere.of(userId))]) networks += await this.throttle.unlock(name);
      await this.audit.record({
        action: 'user.unlocked',
        category: 'governance',
        resource: { type: 'user', id: userId, name: username },
        detail: { networks },
      });
    });
  }

  /** Returns how many ended, each with its event. Throws what AccountGate does. */
  endSessions(userId: string): Promise<number> {
    return this.work.run(async () => {
      const account = await this.gate.open(userId);
      await this.gate.allow(account, account);
      return this.sessions.revokeAllOf(account.id, 'revoked');
    });
  }

  /** Somebody's session, with its event. Throws `session_not_found` and what AccountGate does. */
  endSession(sessionId: string): Promise<void> {
    return this.work.run(async () => {
      const userId = await this.sessions.userOf(sessionId);
      if (userId === undefined) throw AppError.notFound('session', sessionId);
      const account = await this.gate.open(userId);
      await this.gate.allow(account, account);
      if (!(await this.sessions.revoke(sessionId, 'revoked'))) throw AppError.notFound('session', sessionId);
    });
  }

  /** For who lost their authenticator and their codes. Leaves no event when there was nothing. Throws what AccountGate does. */
  removeSecondFactors(userId: string): Promise<void> {
    return this.work.run(async () => {
      const account = await this.gate.open(userId);
      await this.gate.allow(account, account);
      const removed = await this.factors.removeAll(userId);
      if (!removed.totp && removed.passkeys === 0) return;
      await this.audit.record({
        action: 'user.second_factors_removed',
        category: 'governance',
        severity: 'high',
        resource: { type: 'user', id: userId, name: account.username },
        detail: removed,
      });
    });
  }
}
