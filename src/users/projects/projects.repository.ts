import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { explainConstraint } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type SetProjectMember } from './project.dto.js';
import { type Project, type ProjectQuery } from './project.js';

const PROJECT = `
  p.id, p.name, p.description, p.archived_at AS "archivedAt", p.version, p.created_at AS "createdAt", p.created_by AS "createdBy",
  p.updated_at AS "updatedAt",
  (SELECT coalesce(json_agg(json_build_object('userId', u.id, 'username', u.username, 'role', m.role) ORDER BY u.username), '[]')
     FROM project_members m JOIN users u ON u.id = m.user_id WHERE m.project_id = p.id) AS members,
  ARRAY (SELECT pp.pool_id FROM project_pools pp WHERE pp.project_id = p.id ORDER BY pp.pool_id) AS "poolIds"`;

/** To somebody who does not administer projects, those they are no member of are not there. */
const SEEN_BY = (member: string): string =>
  `(${member}::uuid IS NULL OR EXISTS (SELECT FROM project_members m WHERE m.project_id = p.id AND m.user_id = ${member}))`;

const MATCHING = `
    FROM projects p
   WHERE ${SEEN_BY('$1')}
     AND ($2::text IS NULL OR position(lower($2) IN lower(p.name)) > 0 OR position(lower($2) IN lower(p.description)) > 0)
     AND ($3::boolean IS NULL OR (p.archived_at IS NOT NULL) = $3)`;

explainConstraint('projects_name_unique', () => AppError.conflict('project_name_taken', 'Another project has this name.'));
explainConstraint('project_pools_once', () => AppError.conflict('pool_in_another_project', 'A pool belongs to one project at most.'));
explainConstraint('project_pools_pool', () => AppError.field('/poolIds', 'unknown_pool', 'There is no such pool.'));
explainConstraint('project_members_user', () => AppError.field('/members', 'unknown_user', 'There is no such user.'));

/** `member` is whom a project must have as a member to be seen; null sees all. */
@Injectable()
export class ProjectsRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** Throws `project_not_found`. */
  async byId(id: string, member: string | null): Promise<Project> {
    const [project] = await this.work.query<Project>(`SELECT ${PROJECT} FROM projects p WHERE p.id = $1 AND ${SEEN_BY('$2')}`, [
      id,
      member,
    ]);
    if (!project) throw AppError.notFound('project', id);
    return project;
  }

  /** Like byId, and nobody else changes the project, or binds a key to it, until the unit of work ends. */
  async lockedById(id: string): Promise<Project> {
    await this.work.queryInside('SELECT FROM projects WHERE id = $1 FOR NO KEY UPDATE', [id]);
    return this.byId(id, null);
  }

  async page(filter: ProjectQuery, member: string | null): Promise<{ items: Project[]; total: number }> {
    const where = [member, filter.q ?? null, filter.archived ?? null];
    const items = await this.work.query<Project>(`SELECT ${PROJECT} ${MATCHING} ORDER BY lower(p.name) LIMIT $4 OFFSET $5`, [
      ...where,
      filter.limit,
      filter.offset,
    ]);
    const [count] = await this.work.query<{ total: number }>(`SELECT count(*)::int AS total ${MATCHING}`, where);
    return { items, total: count?.total ?? 0 };
  }

  /** Throws `project_name_taken`. */
  async insert(name: string, description: string, by: string): Promise<string> {
    const [row] = await this.work.query<{ id: string }>(
      'INSERT INTO projects (name, description, created_by) VALUES ($1, $2, $3) RETURNING id',
      [name, description, by],
    );
    return row?.id ?? '';
  }

  /** Throws `project_name_taken`. */
  async update(id: string, { name, description }: Pick<Project, 'name' | 'description'>): Promise<void> {
    await this.work.query('UPDATE projects SET name = $2, description = $3, version = version + 1, updated_at = now() WHERE id = $1', [
      id,
      name,
      description,
    ]);
  }

  async archive(id: string): Promise<void> {
    await this.work.query('UPDATE projects SET archived_at = now(), version = version + 1, updated_at = now() WHERE id = $1', [id]);
  }

  /** Throws `unknown_user`. */
  async setMembers(id: string, members: readonly SetProjectMember[], by: string): Promise<void> {
    const rows = [id, members.map(({ userId }) => userId), members.map(({ role }) => role)];
    await this.work.query('DELETE FROM project_members WHERE project_id = $1 AND user_id <> ALL ($2::uuid[])', rows.slice(0, 2));
    await this.work.query(
      `INSERT INTO project_members (project_id, user_id, role, added_by)
       SELECT $1, m.user_id, m.role, $4 FROM unnest($2::uuid[], $3::text[]) m (user_id, role)
       ON CONFLICT ON CONSTRAINT project_members_key DO UPDATE SET role = excluded.role`,
      [...rows, by],
    );
    await this.touch(id);
  }

  /** Throws `unknown_pool` or `pool_in_another_project`. */
  async setPools(id: string, poolIds: readonly string[]): Promise<void> {
    await this.work.query('DELETE FROM project_pools WHERE project_id = $1 AND pool_id <> ALL ($2::uuid[])', [id, poolIds]);
    const [hidden] = await this.work.query(`SELECT FROM pools WHERE id = ANY ($1::uuid[]) AND kind = 'root'`, [poolIds]);
    if (hidden) throw AppError.field('/poolIds', 'unknown_pool', 'There is no such pool.');
    await this.work.query(
      `INSERT INTO project_pools (project_id, pool_id)
       SELECT $1, p FROM unnest($2::uuid[]) p WHERE NOT EXISTS (SELECT FROM project_pools o WHERE o.pool_id = p AND o.project_id = $1)`,
      [id, poolIds],
    );
    await this.touch(id);
  }

  private async touch(id: string): Promise<void> {
    await this.work.query('UPDATE projects SET version = version + 1, updated_at = now() WHERE id = $1', [id]);
  }
}
