import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsOptional, IsString, MaxLength, MinLength } from 'class-validator';
import { IsInstant } from '../../platform/http/instant.js';
import { ToBoolean } from '../../platform/http/paging.dto.js';

/** The time a report is about; all of it when absent. */
export class ReportFilter {
  /** Not before this instant (RFC 3339 with a zone). */
  @IsOptional()
  @IsInstant()
  from?: Date;

  /** Before this instant (RFC 3339 with a zone). */
  @IsOptional()
  @IsInstant()
  to?: Date;

  /** Whether archived months are read as well; without them it says how many it leaves out. */
  @IsOptional()
  @ToBoolean()
  @IsBoolean()
  @ApiPropertyOptional({ type: Boolean, default: true })
  archived = true;
}

export class DataSubjectFilter extends ReportFilter {
  /** The id of the account. */
  @IsString()
  @MinLength(1)
  @MaxLength(100)
  user!: string;
}

export class ChangeTrailFilter extends ReportFilter {
  /** Only of this kind of thing. */
  @IsOptional()
  @IsString()
  @MaxLength(100)
  resourceType?: string;
}
