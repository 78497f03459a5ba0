import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { RequiresRecentProof } from '../../platform/auth/recent-proof.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { LegalHoldFilter, LegalHoldPage, LegalHoldView, PlaceLegalHold, ReleaseLegalHold } from './hold.dto.js';
import { type HoldWithMonths, LegalHolds } from './holds.service.js';

@Controller('audit/holds')
export class HoldsController {
  constructor(private readonly holds: LegalHolds) {}

  /** What must not be removed, newest first, with the months and the events of each. */
  @Get()
  @Requires('audit-retention:read')
  async list(@Query() filter: LegalHoldFilter): Promise<LegalHoldPage> {
    const { items, total } = await this.holds.list(filter);
    return { items: items.map(viewOf), total };
  }

  @Get(':id')
  @Requires('audit-retention:read')
  async get(@Param('id', UuidPipe) id: string): Promise<LegalHoldView> {
    return viewOf(await this.holds.get(id));
  }

  /** From now on nothing it touches is removed. */
  @Post()
  @Requires('audit-hold:write')
  async place(@Body() body: PlaceLegalHold, @Res({ passthrough: true }) reply: FastifyReply): Promise<LegalHoldView> {
    const hold = await this.holds.place(body);
    void reply.header('location', `/api/v1/audit/holds/${hold.id}`);
    return viewOf(hold);
  }

  /** For somebody else than who placed it. There is no way back: place another one. */
  @Post(':id/release')
  @HttpCode(200)
  @Requires('audit-hold:write')
  @RequiresRecentProof()
  async release(@Param('id', UuidPipe) id: string, @Body() body: ReleaseLegalHold): Promise<LegalHoldView> {
    return viewOf(await this.holds.release(id, body.reason));
  }
}

function viewOf(hold: HoldWithMonths): LegalHoldView {
  return {
    ...hold,
    from: hold.from?.toISOString() ?? null,
    to: hold.to?.toISOString() ?? null,
    placedAt: hold.placedAt.toISOString(),
    releasedAt: hold.releasedAt?.toISOString() ?? null,
    rows: hold.months.reduce((sum, { rows }) => sum + rows, 0),
    bytes: hold.months.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
