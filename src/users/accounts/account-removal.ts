import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { explainConstraint } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Sessions } from '../sessions/sessions.js';
import { type Account } from './account.js';
import { AccountGate } from './account-gate.js';
import { ownership } from './ownership.js';
import { personalData } from './personal-data.js';
import { UsersRepository } from './users.repository.js';

explainConstraint('users_owner', () => owns({}));

/** The two ways an account ends for good. */
@Injectable()
export class AccountRemoval {
  constructor(
    private readonly work: UnitOfWork,
    private readonly users: UsersRepository,
    private readonly gate: AccountGate,
    private readonly sessions: Sessions,
    private readonly audit: AuditTrail,
  ) {}

  /**
   * The row goes, with its sessions, roles and memberships; what the trail says of the user stays. Throws `user_owns_things` with their
   * numbers, and what AccountGate throws.
   */
  async delete(id: string, expected?: number): Promise<void> {
    await this.work.run(async () => {
      const before = await this.gate.open(id, expected);
      await this.gate.allowClosing(before);
      const owned = await this.ownedBy(id);
      if (Object.keys(owned).length > 0) throw owns(owned);
      const endedSessions = await this.sessions.endAllOf(id, 'deactivated');
      await this.work.query('DELETE FROM users WHERE id = $1', [id]);
      await this.audit.record({
        action: 'user.deleted',
        category: 'governance',
        severity: 'medium',
        resource: { type: 'user', id, name: before.username },
        before,
        detail: { endedSessions },
      });
    });
  }

  /** What is personal goes and never comes back; the row stays for what refers to it. The event names the account by its new name alone. */
  anonymise(id: string, expected: number | undefined): Promise<Account> {
    return this.work.run(async () => {
      const before = await this.gate.open(id, expected);
      await this.gate.allowClosing(before);
      const endedSessions = await this.sessions.endAllOf(id, 'deactivated');
      for (const sql of personalData) await this.work.query(sql, [id]);
      // The end of a version 7 UUID is its random part.
      await this.users.clearPersonalFields(id, `anonymised-${id.slice(-12)}`);
      const after = await this.users.byId(id);
      await this.audit.record({
        action: 'user.anonymised',
        category: 'governance',
        severity: 'medium',
        resource: { type: 'user', id, name: after.username },
        detail: { endedSessions },
      });
      return after;
    });
  }

  /** Only what there is any of. */
  private async ownedBy(id: string): Promise<Record<string, number>> {
    const owned: Record<string, number> = {};
    for (const { what, count } of ownership) {
      const [row] = await this.work.query<{ n: number }>(count, [id]);
      if (row && row.n > 0) owned[what] = row.n;
    }
    return owned;
  }
}

function owns(owned: Record<string, number>): AppError {
  const list = Object.entries(owned).map(([what, n]) => `${n} ${what}`);
  const detail = `Things refer to this user${list.length > 0 ? `: ${list.join(', ')}` : ''}. Give them to somebody else, or deactivate or anonymise the user.`;
  return AppError.conflict('user_owns_things', detail, { owns: owned, instead: ['deactivate', 'anonymise'] });
}
