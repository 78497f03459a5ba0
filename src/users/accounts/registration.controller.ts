import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { Public } from '../../platform/auth/access.js';
import { type Account } from './account.js';
import { AcceptInvitation, Register, RegisteredView } from './invitation.dto.js';
import { Registration } from './registration.js';

@Controller('auth')
export class RegistrationController {
  constructor(private readonly registration: Registration) {}

  /** Make the account you were invited to have. */
  @Post('invitations/accept')
  @HttpCode(200)
  @Public('who is invited has no account yet; the token is the credential')
  async accept(@Body() body: AcceptInvitation): Promise<RegisteredView> {
    return viewOf(await this.registration.accept(body));
  }

  /** Ask for an account, where that is open to everybody. */
  @Post('register')
  @Public('who registers has no account yet; closed unless it was opened')
  async register(@Body() body: Register): Promise<RegisteredView> {
    return viewOf(await this.registration.register(body));
  }
}

function viewOf({ id, username, status }: Account): RegisteredView {
  return { id, username, status };
}
