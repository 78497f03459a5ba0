import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Put, Query, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { etagOf, expectedVersion, requiredVersion } from '../../platform/http/etag.js';
import { Idempotency } from '../../platform/http/idempotency.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { checkAddressOrNetwork } from '../ip-validators.js';
import { CreatePool, DeletePool, NextPools, PatchPool, PoolFilter, PoolList, PoolPage, PoolView, ReplacePool } from './pool.dto.js';
import { poolView } from './pool.view.js';
import { PoolsService } from './pools.service.js';

function tagged(pool: PoolView, reply: FastifyReply): PoolView {
  void reply.header('etag', etagOf(pool.version));
  return pool;
}

@Controller('ipam/pools')
export class PoolsController {
  constructor(
    private readonly pools: PoolsService,
    private readonly idempotency: Idempotency,
  ) {}

  /** Register a pool. Pools and addresses that it covers move into it. */
  @Post()
  @Requires('pool:write')
  async create(
    @Body() body: CreatePool,
    @Headers('idempotency-key') key: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PoolView> {
    const pool = await this.idempotency.once(key, body, async () => poolView(await this.pools.create(body)));
    void reply.header('location', `/api/v1/ipam/pools/${pool.id}`);
    return tagged(pool, reply);
  }

  /** Pools with their counters. */
  @Get()
  @Requires('pool:read')
  async list(@Query() filter: PoolFilter): Promise<PoolPage> {
    if (filter.contains !== undefined) checkAddressOrNetwork('contains', filter.contains);
    const { items, total } = await this.pools.list(filter);
    return { items: items.map(poolView), total };
  }

  @Get(':id')
  @Requires('pool:read')
  async get(@Param('id', UuidPipe) id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<PoolView> {
    return tagged(poolView(await this.pools.get(id)), reply);
  }

  /** Replace a pool; needs If-Match. Its network may grow or shrink as long as nothing falls out of it. */
  @Put(':id')
  @Requires('pool:write')
  async replace(
    @Param('id', UuidPipe) id: string,
    @Body() body: ReplacePool,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PoolView> {
    return tagged(poolView(await this.pools.replace(id, body, requiredVersion(ifMatch))), reply);
  }

  /** Change some fields. */
  @Patch(':id')
  @Requires('pool:write')
  async patch(
    @Param('id', UuidPipe) id: string,
    @Body() body: PatchPool,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PoolView> {
    return tagged(poolView(await this.pools.patch(id, body, expectedVersion(ifMatch))), reply);
  }

  /** Remove a pool without live allocations; `?children=lift` moves child pools to its parent, otherwise they refuse. */
  @Delete(':id')
  @HttpCode(204)
  @Requires('pool:write')
  async delete(
    @Param('id', UuidPipe) id: string,
    @Query() query: DeletePool,
    @Headers('if-match') ifMatch: string | undefined,
  ): Promise<void> {
    await this.pools.delete(id, expectedVersion(ifMatch), query.children === 'lift');
  }

  /** Carve the next free child pools of a length, lowest first, all or none. */
  @Post(':id/next-pools')
  @Requires('pool:write')
  async createNext(
    @Param('id', UuidPipe) id: string,
    @Body() body: NextPools,
    @Headers('idempotency-key') key: string | undefined,
  ): Promise<PoolList> {
    return this.idempotency.once(key, { id, body }, async () => ({ items: (await this.pools.createNext(id, body)).map(poolView) }));
  }
}
