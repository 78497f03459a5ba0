import { Body, Controller, Delete, Get, Header, HttpCode, Param, Post, Query } from '@nestjs/common';
import { Requires } from '../../platform/auth/access.js';
import { RequiresRecentProof } from '../../platform/auth/recent-proof.js';
import { OffsetPage } from '../../platform/http/paging.dto.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { InvitationPage, type InvitationView, Invite, NewInvitationView } from './invitation.dto.js';
import { InvitationsService } from './invitations.service.js';

type Shown = Awaited<ReturnType<InvitationsService['list']>>['items'][number];

@Controller('invitations')
export class InvitationsController {
  constructor(private readonly invitations: InvitationsService) {}

  /** Invite somebody by e-mail address. The token is in the answer and nowhere else; it is good for 72 hours and one account. */
  @Post()
  @Header('cache-control', 'no-store')
  @Requires('user:write')
  @RequiresRecentProof()
  async invite(@Body() body: Invite): Promise<NewInvitationView> {
    const { invitation, token, link } = await this.invitations.invite(body.email, body.roles);
    return { ...viewOf(invitation), token, link, delivery: 'manual' };
  }

  /** Invitations that are open, the latest first. */
  @Get()
  @Requires('user:read')
  async list(@Query() { limit, offset }: OffsetPage): Promise<InvitationPage> {
    const { items, total } = await this.invitations.list(limit, offset);
    return { items: items.map(viewOf), total };
  }

  /** Take an invitation back. */
  @Delete(':id')
  @HttpCode(204)
  @Requires('user:write')
  async revoke(@Param('id', UuidPipe) id: string): Promise<void> {
    await this.invitations.revoke(id);
  }
}

function viewOf({ id, userId, email, roles, invitedBy, createdAt, expiresAt }: Shown): Pick<InvitationView, keyof InvitationView> {
  return { id, userId, email, roles, invitedBy, createdAt: createdAt.toISOString(), expiresAt: expiresAt.toISOString() };
}
