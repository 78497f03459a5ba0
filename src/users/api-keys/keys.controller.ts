import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { RequiresRecentProof } from '../../platform/auth/recent-proof.js';
import { etagOf, expectedVersion } from '../../platform/http/etag.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { KeyEnding } from './key-ending.js';
import { KeyMaking } from './key-making.js';
import { KeyRotation } from './key-rotation.js';
import { CreateKey, IssuedKeyView, KeyFilter, KeyPage, KeyView, PatchKey, RotateKey } from './key.dto.js';
import { type Key } from './key.js';
import { issuedView, termsOf, viewOf } from './key.view.js';
import { KeysService } from './keys.service.js';

/** Everybody's keys. */
@Controller('keys')
export class KeysController {
  constructor(
    private readonly keys: KeysService,
    private readonly making: KeyMaking,
    private readonly rotation: KeyRotation,
    private readonly ending: KeyEnding,
  ) {}

  /** Make a key that acts for an account. Its secret is in the answer, and nowhere else ever after. */
  @Post()
  @Requires('key:write')
  @RequiresRecentProof()
  async create(@Body() body: CreateKey, @Res({ passthrough: true }) reply: FastifyReply): Promise<IssuedKeyView> {
    const { kind, ownerId, projectId = null, expiresInDays } = body;
    const issued = await this.making.make({ ...termsOf(body), kind, ownerId, projectId, expiresInDays });
    void reply.header('location', `/api/v1/keys/${issued.key.id}`);
    return issuedView(issued, reply);
  }

  /** Keys, newest first, also those that have ended. */
  @Get()
  @Requires('key:read')
  async list(@Query() { ownerId, projectId, kind, state, q, limit, offset }: KeyFilter): Promise<KeyPage> {
    const { items, total } = await this.keys.list({ ownerId, projectId, kind, state, q, limit, offset });
    return { items: items.map(viewOf), total };
  }

  @Get(':id')
  @Requires('key:read')
  async get(@Param('id', UuidPipe) id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<KeyView> {
    return view(await this.keys.get(id), reply);
  }

  /** Change some of what a key has; never to more than you hold yourself. */
  @Patch(':id')
  @Requires('key:write')
  @RequiresRecentProof()
  async patch(
    @Param('id', UuidPipe) id: string,
    @Body() body: PatchKey,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<KeyView> {
    return view(await this.keys.patch(id, body, expectedVersion(ifMatch)), reply);
  }

  /** Put a new secret in the place of this one, which stays good for the grace. Not for keys that act for a person: those are theirs. */
  @Post(':id/rotate')
  @Requires('key:write')
  @RequiresRecentProof()
  async rotate(
    @Param('id', UuidPipe) id: string,
    @Body() body: RotateKey,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IssuedKeyView> {
    return issuedView(await this.rotation.rotate(id, body.graceSeconds), reply);
  }

  /** Revoke a key, at once. */
  @Delete(':id')
  @HttpCode(204)
  @Requires('key:write')
  async revoke(@Param('id', UuidPipe) id: string, @Headers('if-match') ifMatch: string | undefined): Promise<void> {
    await this.ending.revoke(id, expectedVersion(ifMatch));
  }
}

function view(key: Key, reply: FastifyReply): KeyView {
  void reply.header('etag', etagOf(key.version));
  return viewOf(key);
}
