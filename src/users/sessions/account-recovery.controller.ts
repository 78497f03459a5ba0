import { Controller, Delete, HttpCode, Param, Post } from '@nestjs/common';
import { Requires } from '../../platform/auth/access.js';
import { RequiresRecentProof } from '../../platform/auth/recent-proof.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { AccountRecovery } from './account-recovery.js';
import { EndedSessionsView } from './session.dto.js';

@Controller('users/:id')
export class AccountRecoveryController {
  constructor(private readonly recovery: AccountRecovery) {}

  /** Let a user try again at once who failed too often. */
  @Post('unlock')
  @HttpCode(204)
  @Requires('user:write')
  async unlock(@Param('id', UuidPipe) id: string): Promise<void> {
    await this.recovery.unlock(id);
  }

  /** End all sessions of a user, effective on their next requests. */
  @Delete('sessions')
  @Requires('session:write')
  async endSessions(@Param('id', UuidPipe) id: string): Promise<EndedSessionsView> {
    return { ended: await this.recovery.endSessions(id) };
  }

  /** Take away all second factors of a user who lost them. Needs a recent proof of who you are. */
  @Delete('second-factors')
  @HttpCode(204)
  @Requires('user:write')
  @RequiresRecentProof()
  async removeSecondFactors(@Param('id', UuidPipe) id: string): Promise<void> {
    await this.recovery.removeSecondFactors(id);
  }
}
