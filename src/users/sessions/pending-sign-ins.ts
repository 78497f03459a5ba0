import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { type Credentials } from '../accounts/account.js';
import { UsersRepository } from '../accounts/users.repository.js';
import { type FactorKind } from '../second-factors/second-factors.js';
import { OneTimeTokens } from './one-time-tokens.js';
import { SignInSettings } from './sign-in-settings.js';
import { type SignInMode } from './sign-ins.js';

/** The password was right; one more step is missing. */
export interface PendingSignIn {
  mode: 'pending';
  ticket: string;
  expiresInSeconds: number;
  kinds: FactorKind[];
}

/** Sign-ins between their two steps. A ticket is good for one session, for five minutes, and not after the password changed. */
@Injectable()
export class PendingSignIns {
  constructor(
    private readonly tokens: OneTimeTokens,
    private readonly users: UsersRepository,
    private readonly settings: SignInSettings,
  ) {}

  async begin(account: Credentials, mode: SignInMode, kinds: FactorKind[]): Promise<PendingSignIn> {
    const { ticketSeconds: seconds } = this.settings;
    const detail = { mode, password: fingerprint(account) };
    const { token } = await this.tokens.issue('second_factor', { userId: account.id, detail, seconds });
    return { mode: 'pending', ticket: token, expiresInSeconds: seconds, kinds };
  }

  /** Whose sign-in it is. Throws `ticket_refused`. */
  async look(ticket: string): Promise<{ account: Credentials; mode: SignInMode }> {
    const found = await this.tokens.look('second_factor', ticket);
    const account = found?.userId == null ? undefined : await this.users.credentials({ id: found.userId });
    if (!found || account?.active !== true || fingerprint(account) !== found.detail.password) throw ticketRefused();
    return { account, mode: found.detail.mode === 'console' ? 'console' : 'tokens' };
  }

  /** Part of the unit of work that opens the session: of two with one ticket, one gets it. Throws `ticket_refused`. */
  async use(ticket: string): Promise<void> {
    if (!(await this.tokens.take('second_factor', ticket))) throw ticketRefused();
  }
}

function fingerprint({ passwordHash }: Credentials): string {
  return createHash('sha256')
    .update(passwordHash ?? '')
    .digest('base64url');
}

function ticketRefused(): AppError {
  return new AppError('unauthenticated', 'ticket_refused', 'This sign-in took too long or is over; begin again with the password.');
}
