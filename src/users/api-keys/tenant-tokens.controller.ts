import { Body, Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import { Requires } from '../../platform/auth/access.js';
import { currentContext } from '../../platform/context/request-context.js';
import { AppError } from '../../kernel/app-error.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { IntrospectionView } from './key.dto.js';
import { introspectionOf } from './key.view.js';
import { CreateTenantToken, TenantTokenView } from './tenant-token.dto.js';
import { TenantTokens } from './tenant-tokens.js';

/** What a credential asks about itself, and derives of itself: every key may, so the right is the one that every key has. */
@Controller()
export class TenantTokensController {
  constructor(private readonly tokens: TenantTokens) {}

  /** What the credential of this request is, and what it may do at this moment. */
  @Get('keys/introspect')
  @Requires('profile:read')
  introspect(): IntrospectionView {
    const principal = currentContext()?.principal;
    if (!principal) throw new AppError('unauthenticated', 'unauthenticated', 'Send a credential.');
    return introspectionOf(principal);
  }

  /** Derive a token from the tenant key of this request, for somebody it serves. */
  @Post('tenant-tokens')
  @Requires('profile:read')
  async issue(@Body() body: CreateTenantToken): Promise<TenantTokenView> {
    const { expiresAt, ...token } = await this.tokens.issue(body);
    return { ...token, expiresAt: expiresAt.toISOString() };
  }

  /** Revoke a derived token, at once. */
  @Delete('tenant-tokens/:id')
  @HttpCode(204)
  @Requires('profile:read')
  async revoke(@Param('id', UuidPipe) id: string): Promise<void> {
    await this.tokens.revoke(id);
  }
}
