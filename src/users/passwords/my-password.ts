import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Credentials } from '../accounts/account.js';
import { UsersRepository } from '../accounts/users.repository.js';
import { LoginEvents } from '../sessions/login-events.js';
import { type Attempt, LoginThrottle } from '../sessions/login-throttle.js';
import { Sessions } from '../sessions/sessions.js';
import { type SignedIn } from '../sessions/signed-in.js';
import { PasswordHasher } from './password-hasher.js';
import { PasswordPolicy } from './password-policy.js';

@Injectable()
export class MyPassword {
  constructor(
    private readonly work: UnitOfWork,
    private readonly users: UsersRepository,
    private readonly hasher: PasswordHasher,
    private readonly policy: PasswordPolicy,
    private readonly sessions: Sessions,
    private readonly throttle: LoginThrottle,
    private readonly events: LoginEvents,
    private readonly audit: AuditTrail,
  ) {}

  /**
   * Ends the caller's other sessions. Throws `wrong_password`, `password_unchanged`, what PasswordPolicy.require() throws, and what
   * LoginThrottle.attempt() throws: a session somebody left open is no place to guess its owner's password.
   */
  async change(me: SignedIn, currentPassword: string, newPassword: string): Promise<void> {
    this.policy.require(newPassword, await this.users.byId(me.id), '/newPassword');
    await this.throttle.attempt(me.name, async (attempt) => {
      const account = await this.users.credentials({ id: me.id });
      if (!account || !(await this.hasher.verify(account.passwordHash, currentPassword))) throw await this.refused(me, attempt);
      if (newPassword.normalize('NFC') === currentPassword.normalize('NFC'))
        throw AppError.field('/newPassword', 'password_unchanged', 'This is the password you have already.');
      await this.replace(me, account, await this.hasher.hash(newPassword), attempt);
    });
  }

  private async replace(me: SignedIn, account: Credentials, passwordHash: string, attempt: Attempt): Promise<void> {
    await this.work.run(async () => {
      if (!(await this.users.replacePassword(account, passwordHash)))
        throw AppError.conflict('password_changed_meanwhile', 'The password was changed elsewhere at this moment.');
      const endedSessions = await this.sessions.endAllOf(me.id, 'password_changed', me.sessionId);
      await this.throttle.succeeded(attempt);
      await this.audit.record({
        action: 'user.password_changed',
        category: 'governance',
        resource: { type: 'user', id: me.id, name: me.name },
        detail: { endedSessions },
      });
    });
  }

  /** Somebody at a signed-in machine guesses: worth an event, though the request changes nothing. */
  private async refused(me: SignedIn, attempt: Attempt): Promise<AppError> {
    const resource = { type: 'user', id: me.id, name: me.name };
    await this.work.run(async () => {
      await this.audit.record({
        action: 'user.password_change_refused',
        category: 'access',
        outcome: 'denied',
        severity: 'medium',
        resource,
      });
      await this.events.counted(attempt, resource);
    });
    return AppError.field('/currentPassword', 'wrong_password', 'This is not your present password.');
  }
}
