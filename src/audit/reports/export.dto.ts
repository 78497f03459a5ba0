import { ApiPropertyOptional, OmitType } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { AuditFilter } from '../log/audit-filter.dto.js';

const exportFormats = ['ndjson', 'json', 'csv', 'ocsf'] as const;
export type ExportFormat = (typeof exportFormats)[number];

/** The filters of the search, and the form. */
export class AuditExportFilter extends OmitType(AuditFilter, ['limit', 'after'] as const) {
  @IsOptional()
  @IsIn(exportFormats)
  @ApiPropertyOptional({ enum: exportFormats, default: 'ndjson' })
  format: ExportFormat = 'ndjson';
}
