import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { etagOf, expectedVersion } from '../../platform/http/etag.js';
import { Idempotency } from '../../platform/http/idempotency.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { ipParameter } from '../ip-validators.js';
import { formatIp } from '../domain/ip.js';
import {
  Allocate,
  AllocationFilter,
  AllocationList,
  AllocationPage,
  AllocationView,
  HistoryFilter,
  PatchAllocation,
  RangeAction,
  RangeActionReport,
} from './allocation.dto.js';
import { allocationView } from './allocation.view.js';
import { AddressHistory } from './address-history.js';
import { AllocationsService } from './allocations.service.js';
import { RangeActions } from './range-actions.js';

@Controller('ipam')
export class AllocationsController {
  constructor(
    private readonly allocations: AllocationsService,
    private readonly ranges: RangeActions,
    private readonly past: AddressHistory,
    private readonly idempotency: Idempotency,
  ) {}

  /** Allocate a named address, a range, or the next free addresses. */
  @Post('pools/:id/allocations')
  @Requires('allocation:write')
  async allocate(
    @Param('id', UuidPipe) id: string,
    @Body() body: Allocate,
    @Headers('idempotency-key') key: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AllocationList> {
    const items = await this.idempotency.once(key, { id, body }, async () =>
      (await this.allocations.allocate(id, body)).map(allocationView),
    );
    if (items.length === 1 && items[0]) void reply.header('location', `/api/v1/ipam/allocations/${items[0].id}`);
    return { items };
  }

  /** A pool’s addresses, in order. */
  @Get('pools/:id/allocations')
  @Requires('allocation:read')
  async page(@Param('id', UuidPipe) id: string, @Query() filter: AllocationFilter): Promise<AllocationPage> {
    const { items, next } = await this.allocations.page(id, filter);
    return { items: items.map(allocationView), next };
  }

  /** Allocate, reserve, block or release every address of a range, with a result for each. */
  @Post('pools/:id/range-actions')
  @HttpCode(200)
  @Requires('allocation:write')
  async act(
    @Param('id', UuidPipe) id: string,
    @Body() body: RangeAction,
    @Headers('idempotency-key') key: string | undefined,
  ): Promise<RangeActionReport> {
    return this.idempotency.once(key, { id, body }, () => this.ranges.run(id, body));
  }

  @Get('allocations/:id')
  @Requires('allocation:read')
  async get(@Param('id', UuidPipe) id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<AllocationView> {
    const allocation = await this.allocations.get(id);
    void reply.header('etag', etagOf(allocation.version));
    return allocationView(allocation);
  }

  /** Change who holds an address, or move a reserved one to allocated or blocked. */
  @Patch('allocations/:id')
  @Requires('allocation:write')
  async patch(
    @Param('id', UuidPipe) id: string,
    @Body() body: PatchAllocation,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AllocationView> {
    const allocation = await this.allocations.patch(id, body, expectedVersion(ifMatch));
    void reply.header('etag', etagOf(allocation.version));
    return allocationView(allocation);
  }

  /** Release an address. It rests for its pool’s cooldown, then it is free; its history stays. */
  @Delete('allocations/:id')
  @HttpCode(204)
  @Requires('allocation:write')
  async release(@Param('id', UuidPipe) id: string, @Headers('if-match') ifMatch: string | undefined): Promise<void> {
    await this.allocations.release(id, expectedVersion(ifMatch));
  }

  /** Every holder an address ever had, or the one at a time. */
  @Get('history')
  @Requires('allocation:read')
  async history(@Query() filter: HistoryFilter): Promise<AllocationList> {
    const ip = formatIp(ipParameter('ip', filter.ip));
    return { items: (await this.past.of(filter.vrfId, ip, filter.at)).map(allocationView) };
  }
}
