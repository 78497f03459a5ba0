import { Body, Controller, Get, Headers, HttpCode, Param, Patch, Post, Put, Query, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { etagOf, expectedVersion } from '../../platform/http/etag.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { CreateProject, PatchProject, ProjectFilter, ProjectPage, ProjectView, SetProjectMembers, SetProjectPools } from './project.dto.js';
import { type Project } from './project.js';
import { ProjectsService } from './projects.service.js';

@Controller('projects')
export class ProjectsController {
  constructor(private readonly projects: ProjectsService) {}

  /** Found a project; its maker owns it. */
  @Post()
  @Requires('project:write')
  async create(@Body() body: CreateProject, @Res({ passthrough: true }) reply: FastifyReply): Promise<ProjectView> {
    const project = await this.projects.create(body);
    void reply.header('location', `/api/v1/projects/${project.id}`);
    return view(project, reply);
  }

  /** The projects you are a member of; all of them with `project:write`. */
  @Get()
  @Requires('project:read')
  async list(@Query() filter: ProjectFilter): Promise<ProjectPage> {
    const { items, total } = await this.projects.list(filter);
    return { items: items.map(viewOf), total };
  }

  @Get(':id')
  @Requires('project:read')
  async get(@Param('id', UuidPipe) id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<ProjectView> {
    return view(await this.projects.get(id), reply);
  }

  /** Change some fields. */
  @Patch(':id')
  @Requires('project:write')
  async patch(
    @Param('id', UuidPipe) id: string,
    @Body() body: PatchProject,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ProjectView> {
    return view(await this.projects.patch(id, body, expectedVersion(ifMatch)), reply);
  }

  /** Say who belongs to it. */
  @Put(':id/members')
  @Requires('project:write')
  async setMembers(
    @Param('id', UuidPipe) id: string,
    @Body() body: SetProjectMembers,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ProjectView> {
    return view(await this.projects.setMembers(id, body.members, expectedVersion(ifMatch)), reply);
  }

  /** Say which pools belong to it; what its keys see follows within a second. */
  @Put(':id/pools')
  @Requires('project:write')
  async setPools(
    @Param('id', UuidPipe) id: string,
    @Body() body: SetProjectPools,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ProjectView> {
    return view(await this.projects.setPools(id, body.poolIds, expectedVersion(ifMatch)), reply);
  }

  /** End it: its keys are revoked, everything else is kept and changes no more. */
  @Post(':id/archive')
  @HttpCode(200)
  @Requires('project:write')
  async archive(
    @Param('id', UuidPipe) id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ProjectView> {
    return view(await this.projects.archive(id, expectedVersion(ifMatch)), reply);
  }
}

function view(project: Project, reply: FastifyReply): ProjectView {
  void reply.header('etag', etagOf(project.version));
  return viewOf(project);
}

function viewOf(project: Project): ProjectView {
  return {
    ...project,
    archivedAt: project.archivedAt?.toISOString() ?? null,
    createdAt: project.createdAt.toISOString(),
    updatedAt: project.updatedAt.toISOString(),
  };
}
