import { Controller, Delete, Get, HttpCode, Param, Query } from '@nestjs/common';
import { Requires } from '../../platform/auth/access.js';
import { OffsetPage } from '../../platform/http/paging.dto.js';
import { currentContext } from '../../platform/context/request-context.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { AppError } from '../../kernel/app-error.js';
import { AccountRecovery } from './account-recovery.js';
import { deviceLabel } from './device-label.js';
import { EndedSessionsView, MySessionPage, type MySessionView, SessionFilter, SessionPage } from './session.dto.js';
import { type LiveSession, SessionList } from './session-list.js';
import { Sessions } from './sessions.js';
import { signedIn } from './signed-in.js';

@Controller()
export class SessionsController {
  constructor(
    private readonly sessions: Sessions,
    private readonly live: SessionList,
    private readonly recovery: AccountRecovery,
  ) {}

  /** Where you are signed in, newest first. */
  @Get('me/sessions')
  @Requires('profile:read')
  async mine(@Query() page: OffsetPage): Promise<MySessionPage> {
    const { items, total } = await this.live.page(signedIn().id, page);
    return { items: items.map(viewOf), total };
  }

  /** Sign out one of your devices. */
  @Delete('me/sessions/:id')
  @HttpCode(204)
  @Requires('profile:write')
  async endMine(@Param('id', UuidPipe) id: string): Promise<void> {
    if (!(await this.sessions.revoke(id, 'revoked', signedIn().id))) throw AppError.notFound('session', id);
  }

  /** Sign out everywhere but here. */
  @Delete('me/sessions')
  @Requires('profile:write')
  async endMyOthers(): Promise<EndedSessionsView> {
    const { id, sessionId } = signedIn();
    return { ended: await this.sessions.revokeAllOf(id, 'revoked', sessionId) };
  }

  /** Who is signed in, newest first. */
  @Get('sessions')
  @Requires('session:read')
  async list(@Query() filter: SessionFilter): Promise<SessionPage> {
    const { items, total } = await this.live.page(filter.userId, filter);
    return { items: items.map((session) => Object.assign(viewOf(session), { userId: session.userId, username: session.username })), total };
  }

  /** End a session, effective on its next request. */
  @Delete('sessions/:id')
  @HttpCode(204)
  @Requires('session:write')
  async end(@Param('id', UuidPipe) id: string): Promise<void> {
    await this.recovery.endSession(id);
  }
}

function viewOf({ id, kind, userAgent, clientIp, methods, createdAt, lastSeenAt, authenticatedAt, expiresAt }: LiveSession): MySessionView {
  return {
    id,
    current: id === currentContext()?.principal?.sessionId,
    device: deviceLabel(userAgent),
    userAgent,
    clientIp,
    kind,
    methods,
    createdAt: createdAt.toISOString(),
    lastSeenAt: lastSeenAt.toISOString(),
    authenticatedAt: authenticatedAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
  };
}
