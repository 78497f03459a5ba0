import { Body, Controller, Delete, Get, Header, HttpCode, Param, Post, Req } from '@nestjs/common';
import { ApiOkResponse } from '@nestjs/swagger';
import { type PublicKeyCredentialCreationOptionsJSON } from '@simplewebauthn/server';
import { type FastifyRequest } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { RequiresRecentProof } from '../../platform/auth/recent-proof.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { signedIn } from '../sessions/signed-in.js';
import { MySecondFactors } from './my-second-factors.js';
import { type Passkey, Passkeys } from './passkeys.js';
import { callerOf, RelyingParty } from './relying-party.js';
import {
  AddedPasskeyView,
  AddPasskey,
  BegunTotpView,
  ConfirmTotp,
  type PasskeyView,
  RecoveryCodesView,
  SecondFactorsView,
} from './second-factor.dto.js';
import { Totp } from './totp.js';

/** What changes here needs a recent proof of who you are. */
@Controller('me/second-factors')
export class MySecondFactorsController {
  constructor(
    private readonly mine: MySecondFactors,
    private readonly totp: Totp,
    private readonly passkeys: Passkeys,
    private readonly parties: RelyingParty,
  ) {}

  /** What you prove yourself with beside your password. */
  @Get()
  @Requires('profile:read')
  async list(): Promise<SecondFactorsView> {
    const { totp, passkeys, recoveryCodesLeft } = await this.mine.list(signedIn());
    return {
      totp: totp && { confirmedAt: totp.confirmedAt.toISOString(), lastUsedAt: totp.lastUsedAt?.toISOString() ?? null },
      passkeys: passkeys.map(viewOf),
      recoveryCodesLeft,
    };
  }

  /** Begin with an authenticator app. It counts once its first code was confirmed. */
  @Post('totp')
  @Header('cache-control', 'no-store')
  @Requires('profile:write')
  @RequiresRecentProof()
  async beginTotp(): Promise<BegunTotpView> {
    const { id, name } = signedIn();
    return this.totp.begin(id, name);
  }

  /** Show that the app works. With the first second factor come recovery codes. */
  @Post('totp/confirm')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @Requires('profile:write')
  @RequiresRecentProof()
  async confirmTotp(@Body() { code }: ConfirmTotp): Promise<RecoveryCodesView> {
    return { recoveryCodes: await this.mine.confirmTotp(signedIn(), code) };
  }

  @Delete('totp')
  @HttpCode(204)
  @Requires('profile:write')
  @RequiresRecentProof()
  async removeTotp(): Promise<void> {
    await this.mine.removeTotp(signedIn());
  }

  /** Ten new recovery codes; earlier ones are void. */
  @Post('recovery-codes')
  @Header('cache-control', 'no-store')
  @Requires('profile:write')
  @RequiresRecentProof()
  async replaceRecoveryCodes(): Promise<RecoveryCodesView> {
    return { recoveryCodes: await this.mine.replaceRecoveryCodes(signedIn()) };
  }

  /** What a browser needs to make a passkey (`PublicKeyCredentialCreationOptions` as JSON). */
  @Post('passkeys/options')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @ApiOkResponse({ schema: { type: 'object' } })
  @Requires('profile:write')
  @RequiresRecentProof()
  passkeyOptions(@Req() request: FastifyRequest): Promise<PublicKeyCredentialCreationOptionsJSON> {
    const { id: userId, sessionId, name } = signedIn();
    return this.passkeys.enrolmentOptions({ userId, sessionId }, name, this.parties.of(callerOf(request)));
  }

  /** Register a passkey that the browser made. With the first second factor come recovery codes. */
  @Post('passkeys')
  @Header('cache-control', 'no-store')
  @Requires('profile:write')
  @RequiresRecentProof()
  async addPasskey(@Body() { name, response }: AddPasskey, @Req() request: FastifyRequest): Promise<AddedPasskeyView> {
    const { passkey, recoveryCodes } = await this.mine.addPasskey(signedIn(), name, response, this.parties.of(callerOf(request)));
    const { id, name: given, backedUp, createdAt, lastUsedAt } = viewOf(passkey);
    return { id, name: given, backedUp, createdAt, lastUsedAt, recoveryCodes };
  }

  @Delete('passkeys/:id')
  @HttpCode(204)
  @Requires('profile:write')
  @RequiresRecentProof()
  async removePasskey(@Param('id', UuidPipe) id: string): Promise<void> {
    await this.mine.removePasskey(signedIn(), id);
  }
}

function viewOf({ id, name, backedUp, createdAt, lastUsedAt }: Passkey): PasskeyView {
  return { id, name, backedUp, createdAt: createdAt.toISOString(), lastUsedAt: lastUsedAt?.toISOString() ?? null };
}
