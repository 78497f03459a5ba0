import { Body, Controller, Get, Header, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOkResponse, ApiProduces, ApiResponse } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Public } from '../../platform/auth/access.js';
import { Limit } from '../../platform/limits/limit.js';
import { AppError } from '../../kernel/app-error.js';
import { ApiCredential, LoginRequest, type SignedInView } from '../sessions/session.dto.js';
import { signedInOf } from '../sessions/signed-in-answer.js';
import { bind, bindingOf } from './binding-cookie.js';
import { LdapLogin } from './ldap/ldap-login.js';
import { LogoutTokens } from './oidc/logout-tokens.js';
import { RedirectSignIn } from './redirect-sign-in.js';
import { ExchangeCode, LogoutNotice, ProviderButtons, SamlAnswer, StartSignIn, StartView } from './sign-in.dto.js';
import { SignInProviders } from './sign-in-providers.js';
import { SlugPipe } from './slug.pipe.js';

const FORM = 'application/x-www-form-urlencoded';
const goesOn = { status: 303, description: 'The browser goes on to `returnTo`, with a code.' };

@Controller('auth')
export class SignInController {
  constructor(
    private readonly providers: SignInProviders,
    private readonly ldap: LdapLogin,
    private readonly redirects: RedirectSignIn,
    private readonly logoutTokens: LogoutTokens,
  ) {}

  /** The ways to sign in from elsewhere. */
  @Get('providers')
  @Public('the sign-in page shows them')
  @Limit({ budget: 'sign_in_step' })
  async list(): Promise<ProviderButtons> {
    return { items: await this.providers.list() };
  }

  /** Sign in with a directory's username and password, the first step where the account has a second factor. */
  @Post('providers/:slug/login')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @ApiCredential({ orPending: true })
  @Public('who signs in has no token yet')
  @Limit({ budget: 'login' })
  async login(
    @Param('slug', SlugPipe) slug: string,
    @Body() { username, password, mode }: LoginRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SignedInView> {
    return signedInOf(await this.ldap.signIn(slug, username, password, mode ?? 'tokens'), reply);
  }

  /** Begin to sign in at another site. Sets a cookie, without which the browser cannot come back. */
  @Post('providers/:slug/start')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @Public('who signs in has no token yet')
  @Limit({ budget: 'sign_in_step' })
  async start(
    @Param('slug', SlugPipe) slug: string,
    @Body() { returnTo }: StartSignIn,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StartView> {
    const { authorizationUrl, binding } = await this.redirects.start(slug, returnTo ?? undefined, bindingOf(request));
    bind(reply, binding);
    return { authorizationUrl };
  }

  /** Where an OpenID provider sends the browser back to. Unknown parameters are ignored (RFC 6749 §4.1.2). */
  @Get('providers/:slug/callback')
  @ApiResponse(goesOn)
  @Public('the state is the credential')
  @Limit({ budget: 'sign_in_step' })
  async callback(@Param('slug', SlugPipe) slug: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const [, query = ''] = request.url.split(/\?(.*)/s);
    await reply.redirect(await this.redirects.oidcReturned(slug, query, bindingOf(request)), 303);
  }

  /** Where a SAML provider's page posts its answer to. */
  @Post('providers/:slug/acs')
  @HttpCode(303)
  @ApiConsumes(FORM)
  @ApiBody({ type: SamlAnswer })
  @ApiResponse(goesOn)
  @Public('the state is the credential, the signature the proof')
  @Limit({ budget: 'sign_in_step' })
  async acs(@Param('slug', SlugPipe) slug: string, @Body() form: Record<string, string>, @Res() reply: FastifyReply): Promise<void> {
    const to = await this.redirects.samlReturned(slug, field(form, 'SAMLResponse'), field(form, 'RelayState'));
    await reply.redirect(to, 303);
  }

  /** What a SAML provider has to know of this program. */
  @Get('providers/:slug/metadata')
  @Header('content-type', 'application/samlmetadata+xml; charset=utf-8')
  @ApiProduces('application/samlmetadata+xml')
  @ApiOkResponse({ schema: { type: 'string' } })
  @Public('providers fetch it without credentials')
  async metadata(@Param('slug', SlugPipe) slug: string): Promise<string> {
    return this.providers.samlMetadata(slug);
  }

  /** Where an OpenID provider says that somebody signed out there. */
  @Post('providers/:slug/logout-token')
  @HttpCode(204)
  @Header('cache-control', 'no-store')
  @ApiConsumes(FORM)
  @ApiBody({ type: LogoutNotice })
  @Public('the token is signed by the provider')
  @Limit({ budget: 'sign_in_step' })
  async logout(@Param('slug', SlugPipe) slug: string, @Body() form: Record<string, string>): Promise<void> {
    await this.logoutTokens.take(slug, field(form, 'logout_token'));
  }

  /** Collect the tokens for the code the browser came back with; the first step where the account has a second factor and the provider did not check one. */
  @Post('exchange')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @ApiCredential({ orPending: true })
  @Public('the code is the credential')
  @Limit({ budget: 'login' })
  async exchange(
    @Body() { code, mode }: ExchangeCode,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SignedInView> {
    return signedInOf(await this.redirects.exchange(code, bindingOf(request), mode ?? 'tokens'), reply);
  }
}

/** A form's field; what else a provider sends is none of our business. */
function field(form: Record<string, unknown>, name: string): string {
  const value = form[name];
  if (typeof value === 'string') return value;
  throw new AppError('unparsable', 'form_field_missing', `The form has no ${name}.`);
}
