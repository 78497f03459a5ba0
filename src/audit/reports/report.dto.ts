import { IsOptional, IsString, MaxLength, MinLength } from 'class-validator';
import { IsInstant } from '../../platform/http/instant.js';

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
