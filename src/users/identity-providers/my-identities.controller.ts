import { Body, Controller, Delete, Get, Header, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { RequiresRecentProof } from '../../platform/auth/recent-proof.js';
import { LoginRequest } from '../sessions/session.dto.js';
import { signedIn } from '../sessions/signed-in.js';
import { bind, bindingOf } from './binding-cookie.js';
import { type Identity } from './identity.js';
import { IdentitiesService } from './identities.service.js';
import { LdapLogin } from './ldap/ldap-login.js';
import { RedirectSignIn } from './redirect-sign-in.js';
import { ExchangeCode, IdentityList, IdentityView, StartSignIn, StartView } from './sign-in.dto.js';
import { SlugPipe } from './slug.pipe.js';

@Controller('me/identities')
export class MyIdentitiesController {
  constructor(
    private readonly identities: IdentitiesService,
    private readonly redirects: RedirectSignIn,
    private readonly ldap: LdapLogin,
  ) {}

  /** The identities elsewhere that open your account. */
  @Get()
  @Requires('profile:read')
  async list(): Promise<IdentityList> {
    return { items: (await this.identities.mine(signedIn())).map(viewOf) };
  }

  /** Link the identity you came back with: the code of a start of yours. */
  @Post()
  @Requires('profile:write')
  @RequiresRecentProof()
  async link(@Body() { code }: ExchangeCode, @Req() request: FastifyRequest): Promise<IdentityView> {
    const me = signedIn();
    const { provider, returned } = await this.redirects.collect(code, bindingOf(request), me.id);
    return viewOf(await this.identities.link(me, provider, returned.vouched));
  }

  /** Begin to link an identity at another site to your account. */
  @Post(':slug/start')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @Requires('profile:write')
  async start(
    @Param('slug', SlugPipe) slug: string,
    @Body() { returnTo }: StartSignIn,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StartView> {
    const { authorizationUrl, binding } = await this.redirects.start(slug, returnTo ?? undefined, bindingOf(request), signedIn().id);
    bind(reply, binding);
    return { authorizationUrl };
  }

  /** Link your entry in a directory, by its password there. */
  @Post(':slug/login')
  @Requires('profile:write')
  @RequiresRecentProof()
  async linkByPassword(@Param('slug', SlugPipe) slug: string, @Body() { username, password }: LoginRequest): Promise<IdentityView> {
    const { provider, vouched } = await this.ldap.vouch(slug, username, password);
    return viewOf(await this.identities.link(signedIn(), provider, vouched));
  }

  /** Unlink your identity at a provider; the roles its groups gave you go with it. */
  @Delete(':slug')
  @HttpCode(204)
  @Requires('profile:write')
  @RequiresRecentProof()
  async unlink(@Param('slug', SlugPipe) slug: string): Promise<void> {
    await this.identities.unlink(signedIn(), slug);
  }
}

function viewOf({ id, providerSlug, providerName, name, createdAt, lastLoginAt }: Identity): IdentityView {
  return {
    id,
    provider: providerSlug,
    providerName,
    name,
    linkedAt: createdAt.toISOString(),
    lastLoginAt: lastLoginAt?.toISOString() ?? null,
  };
}
