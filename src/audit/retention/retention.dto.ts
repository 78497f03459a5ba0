import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { applyDecorators } from '@nestjs/common';
import { auditSeverities, type AuditSeverity } from '../trail/audit-event.js';
import { type Regime, regimes, type RetainedLog, retainedLogs } from './retention-rule.js';

const MOST_DAYS = 36_500;
const NOUN = /^[a-z][a-z_]{0,99}$/;

const given = (name: string): PropertyDecorator => ValidateIf((o: Record<string, unknown>) => o[name] !== undefined);
const Logs = (): PropertyDecorator =>
  applyDecorators(IsArray(), ArrayMinSize(1), ArrayMaxSize(retainedLogs.length), ArrayUnique(), IsIn(retainedLogs, { each: true }));
const ResourceTypes = (): PropertyDecorator =>
  applyDecorators(IsArray(), ArrayMaxSize(100), ArrayUnique(), IsString({ each: true }), Matches(NOUN, { each: true }));
const Severities = (): PropertyDecorator =>
  applyDecorators(IsArray(), ArrayMaxSize(auditSeverities.length), ArrayUnique(), IsIn(auditSeverities, { each: true }));
/** Days, or null for never. */
const Days = (name: string): PropertyDecorator =>
  applyDecorators(
    ValidateIf((o: Record<string, unknown>) => o[name] !== null),
    IsInt(),
    Min(1),
    Max(MOST_DAYS),
  );

export class CreateRetentionPolicy {
  /**
   * Unique, whatever the case.
   * @example 'Sessions'
   */
  @IsString()
  @Length(1, 100)
  @Matches(/\S/, { message: 'must not be blank' })
  name!: string;

  /** The logs it is about. `meta` is kept for good. */
  @Logs()
  @ApiProperty({ enum: retainedLogs, isArray: true })
  logs!: RetainedLog[];

  /** The resource types it is about; all when empty. */
  @IsOptional()
  @ResourceTypes()
  resourceTypes?: string[];

  /** The severities it is about; all when empty. */
  @IsOptional()
  @Severities()
  @ApiPropertyOptional({ enum: auditSeverities, isArray: true })
  severities?: AuditSeverity[];

  /** What it answers to; other than `none` it is about the events with that flag alone. */
  @IsOptional()
  @IsIn(regimes)
  @ApiPropertyOptional({ enum: regimes })
  regime?: Regime;

  /** Why so long. Needed for what is shorter than is usual, see the manual. */
  @IsOptional()
  @IsString()
  @MaxLength(2000)
  @Matches(/^$|\S/, { message: 'must not be blank' })
  reason?: string;

  /** Days in the database, from the end of the month; null: without an archive, until it is deleted. */
  @Days('archiveAfterDays')
  @ApiProperty({ type: 'integer', nullable: true, minimum: 1, maximum: MOST_DAYS })
  archiveAfterDays!: number | null;

  /** Days until it is deleted for good, from the end of the month; null: never. */
  @Days('deleteAfterDays')
  @ApiProperty({ type: 'integer', nullable: true, minimum: 1, maximum: MOST_DAYS })
  deleteAfterDays!: number | null;

  @IsOptional()
  @IsBoolean()
  enabled?: boolean;
}

/** Absent fields stay as they are. */
export class PatchRetentionPolicy {
  @given('name')
  @IsString()
  @Length(1, 100)
  @Matches(/\S/, { message: 'must not be blank' })
  name?: string;

  @given('logs')
  @Logs()
  @ApiPropertyOptional({ enum: retainedLogs, isArray: true })
  logs?: RetainedLog[];

  @given('resourceTypes')
  @ResourceTypes()
  resourceTypes?: string[];

  @given('severities')
  @Severities()
  @ApiPropertyOptional({ enum: auditSeverities, isArray: true })
  severities?: AuditSeverity[];

  @given('regime')
  @IsIn(regimes)
  @ApiPropertyOptional({ enum: regimes })
  regime?: Regime;

  @given('reason')
  @IsString()
  @MaxLength(2000)
  @Matches(/^$|\S/, { message: 'must not be blank' })
  reason?: string;

  /** Null: without an archive. */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(MOST_DAYS)
  @ApiPropertyOptional({ type: 'integer', nullable: true, minimum: 1, maximum: MOST_DAYS })
  archiveAfterDays?: number | null;

  /** Null: never. */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(MOST_DAYS)
  @ApiPropertyOptional({ type: 'integer', nullable: true, minimum: 1, maximum: MOST_DAYS })
  deleteAfterDays?: number | null;

  @given('enabled')
  @IsBoolean()
  enabled?: boolean;
}

export class RetentionPolicyView {
  id!: string;
  name!: string;
  @ApiProperty({ enum: retainedLogs, isArray: true })
  logs!: RetainedLog[];
  resourceTypes!: string[];
  @ApiProperty({ enum: auditSeverities, isArray: true })
  severities!: AuditSeverity[];
  @ApiProperty({ enum: regimes })
  regime!: Regime;
  reason!: string;
  @ApiProperty({ type: 'integer', nullable: true })
  archiveAfterDays!: number | null;
  @ApiProperty({ type: 'integer', nullable: true })
  deleteAfterDays!: number | null;
  enabled!: boolean;
  version!: number;
  createdAt!: string;
  createdBy!: string;
  updatedAt!: string;
}

export class RetentionPoliciesView {
  items!: RetentionPolicyView[];
}

/** Nothing: what the policies in force do. */
export class PreviewRetention {
  /** A policy that need not be stored. */
  @IsOptional()
  @IsObject()
  @ValidateNested()
  @Type(() => CreateRetentionPolicy)
  policy?: CreateRetentionPolicy;

  /** The policy whose place it takes; alone: the policy that would be gone. */
  @IsOptional()
  @IsUUID()
  replaces?: string;
}

export class RetentionMatchView {
  name!: string;
  /** Events of the month that it matches. */
  rows!: number;
  bytes!: number;
}

export class RetentionMonthView {
  log!: string;
  /** Its first day. */
  period!: string;
  rows!: number;
  bytes!: number;
  /** Null: never. */
  archiveAt!: string | null;
  deleteAt!: string | null;
  /** Whichever of the two comes first. */
  earliestAt!: string | null;
  /** What would happen now, were there no hold. */
  @ApiProperty({ enum: ['archive', 'delete'], nullable: true, type: String })
  due!: 'archive' | 'delete' | null;
  policies!: RetentionMatchView[];
  /** Events that no policy matches: while there is one, the month stays. */
  unmatchedRows!: number;
  /** The legal holds that stop it. */
  holds!: string[];
  /** Against the policies in force. */
  @ApiProperty({ enum: ['sooner', 'later'], nullable: true, type: String })
  shift!: 'sooner' | 'later' | null;
  wasArchiveAt!: string | null;
  wasDeleteAt!: string | null;
}

export class RetentionByPolicyView {
  name!: string;
  months!: number;
  rows!: number;
  bytes!: number;
  /** The first instant at which anything happens to one of its months. */
  earliestAt!: string | null;
}

export class RetentionTotalsView {
  months!: number;
  rows!: number;
  bytes!: number;
  rowsHeld!: number;
  rowsDue!: number;
  monthsSooner!: number;
  monthsLater!: number;
}

export class RetentionPreviewView {
  at!: string;
  /** Every closed month, by log. */
  months!: RetentionMonthView[];
  policies!: RetentionByPolicyView[];
  totals!: RetentionTotalsView;
  /** What to know before saving. */
  notes!: string[];
}
