import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { currentContext } from '../../platform/context/request-context.js';
import { staleVersion } from '../../platform/http/etag.js';
import { Authority, type WantedRole } from '../roles/authority.js';
import { Sessions } from '../sessions/sessions.js';
import { type Account } from './account.js';
import { Administrators, type Standing } from './administrators.js';
import { UsersRepository } from './users.repository.js';

/** What every change of somebody's account goes through. */
@Injectable()
export class AccountGate {
  constructor(
    private readonly users: UsersRepository,
    private readonly administrators: Administrators,
    private readonly authority: Authority,
    private readonly sessions: Sessions,
  ) {}

  /**
   * The account, which nobody else changes until the unit of work ends; what is remembered of its rights is forgotten then. Throws
   * `user_not_found`, `stale_version` or `user_anonymised`.
   */
  async open(id: string, expected?: number): Promise<Account> {
    await this.administrators.lock();
    const account = await this.users.lockedById(id);
    if (expected !== undefined && expected !== account.version) throw staleVersion(account.version);
    if (account.status === 'anonymised')
      throw AppError.conflict('user_anonymised', 'This account was anonymised; nothing of it comes back.');
    this.sessions.rightsChanged(id);
    return account;
  }

  /**
   * Throws what Administrators.allow() throws, `target_exceeds_you` for an account with rights that the caller lacks, `rights_exceeded` for
   * roles that would give it such, and `own_roles` for roles that somebody gives themselves: what they hold for a while, or as long as a group
   * says so, would be theirs for good.
   */
  async allow(before: Account, after: Omit<Standing, 'id'>, granted: readonly WantedRole[] = []): Promise<void> {
    await this.administrators.allow(before, after);
    await this.authority.requireNotAbove([before.id]);
    await this.authority.requireGrantable(granted);
    if (granted.length > 0 && before.id === currentContext()?.principal?.id)
      throw AppError.conflict('own_roles', 'Nobody gives themselves roles; somebody else can.');
  }

  /** The same for what takes an account away, which nobody does to their own: `own_account`. */
  async allowClosing(before: Account): Promise<void> {
    await this.allow(before, { active: false, roles: [] });
    if (before.id === currentContext()?.principal?.id)
      throw AppError.conflict('own_account', 'You cannot close your own account; somebody else can.');
  }
}
