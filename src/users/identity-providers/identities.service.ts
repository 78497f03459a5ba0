import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Administrators } from '../accounts/administrators.js';
import { UsersRepository } from '../accounts/users.repository.js';
import { type SignedIn } from '../sessions/signed-in.js';
import { asProvider } from './as-provider.js';
import { IdentitiesRepository } from './identities.repository.js';
import { type Identity } from './identity.js';
import { MappedRoles } from './mapped-roles.js';
import { type Provider, type Vouched } from './provider.js';

/** Which identities elsewhere open somebody's account. */
@Injectable()
export class IdentitiesService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly identities: IdentitiesRepository,
    private readonly users: UsersRepository,
    private readonly administrators: Administrators,
    private readonly roles: MappedRoles,
    private readonly audit: AuditTrail,
  ) {}

  mine({ id }: SignedIn): Promise<Identity[]> {
    return this.identities.ofUser(id);
  }

  /** Throws `identity_taken` or `provider_already_linked`. */
  link(me: SignedIn, provider: Provider, vouched: Vouched): Promise<Identity> {
    return this.work.run(async () => {
      // Before the row: whoever follows groups takes the same two in the same order.
      await this.administrators.lock();
      const identity = await this.identities.insert(provider.id, me.id, vouched);
      await this.audit.record({ action: 'identity.linked', ...about(identity), after: auditedOf(identity) });
      await this.roles.follow(provider, me.id, vouched.groups);
      return identity;
    });
  }

  /** Takes the roles its groups gave along. Throws `identity_not_found`, `last_way_in`, or what Administrators.allow() throws. */
  async unlink(me: SignedIn, slug: string): Promise<void> {
    await this.work.run(async () => {
      await this.administrators.lock();
      const identity = (await this.identities.ofUser(me.id)).find((one) => one.providerSlug === slug);
      if (!identity) throw AppError.notFound('identity', slug);
      if (!(await this.identities.hasOtherWayIn(me.id, identity.id)))
        throw AppError.conflict('last_way_in', 'Without this identity nobody could sign in to the account.');
      const before = await this.users.lockedById(me.id);
      const left = await this.roles.heldOtherwise(identity.providerId, me.id);
      await asProvider({ id: identity.providerId, slug: identity.providerSlug }, () =>
        this.administrators.allow(before, { ...before, roles: left }),
      );
      await this.roles.forget({ id: identity.providerId }, me.id);
      await this.identities.delete(identity.id);
      await this.audit.record({ action: 'identity.unlinked', ...about(identity), before: auditedOf(identity) });
    });
  }
}

function about({ id, providerSlug }: Identity): { category: 'governance'; resource: { type: string; id: string; name: string } } {
  return { category: 'governance', resource: { type: 'identity', id, name: providerSlug } };
}

function auditedOf({ providerSlug, externalId, userId, name }: Identity): object {
  return { provider: providerSlug, externalId, userId, name };
}
