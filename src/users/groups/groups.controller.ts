import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Put, Query, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { etagOf, expectedVersion } from '../../platform/http/etag.js';
import { OffsetPage } from '../../platform/http/paging.dto.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { CreateGroup, GroupFilter, GroupPage, GroupView, MemberPage, PatchGroup } from './group.dto.js';
import { GroupsService } from './groups.service.js';

type Group = Awaited<ReturnType<GroupsService['get']>>;

@Controller()
export class GroupsController {
  constructor(private readonly groups: GroupsService) {}

  @Post('groups')
  @Requires('group:write')
  async create(@Body() body: CreateGroup, @Res({ passthrough: true }) reply: FastifyReply): Promise<GroupView> {
    const group = await this.groups.create(body);
    void reply.header('location', `/api/v1/groups/${group.id}`);
    return view(group, reply);
  }

  /** Groups by name. */
  @Get('groups')
  @Requires('group:read')
  async list(@Query() filter: GroupFilter): Promise<GroupPage> {
    const { items, total } = await this.groups.list(filter);
    return { items: items.map(viewOf), total };
  }

  @Get('groups/:id')
  @Requires('group:read')
  async get(@Param('id', UuidPipe) id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<GroupView> {
    return view(await this.groups.get(id), reply);
  }

  /** Change some fields. */
  @Patch('groups/:id')
  @Requires('group:write')
  async patch(
    @Param('id', UuidPipe) id: string,
    @Body() body: PatchGroup,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<GroupView> {
    return view(await this.groups.patch(id, body, expectedVersion(ifMatch)), reply);
  }

  /** Remove a group and its memberships. Its number is never given again. */
  @Delete('groups/:id')
  @HttpCode(204)
  @Requires('group:write')
  async delete(@Param('id', UuidPipe) id: string, @Headers('if-match') ifMatch: string | undefined): Promise<void> {
    await this.groups.delete(id, expectedVersion(ifMatch));
  }

  /** Members by username. */
  @Get('groups/:id/members')
  @Requires('group:read')
  async members(@Param('id', UuidPipe) id: string, @Query() { limit, offset }: OffsetPage): Promise<MemberPage> {
    const { items, total } = await this.groups.members(id, limit, offset);
    return { items: items.map((member) => ({ ...member, addedAt: member.addedAt.toISOString() })), total };
  }

  /** Add a member; who is one already stays one. */
  @Put('groups/:id/members/:userId')
  @HttpCode(204)
  @Requires('group:write')
  async addMember(@Param('id', UuidPipe) id: string, @Param('userId', UuidPipe) userId: string): Promise<void> {
    await this.groups.addMember(id, userId);
  }

  @Delete('groups/:id/members/:userId')
  @HttpCode(204)
  @Requires('group:write')
  async removeMember(@Param('id', UuidPipe) id: string, @Param('userId', UuidPipe) userId: string): Promise<void> {
    await this.groups.removeMember(id, userId);
  }

  /** The groups of a user, by name. */
  @Get('users/:id/groups')
  @Requires('group:read')
  async ofUser(@Param('id', UuidPipe) id: string, @Query() { limit, offset }: OffsetPage): Promise<GroupPage> {
    const { items, total } = await this.groups.ofUser(id, limit, offset);
    return { items: items.map(viewOf), total };
  }
}

function view(group: Group, reply: FastifyReply): GroupView {
  void reply.header('etag', etagOf(group.version));
  return viewOf(group);
}

function viewOf(group: Group): GroupView {
  return { ...group, createdAt: group.createdAt.toISOString(), updatedAt: group.updatedAt.toISOString() };
}
