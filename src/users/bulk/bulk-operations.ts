import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { AccountRemoval } from '../accounts/account-removal.js';
import { UsersService } from '../accounts/users.service.js';
import { GroupsService } from '../groups/groups.service.js';
import { type Assignment } from '../roles/assignments.repository.js';
import { Assignments } from '../roles/assignments.service.js';
import { type BulkUsers } from './bulk.dto.js';

/** What each operation does to one account, through the use case that a single call has. False when it was so already. */
@Injectable()
export class BulkOperations {
  constructor(
    private readonly users: UsersService,
    private readonly removal: AccountRemoval,
    private readonly assignments: Assignments,
    private readonly groups: GroupsService,
  ) {}

  async apply({ operation, role = '', group = '' }: BulkUsers, id: string): Promise<boolean> {
    switch (operation) {
      case 'activate':
        return this.setActive(id, true);
      case 'deactivate':
        return this.setActive(id, false);
      case 'delete':
        await this.removal.delete(id);
        return true;
      case 'add-role':
        return this.addRole(id, role);
      case 'remove-role':
        return this.removeRole(id, role);
      case 'add-group':
        return this.groups.addMember(group, id);
      case 'remove-group':
        return this.removeMember(group, id);
    }
  }

  private async setActive(id: string, active: boolean): Promise<boolean> {
    const before = await this.users.get(id);
    return (await this.users.patch(id, { active }, undefined)).version !== before.version;
  }

  /** A role that is there with limits stays as it is, and the caller is told. */
  private async addRole(id: string, role: string): Promise<boolean> {
    const plain = (held: Assignment): boolean => held.networks === null && held.vrfIds === null && held.expiresAt === null;
    const held = await this.assignments.list(id);
    if (held.some((one) => one.role === role && one.source === 'manual' && plain(one))) return false;
    await this.assignments.assign(id, { role });
    return true;
  }

  private async removeRole(id: string, role: string): Promise<boolean> {
    const held = (await this.assignments.list(id)).filter((assignment) => assignment.role === role);
    // By hand first: what an identity provider gave is refused there.
    const assignment = held.find(({ source }) => source === 'manual') ?? held[0];
    if (!assignment) return false;
    await this.assignments.remove(id, assignment.id);
    return true;
  }

  private async removeMember(group: string, id: string): Promise<boolean> {
    await this.users.get(id);
    try {
      await this.groups.removeMember(group, id);
      return true;
    } catch (error) {
      if (error instanceof AppError && error.code === 'member_not_found') return false;
      throw error;
    }
  }
}
