import { Body, Controller, Header, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiOkResponse } from '@nestjs/swagger';
import { type PublicKeyCredentialRequestOptionsJSON } from '@simplewebauthn/server';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { Passkeys } from '../second-factors/passkeys.js';
import { callerOf, type Party, RelyingParty } from '../second-factors/relying-party.js';
import { ApiCredential, type CredentialView, StepUpRequest } from './session.dto.js';
import { signedIn } from './signed-in.js';
import { credentialOf } from './signed-in-answer.js';
import { StepUp } from './step-up.js';

@Controller('auth/step-up')
export class StepUpController {
  constructor(
    private readonly stepUp: StepUp,
    private readonly passkeys: Passkeys,
    private readonly parties: RelyingParty,
  ) {}

  /** Prove once more who you are. The session goes on under a new id, with a new secret; the old ones are of no more use. */
  @Post()
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @ApiCredential()
  @Requires('profile:write')
  async prove(
    @Body() { password, code, recoveryCode, passkey }: StepUpRequest,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CredentialView> {
    const party = (): Party => this.parties.of(callerOf(request));
    return credentialOf(await this.stepUp.prove(signedIn(), { password, code, recoveryCode, passkey }, party), reply);
  }

  /** What a browser needs to answer by one of your passkeys (`PublicKeyCredentialRequestOptions` as JSON). */
  @Post('passkey-options')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @ApiOkResponse({ schema: { type: 'object' } })
  @Requires('profile:write')
  passkeyOptions(@Req() request: FastifyRequest): Promise<PublicKeyCredentialRequestOptionsJSON> {
    const { id: userId, sessionId } = signedIn();
    return this.passkeys.proofOptions({ userId, sessionId }, this.parties.of(callerOf(request)));
  }
}
