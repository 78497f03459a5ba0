import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsBoolean, IsIn, IsOptional, IsString, Length, Matches } from 'class-validator';
import { IsInstant } from '../../platform/http/instant.js';
import { OffsetPage, ToBoolean } from '../../platform/http/paging.dto.js';
import { type RetainedLog, retainedLogs } from '../retention/retention-rule.js';

const SAYS_SOMETHING = { message: 'must not be blank' };

/** All that is said must hold of an event; something must be said, or `everything` be true. */
export class PlaceLegalHold {
  /**
   * Unique among those in force, whatever the case.
   * @example 'Case 2026-17'
   */
  @IsString()
  @Length(1, 100)
  @Matches(/\S/, SAYS_SOMETHING)
  name!: string;

  @IsString()
  @Length(1, 2000)
  @Matches(/\S/, SAYS_SOMETHING)
  reason!: string;

  /** Every event of every log. */
  @IsOptional()
  @IsBoolean()
  everything?: boolean;

  @IsOptional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(retainedLogs.length)
  @ArrayUnique()
  @IsIn(retainedLogs, { each: true })
  @ApiPropertyOptional({ enum: retainedLogs, isArray: true })
  logs?: RetainedLog[];

  @IsOptional()
  @IsString()
  @Length(1, 100)
  resourceType?: string;

  @IsOptional()
  @IsString()
  @Length(1, 300)
  resourceId?: string;

  /** The id of who did it: an account's, which takes in what its keys did, or a key's. */
  @IsOptional()
  @IsString()
  @Length(1, 300)
  actor?: string;

  /** From this instant on (RFC 3339 with a zone). */
  @IsOptional()
  @IsInstant()
  from?: Date;

  /** Before this instant (RFC 3339 with a zone). */
  @IsOptional()
  @IsInstant()
  to?: Date;
}

export class ReleaseLegalHold {
  /** Why it may go. */
  @IsString()
  @Length(1, 2000)
  @Matches(/\S/, SAYS_SOMETHING)
  reason!: string;
}

export class LegalHoldFilter extends OffsetPage {
  /** Whether it is in force. */
  @IsOptional()
  @ToBoolean()
  @IsBoolean()
  active?: boolean;
}

export class HeldMonthView {
  log!: string;
  /** Its first day. */
  period!: string;
  /** Events it is about; all of the month stays. */
  rows!: number;
  bytes!: number;
  /** False: so many at most, since the month is archived. */
  exact!: boolean;
  /** Its events are removed for good, or are just being removed: the hold came too late for them. */
  gone!: boolean;
}

export class LegalHoldView {
  id!: string;
  name!: string;
  reason!: string;
  everything!: boolean;
  @ApiProperty({ enum: retainedLogs, isArray: true, nullable: true })
  logs!: RetainedLog[] | null;
  resourceType!: string | null;
  resourceId!: string | null;
  actor!: string | null;
  from!: string | null;
  to!: string | null;
  placedAt!: string;
  /** The account's id. */
  placedBy!: string;
  placedByName!: string;
  releasedAt!: string | null;
  releasedBy!: string | null;
  releasedByName!: string | null;
  releaseReason!: string | null;
  /** What it keeps; empty once it is released. */
  months!: HeldMonthView[];
  /** Sums over the months. */
  rows!: number;
  bytes!: number;
}

export class LegalHoldPage {
  items!: LegalHoldView[];
  total!: number;
}
