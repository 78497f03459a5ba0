import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { permissions } from '../../platform/auth/permissions.js';
import { actorName } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { staleVersion } from '../../platform/http/etag.js';
import { RoleGate } from './role-gate.js';
import { type Role, RoleCatalogue } from './role-catalogue.js';
import { type CreateRole, type PatchRole } from './role.dto.js';

/** Roles of an installation's own, beside those of the program. A change counts from the next request of everybody who has the role. */
@Injectable()
export class RolesService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly roles: RoleCatalogue,
    private readonly gate: RoleGate,
    private readonly audit: AuditTrail,
  ) {}

  list(): Promise<Role[]> {
    return this.roles.list();
  }

  get(id: string): Promise<Role> {
    return this.roles.byId(id);
  }

  /** Throws `role_name_taken`, `unknown_permission`, and `rights_exceeded` for a permission that the maker does not have everywhere. */
  create({ name, description = '', permissions: given, secondFactorRequired = false }: CreateRole): Promise<Role> {
    requireKnown(given);
    return this.work.run(async () => {
      await this.gate.requireHeld(given);
      const role = await this.roles.insert({ name, description, permissions: given, secondFactorRequired }, actorName());
      await this.record({ action: 'role.created', after: role }, role);
      return role;
    });
  }

  /** Also throws `system_role` and `superuser_required`; the caller has to have what the role gives before and after. */
  patch(id: string, input: PatchRole, expected: number | undefined): Promise<Role> {
    if (input.permissions) requireKnown(input.permissions);
    return this.work.run(async () => {
      const { name: newName, description: newDescription, permissions: given } = input;
      const shape = [newName, newDescription, given].some((field) => field !== undefined);
      const before = await this.changeable(id, expected, !shape);
      const { name = before.name, description = before.description, permissions: next = before.permissions } = input;
      const { secondFactorRequired = before.secondFactorRequired } = input;
      await this.gate.requireHeld(next);
      const same = next.length === before.permissions.length && next.every((permission) => before.permissions.includes(permission));
      if (same && name === before.name && description === before.description && secondFactorRequired === before.secondFactorRequired)
        return before;
      const after = await this.roles.update(id, { name, description, permissions: next, secondFactorRequired });
      await this.record({ action: 'role.updated', before, after }, after);
      return after;
    });
  }

  /** Throws `role_assigned` with the number of holders while there are any, `system_role` or `rights_exceeded`. */
  async delete(id: string, expected: number | undefined): Promise<void> {
    await this.work.run(async () => {
      const before = await this.changeable(id, expected);
      const holders = await this.roles.holders(id);
      if (holders > 0)
        throw AppError.conflict('role_assigned', `${holders} users have this role; take it away from them first.`, { holders });
      await this.roles.delete(id);
      await this.record({ action: 'role.deleted', before }, before);
    });
  }

  /** Of the program's own roles an installation decides nothing but whether they ask for a second factor. */
  private async changeable(id: string, expected: number | undefined, secondFactorOnly = false): Promise<Role> {
    await this.gate.open();
    const role = await this.roles.byId(id);
    if (role.system && !secondFactorOnly) throw AppError.conflict('system_role', 'The program keeps this role as it is; make another one.');
    if (expected !== undefined && expected !== role.version) throw staleVersion(role.version);
    await this.gate.requireMaster(role.name);
    await this.gate.requireHeld(role.permissions);
    return role;
  }

  private record(event: { action: string; before?: Role; after?: Role }, { id, name }: Role): Promise<void> {
    return this.audit.record({ ...event, category: 'governance', severity: 'medium', resource: { type: 'role', id, name } });
  }
}

function requireKnown(given: readonly string[]): void {
  const unknown = given.findIndex((permission) => !permissions.some((known) => known === permission));
  if (unknown >= 0) throw AppError.field(`/permissions/${unknown}`, 'unknown_permission', 'There is no such permission.');
}
