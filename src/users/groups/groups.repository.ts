import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { explainConstraint } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { PosixRanges } from '../accounts/posix-ranges.js';

export interface Group {
  id: string;
  name: string;
  gidNumber: number;
  description: string;
  members: number;
  version: number;
  createdAt: Date;
  createdBy: string;
  updatedAt: Date;
}

export interface Member {
  id: string;
  username: string;
  displayName: string;
  active: boolean;
  addedBy: string;
  addedAt: Date;
}

export interface Page<T> {
  items: T[];
  total: number;
}

const GROUP = `
  g.id, g.name, g.gid_number AS "gidNumber", g.description, g.version, g.created_at AS "createdAt", g.created_by AS "createdBy",
  g.updated_at AS "updatedAt", (SELECT count(*)::int FROM group_members m WHERE m.group_id = g.id) AS members`;

const MATCHING = `
    FROM groups g
   WHERE ($1::text IS NULL OR position(lower($1) IN g.name) > 0 OR position(lower($1) IN lower(g.description)) > 0)
     AND ($2::uuid IS NULL OR EXISTS (SELECT FROM group_members gm WHERE gm.group_id = g.id AND gm.user_id = $2))`;

explainConstraint('groups_name_unique', () => AppError.conflict('group_name_taken', 'Another group has this name.'));
explainConstraint('group_members_user', () => new AppError('not_found', 'user_not_found', 'There is no such user.'));

@Injectable()
export class GroupsRepository {
  constructor(
    private readonly work: UnitOfWork,
    private readonly ranges: PosixRanges,
  ) {}

  /** Throws `group_not_found`. */
  async byId(id: string): Promise<Group> {
    const [group] = await this.work.query<Group>(`SELECT ${GROUP} FROM groups g WHERE g.id = $1`, [id]);
    if (!group) throw AppError.notFound('group', id);
    return group;
  }

  async exists(id: string): Promise<boolean> {
    return (await this.work.query('SELECT FROM groups WHERE id = $1', [id])).length > 0;
  }

  /** Like byId, and nobody else changes the group or its members until the unit of work ends. */
  async lockedById(id: string): Promise<Group> {
    await this.work.queryInside('SELECT FROM groups WHERE id = $1 FOR UPDATE', [id]);
    return this.byId(id);
  }

  /** By name; only those of a member when one is given. */
  async page(where: { q?: string; member?: string }, limit: number, offset: number): Promise<Page<Group>> {
    const matching = [where.q ?? null, where.member ?? null];
    const items = await this.work.query<Group>(`SELECT ${GROUP} ${MATCHING} ORDER BY g.name LIMIT $3 OFFSET $4`, [
      ...matching,
      limit,
      offset,
    ]);
    const [count] = await this.work.query<{ total: number }>(`SELECT count(*)::int AS total ${MATCHING}`, matching);
    return { items, total: count?.total ?? 0 };
  }

  /** With a number that no group has or ever had, unless one is named. Throws `group_name_taken`, `gid_number_taken`, `gid_numbers_exhausted`. */
  async insert(group: { name: string; gidNumber: number | undefined; description: string; createdBy: string }): Promise<Group> {
    const { first, last } = this.ranges.of('group');
    const [made] = await this.work.queryInside<{ id: string }>(
      `INSERT INTO groups (name, gid_number, description, created_by)
       VALUES ($1, coalesce($2, posix_next('group', $3, $4)), $5, $6)
       RETURNING id`,
      [group.name, group.gidNumber ?? null, first, last, group.description, group.createdBy],
    );
    if (!made) throw new Error('INSERT … RETURNING gave no row.');
    return this.byId(made.id);
  }

  /** Throws `group_name_taken`. */
  async update(id: string, { name, description }: Pick<Group, 'name' | 'description'>): Promise<void> {
    await this.work.queryInside('UPDATE groups SET name = $2, description = $3, version = version + 1, updated_at = now() WHERE id = $1', [
      id,
      name,
      description,
    ]);
  }

  async delete(id: string): Promise<void> {
    await this.work.queryInside('DELETE FROM groups WHERE id = $1', [id]);
  }

  /** How many have it as their primary group. */
  async primaryOf({ gidNumber }: Group): Promise<number> {
    const [row] = await this.work.query<{ n: number }>('SELECT count(*)::int AS n FROM users WHERE gid_number = $1', [gidNumber]);
    return row?.n ?? 0;
  }

  async members(id: string, limit: number, offset: number): Promise<Page<Member>> {
    const items = await this.work.query<Member>(
      `SELECT u.id, u.username, u.display_name AS "displayName", u.active, m.added_by AS "addedBy", m.added_at AS "addedAt"
         FROM group_members m
         JOIN users u ON u.id = m.user_id
        WHERE m.group_id = $1
        ORDER BY u.username
        LIMIT $2 OFFSET $3`,
      [id, limit, offset],
    );
    const [count] = await this.work.query<{ total: number }>('SELECT count(*)::int AS total FROM group_members WHERE group_id = $1', [id]);
    return { items, total: count?.total ?? 0 };
  }

  /** False when the user was a member already. Throws `user_not_found`. */
  async addMember(id: string, userId: string, addedBy: string): Promise<boolean> {
    const added = await this.work.queryInside(
      'INSERT INTO group_members (group_id, user_id, added_by) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING user_id',
      [id, userId, addedBy],
    );
    return added.length > 0;
  }

  /** False when the user was no member. */
  async removeMember(id: string, userId: string): Promise<boolean> {
    const removed = await this.work.queryInside('DELETE FROM group_members WHERE group_id = $1 AND user_id = $2 RETURNING user_id', [
      id,
      userId,
    ]);
    return removed.length > 0;
  }
}
