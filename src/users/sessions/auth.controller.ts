import { Body, Controller, Header, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiOkResponse } from '@nestjs/swagger';
import { type PublicKeyCredentialRequestOptionsJSON } from '@simplewebauthn/server';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Public, Requires } from '../../platform/auth/access.js';
import { Limit } from '../../platform/limits/limit.js';
import { callerOf, RelyingParty } from '../second-factors/relying-party.js';
import { clearedConsoleCookie } from './console-cookie.js';
import { Login } from './login.js';
import { PasskeyLogin } from './passkey-login.js';
import { RefreshTokens } from './refresh-tokens.js';
import { SecondStep } from './second-step.js';
import {
  ApiCredential,
  type CredentialView,
  LoginRequest,
  PasskeyLoginRequest,
  PasskeyOptionsRequest,
  RefreshRequest,
  SecondFactorRequest,
  type SignedInView,
  TokenView,
} from './session.dto.js';
import { Sessions } from './sessions.js';
import { signedIn } from './signed-in.js';
import { credentialOf, signedInOf, tokensOf } from './signed-in-answer.js';

@Controller('auth')
export class AuthController {
  constructor(
    private readonly logins: Login,
    private readonly secondStep: SecondStep,
    private readonly passkeys: PasskeyLogin,
    private readonly parties: RelyingParty,
    private readonly refreshTokens: RefreshTokens,
    private readonly sessions: Sessions,
  ) {}

  /** Sign in. With a second factor, the answer is a ticket for the second step. */
  @Post('login')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @ApiCredential({ orPending: true })
  @Public('who signs in has no token yet')
  @Limit({ budget: 'login' })
  async login(@Body() body: LoginRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<SignedInView> {
    return signedInOf(await this.logins.signIn(body.username, body.password, body.mode ?? 'tokens'), reply);
  }

  /** The second step of signing in, in the mode of the first. */
  @Post('second-factor')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @ApiCredential()
  @Public('the ticket of the first step is the credential')
  @Limit({ budget: 'sign_in_step' })
  async secondFactor(
    @Body() { ticket, code, recoveryCode, passkey }: SecondFactorRequest,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CredentialView> {
    const party = (): ReturnType<RelyingParty['of']> => this.parties.of(callerOf(request));
    return credentialOf(await this.secondStep.complete(ticket, { code, recoveryCode, passkey }, party), reply);
  }

  /** What a browser needs to answer by a passkey (`PublicKeyCredentialRequestOptions` as JSON). */
  @Post('passkey-options')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @ApiOkResponse({ schema: { type: 'object' } })
  @Public('a challenge is what signing in by a passkey begins with')
  @Limit({ budget: 'sign_in_step' })
  passkeyOptions(
    @Body() { ticket }: PasskeyOptionsRequest,
    @Req() request: FastifyRequest,
  ): Promise<PublicKeyCredentialRequestOptionsJSON> {
    return this.passkeys.options(ticket ?? undefined, this.parties.of(callerOf(request)));
  }

  /** Sign in by a passkey alone. */
  @Post('passkey')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @ApiCredential()
  @Public('the passkey is the credential')
  @Limit({ budget: 'login' })
  async passkey(
    @Body() { response, mode }: PasskeyLoginRequest,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CredentialView> {
    return credentialOf(await this.passkeys.signIn(response, mode ?? 'tokens', this.parties.of(callerOf(request))), reply);
  }

  /** Get a fresh access token, and the next refresh token. */
  @Post('refresh')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @Public('the refresh token is the credential, the access token may have expired')
  @Limit({ budget: 'refresh' })
  async refresh(@Body() body: RefreshRequest): Promise<TokenView> {
    return tokensOf(await this.refreshTokens.rotate(body.refreshToken));
  }

  /** Sign out: ends this session, effective on the next request. */
  @Post('logout')
  @HttpCode(204)
  @Requires('profile:write')
  async logout(@Res({ passthrough: true }) reply: FastifyReply): Promise<void> {
    const { console } = await this.sessions.logOut(signedIn());
    if (console) void reply.header('set-cookie', clearedConsoleCookie());
  }
}
