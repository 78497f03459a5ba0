import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { etagOf, expectedVersion } from '../../platform/http/etag.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { CreateVrf, PatchVrf, VrfFilter, VrfPage, VrfView } from './vrf.dto.js';
import { type Vrf } from './vrf.entity.js';
import { VrfsService } from './vrfs.service.js';

function view(vrf: Vrf, reply: FastifyReply): VrfView {
  void reply.header('etag', etagOf(vrf.version));
  return viewOf(vrf);
}

function viewOf(vrf: Vrf): VrfView {
  const { id, name, rd, description, isDefault, version, createdBy } = vrf;
  return {
    id,
    name,
    rd,
    description,
    isDefault,
    version,
    createdBy,
    createdAt: vrf.createdAt.toISOString(),
    updatedAt: vrf.updatedAt.toISOString(),
  };
}

@Controller('ipam/vrfs')
export class VrfsController {
  constructor(private readonly vrfs: VrfsService) {}

  /** Register an address space. */
  @Post()
  @Requires('vrf:write')
  async create(@Body() body: CreateVrf, @Res({ passthrough: true }) reply: FastifyReply): Promise<VrfView> {
    const vrf = await this.vrfs.create(body);
    void reply.header('location', `/api/v1/ipam/vrfs/${vrf.id}`);
    return view(vrf, reply);
  }

  /** All address spaces. */
  @Get()
  @Requires('vrf:read')
  async list(@Query() filter: VrfFilter): Promise<VrfPage> {
    const { items, total } = await this.vrfs.list(filter);
    return { items: items.map(viewOf), total };
  }

  @Get(':id')
  @Requires('vrf:read')
  async get(@Param('id', UuidPipe) id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<VrfView> {
    return view(await this.vrfs.get(id), reply);
  }

  /** Change some fields. */
  @Patch(':id')
  @Requires('vrf:write')
  async patch(
    @Param('id', UuidPipe) id: string,
    @Body() body: PatchVrf,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VrfView> {
    return view(await this.vrfs.patch(id, body, expectedVersion(ifMatch)), reply);
  }

  /** Remove an address space that has no pools and never held an address. */
  @Delete(':id')
  @HttpCode(204)
  @Requires('vrf:write')
  async delete(@Param('id', UuidPipe) id: string, @Headers('if-match') ifMatch: string | undefined): Promise<void> {
    await this.vrfs.delete(id, expectedVersion(ifMatch));
  }
}
