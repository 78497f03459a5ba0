import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Account } from '../accounts/account.js';
import { Administrators } from '../accounts/administrators.js';
import { UsersRepository } from '../accounts/users.repository.js';
import { SUPERUSER } from '../roles/system-roles.js';
import { Sessions } from '../sessions/sessions.js';
import { asProvider } from './as-provider.js';
import { type Provider } from './provider.js';

/** Roles that follow a person's groups. Only assignments of this provider are ever touched: what was given by hand stays. */
@Injectable()
export class MappedRoles {
  constructor(
    private readonly work: UnitOfWork,
    private readonly users: UsersRepository,
    private readonly administrators: Administrators,
    private readonly sessions: Sessions,
    private readonly audit: AuditTrail,
  ) {}

  /**
   * Part of the open unit of work; touches nothing and locks nobody when all is as it should be. A change that would leave nobody in charge
   * is not made but reported.
   */
  async follow(provider: Provider, userId: string, groups: readonly string[]): Promise<void> {
    const wanted = wantedRoles(provider, groups);
    if (same(await this.held(provider.id, userId), wanted)) return;
    await asProvider(provider, async () => {
      await this.administrators.lock();
      const before = await this.users.lockedById(userId);
      // Read again, under the lock.
      const held = await this.held(provider.id, userId);
      if (same(held, wanted)) return;
      const others = await this.heldOtherwise(provider.id, userId);
      const roles = [...new Set([...others, ...wanted])];
      try {
        await this.administrators.allow(before, { ...before, roles });
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        await this.report(provider, before, error);
        return;
      }
      await this.replace(provider, before, wanted);
    });
  }

  /** Takes everything this provider gave. Part of the open unit of work, under Administrators.lock(), after Administrators.allow(). */
  async forget(provider: Pick<Provider, 'id'>, userId: string): Promise<void> {
    await this.work.queryInside('DELETE FROM user_roles WHERE user_id = $1 AND provider_id = $2', [userId, provider.id]);
    this.sessions.rightsChanged(userId);
  }

  /** Roles that do not come from this provider. */
  async heldOtherwise(providerId: string, userId: string): Promise<string[]> {
    const rows = await this.work.query<{ name: string }>(
      'SELECT DISTINCT r.name FROM user_roles ur JOIN roles r ON r.id = ur.role_id WHERE ur.user_id = $1 AND ur.provider_id IS DISTINCT FROM $2',
      [userId, providerId],
    );
    return rows.map(({ name }) => name);
  }

  private async held(providerId: string, userId: string): Promise<string[]> {
    const rows = await this.work.query<{ name: string }>(
      'SELECT r.name FROM user_roles ur JOIN roles r ON r.id = ur.role_id WHERE ur.user_id = $1 AND ur.provider_id = $2',
      [userId, providerId],
    );
    return rows.map(({ name }) => name);
  }

  private async replace(provider: Provider, before: Account, wanted: readonly string[]): Promise<void> {
    await this.work.queryInside(
      `DELETE FROM user_roles ur USING roles r
        WHERE r.id = ur.role_id AND ur.user_id = $1 AND ur.provider_id = $2 AND r.name <> ALL ($3::text[])`,
      [before.id, provider.id, wanted],
    );
    await this.work.queryInside(
      `INSERT INTO user_roles (user_id, role_id, assigned_by, source, provider_id)
       SELECT $1, r.id, $4, 'identity_provider', $2 FROM roles r WHERE r.name = ANY ($3::text[])
       ON CONFLICT DO NOTHING`,
      [before.id, provider.id, wanted, `provider ${provider.slug}`],
    );
    await this.users.update(before.id, {});
    this.sessions.rightsChanged(before.id);
    await this.audit.record({
      action: 'user.roles_changed',
      category: 'governance',
      severity: 'medium',
      resource: { type: 'user', id: before.id, name: before.username },
      before,
      after: await this.users.byId(before.id),
      detail: { provider: provider.slug },
    });
  }

  private async report(provider: Provider, { id, username }: Account, { code }: AppError): Promise<void> {
    await this.audit.record({
      action: 'identity_provider.sync_refused',
      category: 'governance',
      severity: 'high',
      outcome: 'denied',
      resource: { type: 'user', id, name: username },
      detail: { provider: provider.slug, code },
    });
  }
}

function wantedRoles({ roleMap, mayGrantSuperuser }: Provider, groups: readonly string[]): string[] {
  const roles = roleMap.filter(({ group }) => groups.includes(group)).map(({ role }) => role);
  // The configuration refuses such a map already; this is what holds when a row was written past it.
  return [...new Set(roles)].filter((role) => role !== SUPERUSER || mayGrantSuperuser);
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}
