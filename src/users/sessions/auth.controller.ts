import { Body, Controller, Header, HttpCode, Post } from '@nestjs/common';
import { Public, Requires } from '../../platform/auth/access.js';
import { Login } from './login.js';
import { RefreshTokens, type TokenPair } from './refresh-tokens.js';
import { LoginRequest, RefreshRequest, TokenView } from './session.dto.js';
import { Sessions } from './sessions.js';
import { signedIn } from './signed-in.js';

@Controller('auth')
export class AuthController {
  constructor(
    private readonly logins: Login,
    private readonly refreshTokens: RefreshTokens,
    private readonly sessions: Sessions,
  ) {}

  /** Sign in. */
  @Post('login')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @Public('who signs in has no token yet')
  async login(@Body() body: LoginRequest): Promise<TokenView> {
    return viewOf(await this.logins.signIn(body.username, body.password));
  }

  /** Get a fresh access token, and the next refresh token. */
  @Post('refresh')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @Public('the refresh token is the credential, the access token may have expired')
  async refresh(@Body() body: RefreshRequest): Promise<TokenView> {
    return viewOf(await this.refreshTokens.rotate(body.refreshToken));
  }

  /** Sign out: ends this session, effective on the next request. */
  @Post('logout')
  @HttpCode(204)
  @Requires('profile:write')
  async logout(): Promise<void> {
    await this.sessions.logOut(signedIn());
  }
}

function viewOf({ expiresInSeconds, sessionExpiresAt, ...pair }: TokenPair): TokenView {
  return { ...pair, tokenType: 'Bearer', expiresIn: expiresInSeconds, sessionExpiresAt: sessionExpiresAt.toISOString() };
}
