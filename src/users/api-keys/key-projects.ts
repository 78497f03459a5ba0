import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { currentContext } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';

/** What keys need to know of projects. */
@Injectable()
export class KeyProjects {
  constructor(private readonly work: UnitOfWork) {}

  /** Keeps the project from being archived until the open unit of work ends. Throws `project_archived`. */
  async hold(id: string | null): Promise<boolean> {
    if (id === null) return true;
    const [project] = await this.work.queryInside<{ archived: boolean }>(
      'SELECT archived_at IS NOT NULL AS archived FROM projects WHERE id = $1 FOR SHARE',
      [id],
    );
    if (project?.archived === true) throw AppError.conflict('project_archived', 'The project is archived: nothing of it changes any more.');
    return project !== undefined;
  }

  /** Like hold(), for a key that is to belong to it. Throws `unknown_project` also to somebody who is no member and does not administer it. */
  async join(id: string | null): Promise<void> {
    if (id === null) return;
    const principal = currentContext()?.principal;
    const [member] = await this.work.query('SELECT FROM project_members WHERE project_id = $1 AND user_id = $2', [id, principal?.id]);
    const may = member !== undefined || principal?.permissions.has('project:write') === true;
    if (!may || !(await this.hold(id))) throw AppError.field('/projectId', 'unknown_project', 'There is no such project.');
  }
}
