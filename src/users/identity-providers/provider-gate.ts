import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { canonicalJson, toJson } from '../../kernel/canonical-json.js';
import { Administrators } from '../accounts/administrators.js';
import { Authority } from '../roles/authority.js';
import { SUPERUSER } from '../roles/system-roles.js';
import { type Secrets } from './provider-secrets.js';
import { type Provider } from './provider.js';
import { ProvidersRepository } from './providers.repository.js';

type Grants = Pick<Provider, 'roleMap' | 'defaultRoles' | 'mayGrantSuperuser'>;
type Wanted = Grants & Pick<Provider, 'createsAccounts'>;

/** A provider as it is, or is to be, with its secrets in the clear. */
export interface Configured {
  provider: Provider;
  secrets: Secrets;
}

/**
 * Whoever decides whom a provider vouches for can sign in as everybody who signs in by it, and as somebody new with every role that it gives:
 * all of that has to be theirs.
 */
@Injectable()
export class ProviderGate {
  constructor(
    private readonly providers: ProvidersRepository,
    private readonly administrators: Administrators,
    private readonly authority: Authority,
  ) {}

  /** Nobody's rights change until the unit of work ends. Before the provider's row, as those who follow groups take the two. */
  open(): Promise<void> {
    return this.administrators.lock();
  }

  /** Throws `superuser_not_allowed`, `superuser_required`, `rights_exceeded`, or `forbidden` for who may not assign roles or make accounts. */
  async allowNew(wanted: Wanted): Promise<void> {
    requireHarmless(wanted);
    if (wanted.mayGrantSuperuser) await this.requireSuperuser();
    await this.requireHeld(wanted);
  }

  /** Also throws `target_exceeds_you` when somebody who signs in by it has rights that the caller lacks. A new name, or none at all, is free to all. */
  async allowChange(before: Configured, after: Configured): Promise<void> {
    requireHarmless(after.provider);
    if (vouchesTheSame(before, after)) return;
    const { id, mayGrantSuperuser } = before.provider;
    if (mayGrantSuperuser || after.provider.mayGrantSuperuser || (await this.providers.vouchesForSuperuser(id, SUPERUSER)))
      await this.requireSuperuser();
    await this.requireHeld(before.provider);
    await this.requireHeld(after.provider);
    await this.authority.requireNotAbove(await this.providers.linkedUsers(id));
  }

  private async requireHeld({ roleMap, defaultRoles, createsAccounts }: Wanted): Promise<void> {
    const roles = [...roleMap.map(({ role }) => role), ...defaultRoles];
    if (roles.length > 0) await this.authority.require('role:assign');
    if (createsAccounts) await this.authority.require('user:write');
    await this.authority.requireGrantable(roles.map((role) => ({ role })));
  }

  private requireSuperuser(): Promise<void> {
    return this.administrators.allow({ active: true, roles: [] }, { active: true, roles: [SUPERUSER] });
  }
}

function requireHarmless({ roleMap, defaultRoles, mayGrantSuperuser }: Grants): void {
  const mapped = mayGrantSuperuser ? -1 : roleMap.findIndex(({ role }) => role === SUPERUSER);
  const given = defaultRoles.indexOf(SUPERUSER);
  if (mapped < 0 && given < 0) return;
  throw AppError.field(
    mapped < 0 ? `/defaultRoles/${given}` : `/roleMap/${mapped}/role`,
    'superuser_not_allowed',
    'Nobody becomes a superuser by default, and by a group only where `mayGrantSuperuser` says so.',
  );
}

/** Whether nobody can sign in by it afterwards who could not before, nor as somebody else or with other roles. */
function vouchesTheSame(before: Configured, after: Configured): boolean {
  const means = ({ provider: { config, roleMap, defaultRoles, createsAccounts, mayGrantSuperuser }, secrets }: Configured): string =>
    canonicalJson(toJson({ config, roleMap, defaultRoles, createsAccounts, mayGrantSuperuser, secrets }));
  return (!after.provider.enabled || before.provider.enabled) && means(before) === means(after);
}
