import { ApiPropertyOptional, OmitType } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsOptional } from 'class-validator';
import { ToBoolean } from '../../platform/http/paging.dto.js';
import { AuditFilter } from '../log/audit-filter.dto.js';

const exportFormats = ['ndjson', 'json', 'csv', 'ocsf'] as const;
export type ExportFormat = (typeof exportFormats)[number];

/** The filters of the search, and the form. */
export class AuditExportFilter extends OmitType(AuditFilter, ['limit', 'after'] as const) {
  @IsOptional()
  @IsIn(exportFormats)
  @ApiPropertyOptional({ enum: exportFormats, default: 'ndjson' })
  format: ExportFormat = 'ndjson';

  /** Whether archived months are read as well; without them the last line says how many are left out. */
  @IsOptional()
  @ToBoolean()
  @IsBoolean()
  @ApiPropertyOptional({ type: Boolean, default: false })
  archived = false;
}
