import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { GroupsRepository } from '../groups/groups.repository.js';
import { Authority } from '../roles/authority.js';
import { RoleCatalogue } from '../roles/role-catalogue.js';
import { type BulkUsers } from './bulk.dto.js';

/** What can be said of a batch before its first account. */
@Injectable()
export class BulkRequest {
  constructor(
    private readonly authority: Authority,
    private readonly roles: RoleCatalogue,
    private readonly groups: GroupsRepository,
  ) {}

  /** Throws `forbidden` without the right that the single call needs, `unknown_role` or `unknown_group`. */
  async check({ operation, role, group }: BulkUsers): Promise<void> {
    if (operation.endsWith('-role')) await this.checkRole(role);
    if (operation.endsWith('-group')) await this.checkGroup(group);
  }

  private async checkRole(name: string | undefined): Promise<void> {
    await this.authority.require('role:assign');
    if (!(await this.roles.list()).some((role) => role.name === name))
      throw AppError.field('/role', 'unknown_role', 'There is no such role.');
  }

  private async checkGroup(id = ''): Promise<void> {
    await this.authority.require('group:write');
    if (!(await this.groups.exists(id))) throw AppError.field('/group', 'unknown_group', 'There is no such group.');
  }
}
