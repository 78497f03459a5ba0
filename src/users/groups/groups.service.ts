import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { actorName } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { staleVersion } from '../../platform/http/etag.js';
import { PosixRanges } from '../accounts/posix-ranges.js';
import { UsersRepository } from '../accounts/users.repository.js';
import { type CreateGroup, type GroupFilter, type PatchGroup } from './group.dto.js';
import { type Group, GroupsRepository, type Member, type Page } from './groups.repository.js';

/** POSIX groups. They give no rights in this program. */
@Injectable()
export class GroupsService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly groups: GroupsRepository,
    private readonly users: UsersRepository,
    private readonly ranges: PosixRanges,
    private readonly audit: AuditTrail,
  ) {}

  list({ q, limit, offset }: GroupFilter): Promise<Page<Group>> {
    return this.groups.page(q === undefined ? {} : { q }, limit, offset);
  }

  get(id: string): Promise<Group> {
    return this.groups.byId(id);
  }

  /** Throws `user_not_found`. */
  async ofUser(userId: string, limit: number, offset: number): Promise<Page<Group>> {
    await this.users.byId(userId);
    return this.groups.page({ member: userId }, limit, offset);
  }

  /** Throws `group_not_found`. */
  async members(id: string, limit: number, offset: number): Promise<Page<Member>> {
    await this.groups.byId(id);
    return this.groups.members(id, limit, offset);
  }

  /** Throws `group_name_taken`, `gid_outside_range`, `gid_number_taken` or `gid_numbers_exhausted`. */
  create({ name, gidNumber, description = '' }: CreateGroup): Promise<Group> {
    if (gidNumber !== undefined) this.ranges.require('group', gidNumber);
    return this.work.run(async () => {
      const group = await this.groups.insert({ name, gidNumber, description, createdBy: actorName() });
      await this.audit.record({ action: 'group.created', category: 'governance', resource: about(group), after: group });
      return group;
    });
  }

  /** Throws `group_not_found`, `stale_version` or `group_name_taken`. */
  patch(id: string, input: PatchGroup, expected: number | undefined): Promise<Group> {
    return this.work.run(async () => {
      const before = await this.locked(id, expected);
      const { name = before.name, description = before.description } = input;
      if (name === before.name && description === before.description) return before;
      await this.groups.update(id, { name, description });
      const after = await this.groups.byId(id);
      await this.audit.record({ action: 'group.updated', category: 'governance', resource: about(after), before, after });
      return after;
    });
  }

  /** Memberships go with it. Throws `group_is_primary` while somebody has it as their primary group. */
  async delete(id: string, expected: number | undefined): Promise<void> {
    await this.work.run(async () => {
      const before = await this.locked(id, expected);
      const users = await this.groups.primaryOf(before);
      if (users > 0)
        throw AppError.conflict('group_is_primary', `${users} users have this as their primary group; give them another.`, { users });
      await this.groups.delete(id);
      await this.audit.record({
        action: 'group.deleted',
        category: 'governance',
        resource: about(before),
        before,
        detail: { members: before.members },
      });
    });
  }

  /** False, and no event, when the user was a member already. Throws `group_not_found` or `user_not_found`. */
  addMember(id: string, userId: string): Promise<boolean> {
    return this.work.run(async () => {
      const group = await this.groups.lockedById(id);
      const { username } = await this.users.byId(userId);
      if (!(await this.groups.addMember(id, userId, actorName()))) return false;
      await this.audit.record({
        action: 'group.member_added',
        category: 'governance',
        resource: about(group),
        subject: userId,
        detail: { userId, username },
      });
      return true;
    });
  }

  /** Throws `group_not_found` or `member_not_found`. */
  async removeMember(id: string, userId: string): Promise<void> {
    await this.work.run(async () => {
      const group = await this.groups.lockedById(id);
      if (!(await this.groups.removeMember(id, userId))) throw AppError.notFound('member', userId);
      const { username } = await this.users.byId(userId);
      await this.audit.record({
        action: 'group.member_removed',
        category: 'governance',
        resource: about(group),
        subject: userId,
        detail: { userId, username },
      });
    });
  }

  private async locked(id: string, expected: number | undefined): Promise<Group> {
    const group = await this.groups.lockedById(id);
    if (expected !== undefined && expected !== group.version) throw staleVersion(group.version);
    return group;
  }
}

function about({ id, name }: Group): { type: string; id: string; name: string } {
  return { type: 'group', id, name };
}
