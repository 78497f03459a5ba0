import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { actorName } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { staleVersion } from '../../platform/http/etag.js';
import { Sessions } from '../sessions/sessions.js';
import { type Account, type AccountFilter } from './account.js';
import { Administrators } from './administrators.js';
import { type PatchUser } from './user.dto.js';
import { UsersRepository } from './users.repository.js';

@Injectable()
export class UsersService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly users: UsersRepository,
    private readonly administrators: Administrators,
    private readonly sessions: Sessions,
    private readonly audit: AuditTrail,
  ) {}

  list(filter: AccountFilter): Promise<{ items: Account[]; total: number }> {
    return this.users.page(filter);
  }

  get(id: string): Promise<Account> {
    return this.users.byId(id);
  }

  /** Deactivating ends every session at once. Nothing happens, and nothing is recorded, when nothing changes. */
  patch(id: string, input: PatchUser, expected: number | undefined): Promise<Account> {
    return this.work.run(async () => {
      const before = await this.locked(id, expected);
      const { email = before.email, displayName = before.displayName, active = before.active } = input;
      await this.administrators.allow(before, { ...before, active });
      if (email === before.email && displayName === before.displayName && active === before.active) return before;
      await this.users.update(id, { email, displayName, active });
      const endedSessions = before.active && !active ? await this.sessions.endAllOf(id, 'revoked') : undefined;
      const after = await this.users.byId(id);
      await this.audit.record({
        action: active === before.active ? 'user.updated' : active ? 'user.activated' : 'user.deactivated',
        category: 'governance',
        resource: { type: 'user', id, name: after.username },
        before,
        after,
        ...(endedSessions === undefined ? {} : { detail: { endedSessions } }),
      });
      return after;
    });
  }

  /** Effective on the user's next request. */
  setRoles(id: string, roles: readonly string[], expected: number | undefined): Promise<Account> {
    return this.work.run(async () => {
      const before = await this.locked(id, expected);
      await this.administrators.allow(before, { ...before, roles });
      if (new Set([...before.roles, ...roles]).size === before.roles.length && roles.length === before.roles.length) return before;
      await this.users.setRoles(id, roles, actorName());
      await this.users.update(id, {});
      const after = await this.users.byId(id);
      await this.audit.record({
        action: 'user.roles_changed',
        category: 'governance',
        severity: 'medium',
        resource: { type: 'user', id, name: after.username },
        before,
        after,
      });
      this.sessions.rightsChanged(id);
      return after;
    });
  }

  private async locked(id: string, expected: number | undefined): Promise<Account> {
    await this.administrators.lock();
    const account = await this.users.lockedById(id);
    if (expected !== undefined && expected !== account.version) throw staleVersion(account.version);
    return account;
  }
}
