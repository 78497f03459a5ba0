import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { Requires } from '../../platform/auth/access.js';
import { RequiresRecentProof } from '../../platform/auth/recent-proof.js';
import { signedIn } from '../sessions/signed-in.js';
import { BulkUsers, BulkView } from './bulk.dto.js';
import { BulkService } from './bulk.service.js';

@Controller('users/bulk')
export class BulkUsersController {
  constructor(private readonly bulk: BulkService) {}

  /** Do one thing to up to a thousand accounts, ten times an hour. The answer says what became of each; a deletion needs a dry run first. */
  @Post()
  @HttpCode(200)
  @Requires('user:write')
  @RequiresRecentProof()
  run(@Body() body: BulkUsers): Promise<BulkView> {
    return this.bulk.run(signedIn(), body);
  }
}
