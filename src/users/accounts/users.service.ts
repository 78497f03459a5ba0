import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Sessions } from '../sessions/sessions.js';
import { type Account, type AccountFilter } from './account.js';
import { AccountGate } from './account-gate.js';
import { PosixRanges } from './posix-ranges.js';
import { requireOwner } from './service-owner.js';
import { type PatchUser } from './user.dto.js';
import { UsersRepository } from './users.repository.js';

const FIELDS = ['email', 'displayName', 'active', 'ownerId', 'uidNumber', 'gidNumber', 'loginShell', 'homeDirectory'] as const;

@Injectable()
export class UsersService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly users: UsersRepository,
    private readonly gate: AccountGate,
    private readonly ranges: PosixRanges,
    private readonly sessions: Sessions,
    private readonly audit: AuditTrail,
  ) {}

  list(filter: AccountFilter): Promise<{ items: Account[]; total: number }> {
    return this.users.page(filter);
  }

  get(id: string): Promise<Account> {
    return this.users.byId(id);
  }

  /**
   * Deactivating ends every session at once. Nothing happens, and nothing is recorded, when nothing changes. Throws what AccountGate throws,
   * `email_taken`, `user_pending`, `uid_outside_range`, `uid_number_taken`, `unknown_gid_number`, `unknown_owner` or `owner_of_person`.
   */
  patch(id: string, input: PatchUser, expected: number | undefined): Promise<Account> {
    return this.work.run(async () => {
      const before = await this.gate.open(id, expected);
      const next = { ...before };
      for (const field of FIELDS) if (input[field] !== undefined) Object.assign(next, { [field]: input[field] });
      if (before.active && !next.active) await this.gate.allowClosing(before);
      else await this.gate.allow(before, next);
      if (FIELDS.every((field) => next[field] === before[field])) return before;
      if (next.active && before.status === 'pending')
        throw AppError.conflict('user_pending', 'This account waits for approval: POST /api/v1/users/{id}/approve.');
      // What it has it may keep, also when the range was moved since.
      if (next.uidNumber !== null && next.uidNumber !== before.uidNumber) this.ranges.require(before.kind, next.uidNumber);
      if (next.ownerId !== before.ownerId) await requireOwner(this.users, before.kind, next.ownerId);
      return this.change(before, next);
    });
  }

  private async change(before: Account, next: Account): Promise<Account> {
    const { id } = before;
    const changed = Object.fromEntries(FIELDS.map((field) => [field, next[field]]));
    // Whoever showed that the old address was theirs has shown nothing of the new one.
    await this.users.update(id, { ...changed, ...(next.email === before.email ? {} : { emailVerified: false }) });
    const endedSessions = before.active && !next.active ? await this.sessions.endAllOf(id, 'deactivated') : undefined;
    const after = await this.users.byId(id);
    await this.audit.record({
      action: after.active === before.active ? 'user.updated' : after.active ? 'user.activated' : 'user.deactivated',
      category: 'governance',
      resource: { type: 'user', id, name: after.username },
      before,
      after,
      ...(endedSessions === undefined ? {} : { detail: { endedSessions } }),
    });
    return after;
  }
}
