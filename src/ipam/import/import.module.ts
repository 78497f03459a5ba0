import { Module } from '@nestjs/common';
import { AddressImportRepository } from './address-import.repository.js';
import { ImportAudit } from './import-audit.js';
import { ImportsController } from './imports.controller.js';
import { ImportsService } from './imports.service.js';
import { PoolImportRepository } from './pool-import.repository.js';
import { StagingRepository } from './staging.repository.js';
import { VrfImportRepository } from './vrf-import.repository.js';

@Module({
  controllers: [ImportsController],
  providers: [ImportsService, StagingRepository, VrfImportRepository, PoolImportRepository, AddressImportRepository, ImportAudit],
})
export class ImportModule {}
