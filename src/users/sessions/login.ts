import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { BoundedGate } from '../../kernel/bounded-gate.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Credentials } from '../accounts/account.js';
import { UsersRepository } from '../accounts/users.repository.js';
import { loginBusy, PasswordHasher } from '../passwords/password-hasher.js';
import { LoginEvents } from './login-events.js';
import { loginName } from './login-name.js';
import { type Attempt, LoginThrottle } from './login-throttle.js';
import { type PendingSignIn } from './pending-sign-ins.js';
import { SecondStep } from './second-step.js';
import { type OpenedSession, type SignInMode } from './sign-ins.js';

interface Outcome {
  account: Credentials | undefined;
  /** The password, of an account that may sign in. */
  matches: boolean;
  inactive?: boolean;
  answer?: OpenedSession | PendingSignIn;
}

/** More than are hashed: what comes before and after is under way meanwhile. */
const BESIDE_HASHING = 3;
const QUEUE = 64;

/** Signing in by username and password, the first of one or two steps. */
@Injectable()
export class Login {
  /** So few that others still find connections to the database. */
  private readonly gate: BoundedGate;

  constructor(
    private readonly work: UnitOfWork,
    private readonly users: UsersRepository,
    private readonly hasher: PasswordHasher,
    private readonly throttle: LoginThrottle,
    private readonly second: SecondStep,
    private readonly events: LoginEvents,
  ) {
    this.gate = new BoundedGate(hasher.width + BESIDE_HASHING, QUEUE, loginBusy);
  }

  /**
   * Opens a session, or asks for a second factor. Throws `login_failed`, the same and after the same work, whether the password is wrong,
   * the account inactive or the name unknown; `login_busy` when too many wait already; also what LoginThrottle.attempt() and AdministratorNetworks.require() throw.
   */
  async signIn(typed: string, password: string, mode: SignInMode): Promise<OpenedSession | PendingSignIn> {
    // Before anything is spent on one more, and without a connection to the database for those who wait.
    return this.gate.run(() => this.attempt(loginName(typed), password, mode));
  }

  private attempt(name: string, password: string, mode: SignInMode): Promise<OpenedSession | PendingSignIn> {
    return this.throttle.attempt(name, async (attempt) => {
      const first = await this.once(name, password, mode, attempt);
      // Right, and then no longer: its hash was made anew by another login of this moment, or the password was changed.
      const { account, inactive, answer } = first.answer || !first.matches ? first : await this.once(name, password, mode, attempt);
      if (answer) return answer;
      await this.events.failed(attempt, name, account, inactive ? 'inactive' : account ? 'wrong_password' : 'unknown_user');
      throw loginFailed();
    });
  }

  private async once(name: string, password: string, mode: SignInMode, attempt: Attempt): Promise<Outcome> {
    const account = await this.users.credentials({ username: name });
    const matches = await this.hasher.verify(account?.passwordHash, password);
    // An inactive account costs what a wrong password does: it is not asked about twice.
    if (!matches || account?.active !== true) return { account, matches: matches && account?.active === true, inactive: matches };
    return { account, matches, answer: await this.proceed(account, password, mode, attempt) };
  }

  private async proceed(
    account: Credentials,
    password: string,
    mode: SignInMode,
    attempt: Attempt,
  ): Promise<OpenedSession | PendingSignIn | undefined> {
    const strengthened = this.hasher.isWeak(account.passwordHash ?? '') ? await this.hasher.hash(password) : undefined;
    return this.second.orOpen(account, mode, attempt, async () => {
      if (!(await this.users.noteLogin(account))) return false;
      if (strengthened !== undefined)
        await this.work.query('UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2', [
          account.id,
          account.passwordHash,
          strengthened,
        ]);
      return true;
    });
  }
}

export function loginFailed(): AppError {
  return new AppError('unauthenticated', 'login_failed', 'The username or the password is wrong.');
}
