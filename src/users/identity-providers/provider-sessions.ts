import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Credentials } from '../accounts/account.js';
import { UsersRepository } from '../accounts/users.repository.js';
import { AdministratorNetworks } from '../sessions/administrator-networks.js';
import { type PendingSignIn, PendingSignIns } from '../sessions/pending-sign-ins.js';
import { SecondStep } from '../sessions/second-step.js';
import { SECOND_FACTORS } from '../sessions/session-life.js';
import { type OpenedSession, type SignInMode, SignIns } from '../sessions/sign-ins.js';
import { Sessions } from '../sessions/sessions.js';
import { IdentitiesRepository } from './identities.repository.js';
import { ProvidedAccounts } from './provided-accounts.js';
import { ProviderLoginEvents } from './provider-login-events.js';
import { type Provider, type Vouched } from './provider.js';

interface OpenSession {
  id: string;
  userId: string;
  username: string;
}

/** Sessions that a provider's word opened and may end. */
@Injectable()
export class ProviderSessions {
  constructor(
    private readonly work: UnitOfWork,
    private readonly accounts: ProvidedAccounts,
    private readonly identities: IdentitiesRepository,
    private readonly users: UsersRepository,
    private readonly networks: AdministratorNetworks,
    private readonly second: SecondStep,
    private readonly pending: PendingSignIns,
    private readonly signIns: SignIns,
    private readonly sessions: Sessions,
    private readonly events: ProviderLoginEvents,
    private readonly audit: AuditTrail,
  ) {}

  /**
   * The one place where a sign-in from elsewhere becomes a session, or waits for the account's second factor where the provider does not say that
   * it checked one. Throws `account_not_linked`, `account_inactive` or `network_refused`.
   */
  async open(provider: Provider, vouched: Vouched, mode: SignInMode): Promise<OpenedSession | PendingSignIn> {
    const { session } = vouched;
    const methods = [provider.kind, ...(vouched.amr ?? []).filter((method) => SECOND_FACTORS.includes(method))];
    try {
      return await this.work.run(async () => {
        const account = await this.accounts.of(provider, vouched);
        await this.networks.require(account);
        const credentials = await this.noteLogin(account.id);
        const from = { id: provider.id, slug: provider.slug, ...(session === undefined ? {} : { session }) };
        const asked = await this.second.after(credentials, { mode, methods, provider: from });
        if (asked) return asked;
        const opened = await this.signIns.open({
          userId: account.id,
          mustChangePassword: account.mustChangePassword,
          mode,
          methods,
          providerId: provider.id,
          ...(session === undefined ? {} : { providerSession: session }),
        });
        await this.events.succeeded(provider, account, vouched, opened.sessionId);
        return opened;
      });
    } catch (error) {
      if (error instanceof AppError && error.kind === 'forbidden') await this.events.failed(provider, error.code, { vouched });
      throw error;
    }
  }

  /** Ends what a provider's session opened, or everything of a person when it names none, and returns how many. */
  endOf(provider: Provider, { session, externalId }: { session?: string; externalId?: string }): Promise<number> {
    return this.work.run(async () => {
      const open = await this.work.query<OpenSession>(
        `SELECT s.id, s.user_id AS "userId", u.username
           FROM auth_sessions s JOIN users u ON u.id = s.user_id
          WHERE s.provider_id = $1 AND s.ended_at IS NULL
            AND ($2::text IS NULL OR s.provider_session = $2)
            AND ($3::text IS NULL OR EXISTS (SELECT FROM user_identities i
                                              WHERE i.provider_id = $1 AND i.user_id = s.user_id AND i.external_id = $3))
          ORDER BY s.id`,
        [provider.id, session ?? null, externalId ?? null],
      );
      for (const one of open) await this.end(provider, one);
      const person = externalId === undefined ? undefined : await this.identities.of(provider.id, externalId);
      if (externalId === undefined || person) await this.pending.forget(provider.id, session, person?.userId);
      return open.length;
    });
  }

  private async end(provider: Provider, { id, userId, username }: OpenSession): Promise<void> {
    if (!(await this.sessions.end(id, 'provider_logout'))) return;
    await this.audit.record({
      action: 'session.ended',
      category: 'access',
      resource: { type: 'session', id },
      actor: { kind: 'user', id: userId, name: username },
      detail: { reason: 'provider_logout', provider: provider.slug },
    });
  }

  private async noteLogin(userId: string): Promise<Credentials> {
    const credentials = await this.users.credentials({ id: userId });
    if (!credentials || !(await this.users.noteLogin(credentials)))
      throw new AppError('forbidden', 'account_inactive', 'The account is deactivated.');
    return credentials;
  }
}
