import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { Requires } from '../../platform/auth/access.js';
import { UsersService } from '../accounts/users.service.js';
import { MyPassword } from '../passwords/my-password.js';
import { ChangePassword } from '../passwords/password.dto.js';
import { MeView } from './session.dto.js';
import { signedIn } from './signed-in.js';

@Controller('me')
export class MeController {
  constructor(
    private readonly users: UsersService,
    private readonly password: MyPassword,
  ) {}

  /** Who you are and what you may do. */
  @Get()
  @Requires('profile:read')
  async me(): Promise<MeView> {
    const { id: me, permissions, secondFactorRequired = false } = signedIn();
    const { id, username, email, displayName, roles, mustChangePassword, lastLoginAt } = await this.users.get(me);
    return {
      id,
      username,
      email,
      displayName,
      roles,
      permissions: [...permissions].sort(),
      mustChangePassword,
      secondFactorRequired,
      lastLoginAt: lastLoginAt?.toISOString() ?? null,
    };
  }

  /** Change your password; your other sessions end. */
  @Post('password')
  @HttpCode(204)
  @Requires('profile:write')
  async changePassword(@Body() body: ChangePassword): Promise<void> {
    await this.password.change(signedIn(), body.currentPassword, body.newPassword);
  }
}
