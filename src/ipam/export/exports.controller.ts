import { Controller, Get, Query, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiProduces } from '@nestjs/swagger';
import { Requires } from '../../platform/auth/access.js';
import { Limit } from '../../platform/limits/limit.js';
import { type FileKind } from '../import/import-files.js';
import { ExportFilter } from './export.dto.js';
import { ExportsService } from './exports.service.js';

const csv = { schema: { type: 'string' } };

@ApiProduces('text/csv')
@Controller('ipam/exports')
export class ExportsController {
  constructor(private readonly exports: ExportsService) {}

  /** VRFs as CSV in NetBox’s columns; the default one has no row there. */
  @Get('vrfs.csv')
  @ApiOkResponse(csv)
  @Requires('ipam:export')
  @Limit({ cost: 10 })
  async vrfs(@Query() filter: ExportFilter): Promise<StreamableFile> {
    return this.file('vrfs', filter);
  }

  /** Pools as CSV in NetBox’s columns for prefixes, and some of our own. */
  @Get('prefixes.csv')
  @ApiOkResponse(csv)
  @Requires('ipam:export')
  @Limit({ cost: 10 })
  async prefixes(@Query() filter: ExportFilter): Promise<StreamableFile> {
    return this.file('prefixes', filter);
  }

  /** Reserved and blocked ranges as CSV in NetBox’s columns. */
  @Get('ranges.csv')
  @ApiOkResponse(csv)
  @Requires('ipam:export')
  @Limit({ cost: 10 })
  async ranges(@Query() filter: ExportFilter): Promise<StreamableFile> {
    return this.file('ranges', filter);
  }

  /** Held addresses as CSV in NetBox’s columns. */
  @Get('addresses.csv')
  @ApiOkResponse(csv)
  @Requires('ipam:export')
  @Limit({ cost: 10 })
  async addresses(@Query() filter: ExportFilter): Promise<StreamableFile> {
    return this.file('addresses', filter);
  }

  private async file(kind: FileKind, { vrfId }: ExportFilter): Promise<StreamableFile> {
    const stream = await this.exports.csv(kind, vrfId);
    return new StreamableFile(stream, { type: 'text/csv; charset=utf-8', disposition: `attachment; filename="${kind}.csv"` });
  }
}
