import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { actorName, currentContext } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { staleVersion } from '../../platform/http/etag.js';
import { KeyEnding } from '../api-keys/key-ending.js';
import { type CreateProject, type PatchProject, type ProjectFilter, type SetProjectMember } from './project.dto.js';
import { type Project } from './project.js';
import { ProjectsRepository } from './projects.repository.js';

/** Teams that own pools and keys. Whoever does not administer projects sees those they are a member of; the others are not there. */
@Injectable()
export class ProjectsService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly projects: ProjectsRepository,
    private readonly keys: KeyEnding,
    private readonly audit: AuditTrail,
  ) {}

  list(filter: ProjectFilter): Promise<{ items: Project[]; total: number }> {
    return this.projects.page(filter, seeing());
  }

  /** Throws `project_not_found`. */
  get(id: string): Promise<Project> {
    return this.projects.byId(id, seeing());
  }

  /** Whoever makes a project owns it. Throws `project_name_taken`. */
  create({ name, description = '' }: CreateProject): Promise<Project> {
    return this.work.run(async () => {
      const id = await this.projects.insert(name, description, actorName());
      const principal = currentContext()?.principal;
      if (principal?.kind === 'user') await this.projects.setMembers(id, [{ userId: principal.id, role: 'owner' }], actorName());
      const after = await this.projects.byId(id, null);
      await this.audit.record({ action: 'project.created', category: 'governance', resource: resourceOf(after), after });
      return after;
    });
  }

  /** Throws `project_name_taken`, or what change() throws. */
  patch(id: string, input: PatchProject, expected: number | undefined): Promise<Project> {
    return this.change(id, expected, 'project.updated', async (before) => {
      const { name = before.name, description = before.description } = input;
      if (name !== before.name || description !== before.description) await this.projects.update(id, { name, description });
    });
  }

  /** Throws `unknown_user`, or what change() throws. */
  setMembers(id: string, members: readonly SetProjectMember[], expected: number | undefined): Promise<Project> {
    return this.change(id, expected, 'project.members_changed', () => this.projects.setMembers(id, members, actorName()));
  }

  /** Effective for the project's keys within a second. Throws `unknown_pool`, `pool_in_another_project`, or what change() throws. */
  setPools(id: string, poolIds: readonly string[], expected: number | undefined): Promise<Project> {
    return this.change(id, expected, 'project.pools_changed', async () => {
      await this.projects.setPools(id, poolIds);
      this.keys.forgetAll();
    });
  }

  /** For good: revokes the project's keys and keeps everything else as it is. */
  archive(id: string, expected: number | undefined): Promise<Project> {
    return this.change(id, expected, 'project.archived', async () => {
      await this.projects.archive(id);
      await this.keys.revokeAllOf(id);
    });
  }

  /** Throws `project_not_found`, `stale_version` or `project_archived`. */
  private change(
    id: string,
    expected: number | undefined,
    action: 'project.updated' | 'project.members_changed' | 'project.pools_changed' | 'project.archived',
    apply: (before: Project) => Promise<void>,
  ): Promise<Project> {
    return this.work.run(async () => {
      const before = await this.projects.lockedById(id);
      if (expected !== undefined && expected !== before.version) throw staleVersion(before.version);
      if (before.archivedAt) throw AppError.conflict('project_archived', 'The project is archived: nothing of it changes any more.');
      await apply(before);
      const after = await this.projects.byId(id, null);
      await this.audit.record({ action, category: 'governance', resource: resourceOf(after), before, after });
      return after;
    });
  }
}

function resourceOf({ id, name }: Project): { type: string; id: string; name: string } {
  return { type: 'project', id, name };
}

/** Whose membership decides what is seen; null for those who administer projects. */
function seeing(): string | null {
  const principal = currentContext()?.principal;
  if (!principal || principal.permissions.has('project:write')) return null;
  return principal.ownerId ?? principal.id;
}
