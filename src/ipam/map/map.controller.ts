import { Controller, Get, Param, Query } from '@nestjs/common';
import { Requires } from '../../platform/auth/access.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { MapFilter, PoolMap } from './map.dto.js';
import { PoolMaps } from './pool-map.js';

@Controller('ipam/pools')
export class MapController {
  constructor(private readonly maps: PoolMaps) {}

  /** Occupancy: a cell for each address of a small pool, equal parts of a large one, or exact runs in pages. */
  @Get(':id/map')
  @Requires('allocation:read')
  of(@Param('id', UuidPipe) id: string, @Query() filter: MapFilter): Promise<PoolMap> {
    return this.maps.of(id, filter);
  }
}
