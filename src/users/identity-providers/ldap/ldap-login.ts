import { Injectable } from '@nestjs/common';
import { AppError } from '../../../kernel/app-error.js';
import { directoryName } from '../../sessions/login-name.js';
import { type Attempt, LoginThrottle } from '../../sessions/login-throttle.js';
import { type PendingSignIn } from '../../sessions/pending-sign-ins.js';
import { type OpenedSession, type SignInMode } from '../../sessions/sign-ins.js';
import { ProviderLoginEvents } from '../provider-login-events.js';
import { ProviderSessions } from '../provider-sessions.js';
import { isLdap, type LdapProvider, type Vouched } from '../provider.js';
import { noProvider, ProvidersRepository } from '../providers.repository.js';
import { LdapDirectory } from './ldap-directory.js';

@Injectable()
export class LdapLogin {
  constructor(
    private readonly providers: ProvidersRepository,
    private readonly directory: LdapDirectory,
    private readonly sessions: ProviderSessions,
    private readonly events: ProviderLoginEvents,
    private readonly throttle: LoginThrottle,
  ) {}

  /**
   * Opens a session for who proves a directory's password, or asks for their second factor. Throws `login_failed`, the same whatever is wrong, `account_not_linked`,
   * `provider_unavailable`, `provider_not_found`, or what LoginThrottle.attempt() does.
   */
  async signIn(slug: string, name: string, password: string, mode: SignInMode): Promise<OpenedSession | PendingSignIn> {
    const { provider, vouched } = await this.vouch(slug, name, password);
    try {
      return await this.sessions.open(provider, vouched, mode);
    } catch (error) {
      // As with passwords of our own, nobody learns that an account is there but switched off.
      throw error instanceof AppError && error.code === 'account_inactive' ? loginFailed() : error;
    }
  }

  /** Who it is by the directory's word. Throws as signIn() does. */
  async vouch(slug: string, name: string, password: string): Promise<{ provider: LdapProvider; vouched: Vouched }> {
    const provider = await this.providers.enabledBySlug(slug);
    if (!isLdap(provider)) throw noProvider();
    const username = name.trim();
    return this.throttle.attempt(directoryName(slug, username), (attempt) => this.ask(provider, username, password, attempt));
  }

  private async ask(
    provider: LdapProvider,
    username: string,
    password: string,
    attempt: Attempt,
  ): Promise<{ provider: LdapProvider; vouched: Vouched }> {
    const answer = await this.directory.authenticate(provider, username, password).catch(async (error: unknown) => {
      await this.events.failed(provider, 'provider_unavailable', { typed: username });
      throw error;
    });
    if (typeof answer !== 'string') {
      await this.events.proven(attempt);
      return { provider, vouched: answer };
    }
    await this.events.failed(provider, answer, { typed: username, attempt });
    throw loginFailed();
  }
}

function loginFailed(): AppError {
  return new AppError('unauthenticated', 'login_failed', 'The username or the password is wrong.');
}
