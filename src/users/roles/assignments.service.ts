import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { actorName } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Account } from '../accounts/account.js';
import { AccountGate } from '../accounts/account-gate.js';
import { UsersRepository } from '../accounts/users.repository.js';
import { type AssignRole } from './assignment.dto.js';
import { type Assignment, AssignmentsRepository } from './assignments.repository.js';
import { ADMIN, SUPERUSER } from './system-roles.js';

/** Who has which role, where and until when. Every change is effective on the user's next request. */
@Injectable()
export class Assignments {
  constructor(
    private readonly work: UnitOfWork,
    private readonly users: UsersRepository,
    private readonly gate: AccountGate,
    private readonly assignments: AssignmentsRepository,
    private readonly audit: AuditTrail,
  ) {}

  /** Throws `user_not_found`. */
  async list(userId: string): Promise<Assignment[]> {
    await this.users.byId(userId);
    return this.assignments.of(userId);
  }

  /**
   * Makes these the roles assigned by hand, without limits; what an identity provider assigned stays. Throws `unknown_role` and what
   * AccountGate throws, of roles for those that are new.
   */
  replace(userId: string, roles: readonly string[], expected: number | undefined): Promise<Account> {
    return this.work.run(async () => {
      const before = await this.gate.open(userId, expected);
      const all = await this.assignments.of(userId);
      const plain = await this.assignments.plainRolesOf(userId);
      const managed = all.filter(({ source }) => source !== 'manual').map(({ role }) => role);
      const granted = roles.filter((role) => !plain.includes(role)).map((role) => ({ role }));
      await this.gate.allow(before, { ...before, roles: [...roles, ...managed] }, granted);
      const byHand = all.length - managed.length;
      if (byHand === roles.length && roles.every((role) => plain.includes(role))) return before;
      await this.users.setRoles(userId, roles, actorName());
      await this.users.update(userId, {});
      const after = await this.users.byId(userId);
      await this.audit.record({
        action: 'user.roles_changed',
        category: 'governance',
        severity: 'medium',
        resource: { type: 'user', id: userId, name: after.username },
        before: { roles: before.roles, limited: limited(all) },
        after: { roles: after.roles, limited: limited(await this.assignments.of(userId)) },
      });
      return after;
    });
  }

  /**
   * Assigns one role by hand. Throws `unknown_role`, `role_already_assigned`, `expiry_past`, `role_not_limitable`, and what AccountGate
   * throws.
   */
  assign(userId: string, { role, networks = null, vrfIds = null, expiresAt = null }: AssignRole): Promise<Assignment> {
    if ((role === SUPERUSER || role === ADMIN) && (networks !== null || vrfIds !== null))
      throw AppError.field('/role', 'role_not_limitable', 'Who administers does so everywhere; give another role for some networks.');
    return this.work.run(async () => {
      await this.requireFuture(expiresAt);
      const before = await this.gate.open(userId);
      await this.gate.allow(before, { ...before, roles: [...before.roles, role] }, [{ role, networks, vrfIds, expiresAt }]);
      const assignment = await this.assignments.insert(userId, { role, networks, vrfIds, expiresAt, assignedBy: actorName() });
      if (!assignment) throw AppError.field('/role', 'unknown_role', 'There is no such role.');
      await this.users.update(userId, {});
      await this.audit.record({
        action: 'user.role_assigned',
        category: 'governance',
        severity: 'medium',
        resource: { type: 'user', id: userId, name: before.username },
        after: assignment,
      });
      return assignment;
    });
  }

  /** Takes one assignment away. Throws `assignment_not_found`, `assignment_managed` for an identity provider's, and what AccountGate throws. */
  async remove(userId: string, assignmentId: string): Promise<void> {
    await this.work.run(async () => {
      const before = await this.gate.open(userId);
      const all = await this.assignments.of(userId);
      const assignment = all.find(({ id }) => id === assignmentId);
      if (!assignment) throw AppError.notFound('assignment', assignmentId);
      if (assignment.source !== 'manual')
        throw AppError.conflict('assignment_managed', 'An identity provider keeps this assignment; it has to be changed there.');
      const roles = all.filter(({ id }) => id !== assignmentId).map(({ role }) => role);
      await this.gate.allow(before, { ...before, roles: before.roles.filter((role) => roles.includes(role)) });
      await this.assignments.delete(assignmentId);
      await this.users.update(userId, {});
      await this.audit.record({
        action: 'user.role_removed',
        category: 'governance',
        severity: 'medium',
        resource: { type: 'user', id: userId, name: before.username },
        before: assignment,
      });
    });
  }

  /** By the database's clock, which is the one that ends it. */
  private async requireFuture(time: Date | null): Promise<void> {
    if (time === null) return;
    const future = await this.work.query('SELECT WHERE $1::timestamptz > now()', [time]);
    if (future.length === 0) throw AppError.field('/expiresAt', 'expiry_past', 'This time is past.');
  }
}

/** What the names of the roles do not tell of them. */
function limited(assignments: Assignment[]): object[] {
  return assignments
    .filter(({ networks, vrfIds, expiresAt }) => networks !== null || vrfIds !== null || expiresAt !== null)
    .map(({ role, networks, vrfIds, expiresAt }) => ({ role, networks, vrfIds, expiresAt }));
}
