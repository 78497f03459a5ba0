import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { RequiresRecentProof } from '../../platform/auth/recent-proof.js';
import { etagOf, expectedVersion } from '../../platform/http/etag.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { CreateRole, PatchRole, RoleList, RoleView } from './role.dto.js';
import { RolesService } from './roles.service.js';

@Controller('roles')
export class RolesController {
  constructor(private readonly roles: RolesService) {}

  /** All roles and what each permits. */
  @Get()
  @Requires('role:read')
  async list(): Promise<RoleList> {
    return { items: await this.roles.list() };
  }

  /** Make a role of permissions that you have yourself. */
  @Post()
  @Requires('role:write')
  @RequiresRecentProof()
  async create(@Body() body: CreateRole, @Res({ passthrough: true }) reply: FastifyReply): Promise<RoleView> {
    const role = await this.roles.create(body);
    void reply.header('location', `/api/v1/roles/${role.id}`);
    return view(role, reply);
  }

  @Get(':id')
  @Requires('role:read')
  async get(@Param('id', UuidPipe) id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<RoleView> {
    return view(await this.roles.get(id), reply);
  }

  /** Change a role, effective on the next request of everybody who has it. Those of the program stay as they are. */
  @Patch(':id')
  @Requires('role:write')
  @RequiresRecentProof()
  async patch(
    @Param('id', UuidPipe) id: string,
    @Body() body: PatchRole,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RoleView> {
    return view(await this.roles.patch(id, body, expectedVersion(ifMatch)), reply);
  }

  /** Remove a role that nobody has. */
  @Delete(':id')
  @HttpCode(204)
  @Requires('role:write')
  @RequiresRecentProof()
  async delete(@Param('id', UuidPipe) id: string, @Headers('if-match') ifMatch: string | undefined): Promise<void> {
    await this.roles.delete(id, expectedVersion(ifMatch));
  }
}

function view(role: RoleView, reply: FastifyReply): RoleView {
  void reply.header('etag', etagOf(role.version));
  return role;
}
