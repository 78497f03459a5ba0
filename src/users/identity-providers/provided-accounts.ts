import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Account } from '../accounts/account.js';
import { Administrators } from '../accounts/administrators.js';
import { UsersRepository } from '../accounts/users.repository.js';
import { asProvider } from './as-provider.js';
import { IdentitiesRepository } from './identities.repository.js';
import { type Identity } from './identity.js';
import { MappedRoles } from './mapped-roles.js';
import { type Provider, type Vouched } from './provider.js';
import { candidates } from './username-wish.js';

const EMAIL = /^[^\s@]{1,64}@[^\s@]{1,189}$/;

/** The account of whom a provider vouched for. */
@Injectable()
export class ProvidedAccounts {
  constructor(
    private readonly work: UnitOfWork,
    private readonly users: UsersRepository,
    private readonly identities: IdentitiesRepository,
    private readonly roles: MappedRoles,
    private readonly administrators: Administrators,
    private readonly audit: AuditTrail,
  ) {}

  /**
   * The linked account, with the roles its groups give it now; a new one where the provider makes accounts. Part of the unit of work that
   * signs in. Throws `account_not_linked` or `account_inactive`.
   */
  async of(provider: Provider, vouched: Vouched): Promise<Account> {
    const identity = (await this.identities.of(provider.id, vouched.externalId)) ?? (await this.register(provider, vouched));
    const { active } = await this.users.byId(identity.userId);
    if (!active) throw new AppError('forbidden', 'account_inactive', 'The account is deactivated.');
    await this.roles.follow(provider, identity.userId, vouched.groups);
    await this.identities.refresh(identity.id, vouched, true);
    return this.users.byId(identity.userId);
  }

  private async register(provider: Provider, vouched: Vouched): Promise<Identity> {
    if (!provider.createsAccounts)
      throw new AppError(
        'forbidden',
        'account_not_linked',
        'No account is linked to this identity; sign in as usual and link it, or ask for an account.',
      );
    return asProvider(provider, async () => {
      // Two first sign-ins of one person at once: the second finds what the first made.
      await this.administrators.lock();
      return (await this.identities.of(provider.id, vouched.externalId)) ?? this.create(provider, vouched);
    });
  }

  private async create(provider: Provider, vouched: Vouched): Promise<Identity> {
    const id = await this.insertUser(provider, vouched);
    await this.work.queryInside(
      `INSERT INTO user_roles (user_id, role_id, assigned_by)
       SELECT $1, r.id, $3 FROM roles r WHERE r.name = ANY ($2::text[])
       ON CONFLICT DO NOTHING`,
      [id, provider.defaultRoles, `provider ${provider.slug}`],
    );
    const account = await this.users.byId(id);
    const identity = await this.identities.insert(provider.id, id, vouched);
    await this.audit.record({
      action: 'user.created',
      category: 'governance',
      resource: { type: 'user', id, name: account.username },
      after: account,
      detail: { provider: provider.slug, externalId: vouched.externalId },
    });
    return identity;
  }

  /** Without a password. An e-mail address that an account has already stays with that account. */
  private async insertUser(provider: Provider, { username, email = '', displayName = '' }: Vouched): Promise<string> {
    for (const name of candidates(username)) {
      const [made] = await this.work.queryInside<{ id: string }>(
        `INSERT INTO users (username, email, display_name, created_by)
         SELECT $1, CASE WHEN EXISTS (SELECT FROM users WHERE lower(email) = lower($2)) THEN NULL ELSE $2 END, $3, $4
         ON CONFLICT DO NOTHING
         RETURNING id`,
        [name, EMAIL.test(email) ? email : null, displayName.slice(0, 200), `provider ${provider.slug}`],
      );
      if (made) return made.id;
    }
    throw new Error('There are always more names.');
  }
}
