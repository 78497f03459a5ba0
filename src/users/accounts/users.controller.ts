import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Put, Query, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { RequiresRecentProof } from '../../platform/auth/recent-proof.js';
import { etagOf, expectedVersion } from '../../platform/http/etag.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { type Account } from './account.js';
import { Assignments } from '../roles/assignments.service.js';
import { AccountApproval } from './account-approval.js';
import { AccountCreation } from './account-creation.js';
import { AccountRemoval } from './account-removal.js';
import { CreateUser, PatchUser, SetRoles, UserFilter, UserPage, UserView } from './user.dto.js';
import { UsersService } from './users.service.js';

@Controller('users')
export class UsersController {
  constructor(
    private readonly users: UsersService,
    private readonly creation: AccountCreation,
    private readonly approval: AccountApproval,
    private readonly removal: AccountRemoval,
    private readonly assignments: Assignments,
  ) {}

  /** Make an account. A person's password is good for one sign-in, where it must be changed; a service has none. */
  @Post()
  @Requires('user:write')
  @RequiresRecentProof()
  async create(@Body() body: CreateUser, @Res({ passthrough: true }) reply: FastifyReply): Promise<UserView> {
    const account = await this.creation.register(body);
    void reply.header('location', `/api/v1/users/${account.id}`);
    return view(account, reply);
  }

  /** Accounts by username. */
  @Get()
  @Requires('user:read')
  async list(@Query() filter: UserFilter): Promise<UserPage> {
    const { items, total } = await this.users.list(filter);
    return { items: items.map(viewOf), total };
  }

  @Get(':id')
  @Requires('user:read')
  async get(@Param('id', UuidPipe) id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<UserView> {
    return view(await this.users.get(id), reply);
  }

  /** Change some fields; deactivating ends the user's sessions at once. */
  @Patch(':id')
  @Requires('user:write')
  @RequiresRecentProof()
  async patch(
    @Param('id', UuidPipe) id: string,
    @Body() body: PatchUser,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserView> {
    return view(await this.users.patch(id, body, expectedVersion(ifMatch)), reply);
  }

  /** Remove an account and its sessions for good. What other things refer to cannot go: deactivate or anonymise it. */
  @Delete(':id')
  @HttpCode(204)
  @Requires('user:write')
  @RequiresRecentProof()
  async delete(@Param('id', UuidPipe) id: string, @Headers('if-match') ifMatch: string | undefined): Promise<void> {
    await this.removal.delete(id, expectedVersion(ifMatch));
  }

  /** Let somebody in who registered by themselves. */
  @Post(':id/approve')
  @HttpCode(200)
  @Requires('user:write')
  @RequiresRecentProof()
  async approve(
    @Param('id', UuidPipe) id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserView> {
    return view(await this.approval.approve(id, expectedVersion(ifMatch)), reply);
  }

  /** Forget who it was, for good: name, address and password go, the account stays for what refers to it. */
  @Post(':id/anonymise')
  @HttpCode(200)
  @Requires('user:write')
  @RequiresRecentProof()
  async anonymise(
    @Param('id', UuidPipe) id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserView> {
    return view(await this.removal.anonymise(id, expectedVersion(ifMatch)), reply);
  }

  /** Make these the roles assigned by hand, without limits, effective on the user's next request. */
  @Put(':id/roles')
  @Requires('role:assign')
  @RequiresRecentProof()
  async setRoles(
    @Param('id', UuidPipe) id: string,
    @Body() body: SetRoles,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserView> {
    return view(await this.assignments.replace(id, body.roles, expectedVersion(ifMatch)), reply);
  }
}

function view(account: Account, reply: FastifyReply): UserView {
  void reply.header('etag', etagOf(account.version));
  return viewOf(account);
}

function viewOf(account: Account): UserView {
  return {
    ...account,
    lastLoginAt: account.lastLoginAt?.toISOString() ?? null,
    createdAt: account.createdAt.toISOString(),
    updatedAt: account.updatedAt.toISOString(),
  };
}
