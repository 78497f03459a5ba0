import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Credentials } from '../accounts/account.js';
import { UsersRepository } from '../accounts/users.repository.js';
import { LoginEvents } from './login-events.js';
import { PasswordHasher } from './password-hasher.js';
import { RefreshTokens, type TokenPair } from './refresh-tokens.js';

@Injectable()
export class Login {
  constructor(
    private readonly work: UnitOfWork,
    private readonly users: UsersRepository,
    private readonly hasher: PasswordHasher,
    private readonly tokens: RefreshTokens,
    private readonly events: LoginEvents,
  ) {}

  /**
   * Opens a session. Throws `login_failed`, the same and after the same work, whether the password is wrong, the account inactive or the
   * name unknown. No number of failures locks anybody out.
   */
  async signIn(name: string, password: string): Promise<TokenPair> {
    const username = name.trim().toLowerCase();
    const account = await this.users.credentials({ username });
    const matches = await this.hasher.verify(account?.passwordHash, password);
    const pair = matches && account?.active === true ? await this.open(account) : undefined;
    if (pair) return pair;
    await this.events.failed(username, account, matches ? 'inactive' : account ? 'wrong_password' : 'unknown_user');
    throw new AppError('unauthenticated', 'login_failed', 'The username or the password is wrong.');
  }

  private open(account: Credentials): Promise<TokenPair | undefined> {
    return this.work.run(async () => {
      if (!(await this.users.noteLogin(account))) return undefined;
      const { sessionId, ...pair } = await this.tokens.open(account.id, account.mustChangePassword);
      await this.events.succeeded(account, sessionId);
      return pair;
    });
  }
}
