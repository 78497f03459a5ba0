import { Body, Controller, Get, Headers, Param, Patch, Post, Put, Query, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { etagOf, expectedVersion } from '../../platform/http/etag.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { type Account } from './account.js';
import { AccountCreation } from './account-creation.js';
import { CreateUser, PatchUser, SetRoles, UserFilter, UserPage, UserView } from './user.dto.js';
import { UsersService } from './users.service.js';

@Controller('users')
export class UsersController {
  constructor(
    private readonly users: UsersService,
    private readonly creation: AccountCreation,
  ) {}

  /** Make an account. Its password is good for one sign-in, where it must be changed. */
  @Post()
  @Requires('user:write')
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
  async patch(
    @Param('id', UuidPipe) id: string,
    @Body() body: PatchUser,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserView> {
    return view(await this.users.patch(id, body, expectedVersion(ifMatch)), reply);
  }

  /** Give the user exactly these roles, effective on their next request. */
  @Put(':id/roles')
  @Requires('user:write')
  async setRoles(
    @Param('id', UuidPipe) id: string,
    @Body() body: SetRoles,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserView> {
    return view(await this.users.setRoles(id, body.roles, expectedVersion(ifMatch)), reply);
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
