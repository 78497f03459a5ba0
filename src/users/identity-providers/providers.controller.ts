import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiExtraModels } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { RequiresRecentProof } from '../../platform/auth/recent-proof.js';
import { etagOf, expectedVersion } from '../../platform/http/etag.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { LdapConfig, OidcConfig, SamlConfig } from './provider-config.dto.js';
import { ProviderSecrets } from './provider-secrets.js';
import { ProviderTests } from './provider-tests.js';
import { viewOf } from './provider-view.js';
import {
  CreateIdentityProvider,
  IdentityProviderPage,
  IdentityProviderView,
  PatchIdentityProvider,
  ProviderFilter,
  ProviderTestView,
} from './provider.dto.js';
import { type Provider } from './provider.js';
import { ProvidersService } from './providers.service.js';

@ApiExtraModels(LdapConfig, OidcConfig, SamlConfig)
@Controller('identity-providers')
export class ProvidersController {
  constructor(
    private readonly providers: ProvidersService,
    private readonly tests: ProviderTests,
    private readonly secrets: ProviderSecrets,
  ) {}

  /** Add a way to sign in. */
  @Post()
  @Requires('identity-provider:write')
  @RequiresRecentProof()
  async create(@Body() body: CreateIdentityProvider, @Res({ passthrough: true }) reply: FastifyReply): Promise<IdentityProviderView> {
    const provider = await this.providers.create(body);
    void reply.header('location', `/api/v1/identity-providers/${provider.id}`);
    return this.view(provider, reply);
  }

  /** All ways to sign in from elsewhere, by slug. Secrets are not shown. */
  @Get()
  @Requires('identity-provider:read')
  async list(@Query() { limit, offset }: ProviderFilter): Promise<IdentityProviderPage> {
    const { items, total } = await this.providers.list(limit, offset);
    return { items: items.map((provider) => viewOf(provider, this.secrets)), total };
  }

  @Get(':id')
  @Requires('identity-provider:read')
  async get(@Param('id', UuidPipe) id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<IdentityProviderView> {
    return this.view(await this.providers.get(id), reply);
  }

  /** Change some fields. Disabling keeps everyone from signing in this way; sessions that are open stay. */
  @Patch(':id')
  @Requires('identity-provider:write')
  @RequiresRecentProof()
  async patch(
    @Param('id', UuidPipe) id: string,
    @Body() body: PatchIdentityProvider,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IdentityProviderView> {
    return this.view(await this.providers.patch(id, body, expectedVersion(ifMatch)), reply);
  }

  /** Remove a provider that no account is linked to. */
  @Delete(':id')
  @HttpCode(204)
  @Requires('identity-provider:write')
  @RequiresRecentProof()
  async delete(@Param('id', UuidPipe) id: string, @Headers('if-match') ifMatch: string | undefined): Promise<void> {
    await this.providers.delete(id, expectedVersion(ifMatch));
  }

  /** Connect for real, and say how far it got. */
  @Post(':id/test')
  @HttpCode(200)
  @Requires('identity-provider:write')
  async test(@Param('id', UuidPipe) id: string): Promise<ProviderTestView> {
    return this.tests.run(id);
  }

  private view(provider: Provider, reply: FastifyReply): IdentityProviderView {
    void reply.header('etag', etagOf(provider.version));
    return viewOf(provider, this.secrets);
  }
}
