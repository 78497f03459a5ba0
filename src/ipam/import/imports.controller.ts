import { Controller, HttpCode, Post, Query, Req } from '@nestjs/common';
import { ApiBody, ApiConsumes } from '@nestjs/swagger';
import { type FastifyRequest } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { Limit } from '../../platform/limits/limit.js';
import { ImportOptions, ImportReport } from './import.dto.js';
import { fileKinds } from './import-files.js';
import { ImportsService } from './imports.service.js';
import { withUpload } from './upload.js';

const file = { type: 'string', format: 'binary' };

@Controller('ipam/imports')
export class ImportsController {
  constructor(private readonly imports: ImportsService) {}

  /** Import NetBox CSV exports: what fits goes in, what does not is reported row by row; nothing stored is overwritten. */
  @Post()
  @HttpCode(200)
  @Requires('ipam:import')
  @Limit({ cost: 20 })
  @ApiConsumes('multipart/form-data')
  @ApiBody({
    schema: { type: 'object', properties: { ...Object.fromEntries(fileKinds.map((kind) => [kind, file])), dryRun: { type: 'boolean' } } },
  })
  async create(@Query() options: ImportOptions, @Req() request: FastifyRequest): Promise<ImportReport> {
    return withUpload(request, options.dryRun === true, ({ files, dryRun }) => this.imports.netbox(files, dryRun));
  }
}
