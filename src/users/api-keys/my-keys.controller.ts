import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { RequiresRecentProof } from '../../platform/auth/recent-proof.js';
import { currentContext } from '../../platform/context/request-context.js';
import { expectedVersion } from '../../platform/http/etag.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { signedIn } from '../sessions/signed-in.js';
import { KeyEnding } from './key-ending.js';
import { KeyMaking } from './key-making.js';
import { KeyRotation } from './key-rotation.js';
import { CreateMyKey, IssuedKeyView, KeyPage, MyKeyFilter, RotateKey } from './key.dto.js';
import { issuedView, termsOf, viewOf } from './key.view.js';
import { KeysService } from './keys.service.js';

/** The account whose keys these are: a key asks for its owner's. */
function account(): string {
  const principal = currentContext()?.principal;
  return principal?.ownerId ?? principal?.id ?? '';
}

@Controller('me/keys')
export class MyKeysController {
  constructor(
    private readonly keys: KeysService,
    private readonly making: KeyMaking,
    private readonly rotation: KeyRotation,
    private readonly ending: KeyEnding,
  ) {}

  /** Your keys, newest first, also those that have ended. */
  @Get()
  @Requires('key:read-own')
  async list(@Query() { state, q, limit, offset }: MyKeyFilter): Promise<KeyPage> {
    const { items, total } = await this.keys.list({ state, q, limit, offset, ownerId: account() });
    return { items: items.map(viewOf), total };
  }

  /** Make a key that acts for you. Its secret is in the answer, and nowhere else ever after. */
  @Post()
  @Requires('key:write-own')
  @RequiresRecentProof()
  async create(@Body() body: CreateMyKey, @Res({ passthrough: true }) reply: FastifyReply): Promise<IssuedKeyView> {
    const { projectId = null, expiresInDays } = body;
    const issued = await this.making.make({ ...termsOf(body), kind: 'owner', ownerId: signedIn().id, projectId, expiresInDays });
    return issuedView(issued, reply);
  }

  /** Put a new secret in the place of this one, which stays good for the grace. */
  @Post(':id/rotate')
  @Requires('key:write-own')
  @RequiresRecentProof()
  async rotate(
    @Param('id', UuidPipe) id: string,
    @Body() body: RotateKey,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IssuedKeyView> {
    return issuedView(await this.rotation.rotate(id, body.graceSeconds, signedIn().id), reply);
  }

  /** The secret of a successor that the schedule made, once; what it replaces stays good for the grace. */
  @Post(':id/collect')
  @HttpCode(200)
  @Requires('key:write-own')
  @RequiresRecentProof()
  async collect(@Param('id', UuidPipe) id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<IssuedKeyView> {
    return issuedView(await this.rotation.collect(id, signedIn().id), reply);
  }

  /** Revoke a key of yours, at once. */
  @Delete(':id')
  @HttpCode(204)
  @Requires('key:write-own')
  async revoke(@Param('id', UuidPipe) id: string, @Headers('if-match') ifMatch: string | undefined): Promise<void> {
    await this.ending.revoke(id, expectedVersion(ifMatch), signedIn().id);
  }
}
