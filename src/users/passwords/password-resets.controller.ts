import { Body, Controller, Header, HttpCode, Param, Post } from '@nestjs/common';
import { Public, Requires } from '../../platform/auth/access.js';
import { RequiresRecentProof } from '../../platform/auth/recent-proof.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { PasswordResetView, RedeemReset } from './password.dto.js';
import { PasswordResets } from './password-resets.js';

@Controller()
export class PasswordResetsController {
  constructor(private readonly resets: PasswordResets) {}

  /** Make a link to a new password, good once and for an hour; an earlier one is void. Needs a recent proof of who you are. */
  @Post('users/:id/password-reset')
  @Header('cache-control', 'no-store')
  @Requires('user:write')
  @RequiresRecentProof()
  async issue(@Param('id', UuidPipe) id: string): Promise<PasswordResetView> {
    const { token, expiresAt } = await this.resets.issue(id);
    return { token, expiresAt: expiresAt.toISOString() };
  }

  /** Set a new password by such a link. Every session of the account ends; signing in is the next step. */
  @Post('auth/password-reset')
  @HttpCode(204)
  @Header('cache-control', 'no-store')
  @Public('the token of the link is the credential')
  async redeem(@Body() { token, newPassword }: RedeemReset): Promise<void> {
    await this.resets.redeem(token, newPassword);
  }
}
