import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Account } from './account.js';
import { AccountGate } from './account-gate.js';
import { UsersRepository } from './users.repository.js';

@Injectable()
export class AccountApproval {
  constructor(
    private readonly work: UnitOfWork,
    private readonly users: UsersRepository,
    private readonly gate: AccountGate,
    private readonly audit: AuditTrail,
  ) {}

  /** Lets somebody in who registered by themselves. Throws `user_not_pending`, and what AccountGate throws. */
  approve(id: string, expected: number | undefined): Promise<Account> {
    return this.work.run(async () => {
      const before = await this.gate.open(id, expected);
      await this.gate.allow(before, { ...before, active: true });
      if (before.status !== 'pending') throw AppError.conflict('user_not_pending', 'This account does not wait for approval.');
      await this.users.update(id, { pending: false, active: true });
      const after = await this.users.byId(id);
      await this.audit.record({
        action: 'user.approved',
        category: 'governance',
        resource: { type: 'user', id, name: after.username },
        before,
        after,
      });
      return after;
    });
  }
}
