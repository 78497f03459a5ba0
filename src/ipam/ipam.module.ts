import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AddressHistory } from './allocations/address-history.js';
import { Allocation } from './allocations/allocation.entity.js';
import { AllocationsController } from './allocations/allocations.controller.js';
import { AllocationsRepository } from './allocations/allocations.repository.js';
import { AllocationsService } from './allocations/allocations.service.js';
import { NextAddresses } from './allocations/next-addresses.js';
import { RangeActions } from './allocations/range-actions.js';
import { ExportModule } from './export/export.module.js';
import { BulkAllocations } from './import/bulk-allocations.js';
import { BulkController } from './import/bulk.controller.js';
import { ImportModule } from './import/import.module.js';
import { CalculatorController } from './calculator/calculator.controller.js';
import { MapController } from './map/map.controller.js';
import { PoolMaps } from './map/pool-map.js';
import { Pool } from './pools/pool.entity.js';
import { PoolsController } from './pools/pools.controller.js';
import { PoolsRepository } from './pools/pools.repository.js';
import { PoolsService } from './pools/pools.service.js';
import { SearchController } from './search/search.controller.js';
import { SearchRepository } from './search/search.repository.js';
import { SearchService } from './search/search.service.js';
import { WordSearch } from './search/word-search.js';
import { QuarantineJob } from './allocations/quarantine.job.js';
import { AlertsJob } from './stats/alerts.job.js';
import { StatsController } from './stats/stats.controller.js';
import { StatsService } from './stats/stats.service.js';
import { UsageSamplesJob } from './stats/usage-samples.job.js';
import { Vrf } from './vrfs/vrf.entity.js';
import { VrfsController } from './vrfs/vrfs.controller.js';
import { VrfsService } from './vrfs/vrfs.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([Vrf, Pool, Allocation]), ImportModule, ExportModule],
  controllers: [
    VrfsController,
    PoolsController,
    AllocationsController,
    MapController,
    SearchController,
    StatsController,
    CalculatorController,
    BulkController,
  ],
  providers: [
    VrfsService,
    PoolsRepository,
    PoolsService,
    AllocationsRepository,
    AllocationsService,
    NextAddresses,
    QuarantineJob,
    RangeActions,
    AddressHistory,
    PoolMaps,
    SearchRepository,
    SearchService,
    WordSearch,
    StatsService,
    AlertsJob,
    UsageSamplesJob,
    BulkAllocations,
  ],
})
export class IpamModule {}
