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

/** What the first step was, and what the session is to have. */
export interface FirstStep {
  mode: SignInMode;
  methods: readonly string[];
  /** Who vouched, where it was not a password of ours. */
  provider?: { id: string; slug: string; session?: string };
}

interface Kept {
  mode?: string;
  methods?: string[];
  provider?: FirstStep['provider'];
  password?: string;
}

/** Sign-ins between their two steps. A ticket is good for one session, for five minutes, and not after the password changed. */
@Injectable()
export class PendingSignIns {
  constructor(
    private readonly tokens: OneTimeTokens,
    private readonly users: UsersRepository,
    private readonly settings: SignInSettings,
  ) {}

  async begin(account: Credentials, first: FirstStep, kinds: FactorKind[]): Promise<PendingSignIn> {
    const { ticketSeconds: seconds } = this.settings;
    const detail = { ...first, password: fingerprint(account) };
    const { token } = await this.tokens.issue('second_factor', { userId: account.id, detail, seconds });
    return { mode: 'pending', ticket: token, expiresInSeconds: seconds, kinds };
  }

  /** Whose sign-in it is, and how it began. Throws `ticket_refused`. */
  async look(ticket: string): Promise<{ account: Credentials; first: FirstStep }> {
    const found = await this.tokens.look('second_factor', ticket);
    const account = found?.userId == null ? undefined : await this.users.credentials({ id: found.userId });
    // Written by begin().
    const { mode, methods = [], provider, password } = (found?.detail ?? {}) as Kept;
    if (account?.active !== true || fingerprint(account) !== password) throw ticketRefused();
    return { account, first: { mode: mode === 'console' ? 'console' : 'tokens', methods, ...(provider ? { provider } : {}) } };
  }

  /** Part of the open unit of work. The provider said that its own session ended, or everything of somebody: what that began, nobody completes. */
  async forget(providerId: string, session: string | undefined, userId: string | undefined): Promise<void> {
    await this.tokens.voidThose('second_factor', { provider: { id: providerId, ...(session === undefined ? {} : { session }) } }, userId);
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
