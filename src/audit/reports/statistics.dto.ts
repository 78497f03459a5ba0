import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { IsInstant } from '../../platform/http/instant.js';
import { CursorPage } from '../../platform/http/paging.dto.js';

const groupings = ['action', 'category', 'severity', 'outcome', 'actor', 'day'] as const;
export type Grouping = (typeof groupings)[number];

export class StatisticsFilter {
  /** Not before this instant (RFC 3339 with a zone); thirty days ago when absent. */
  @IsOptional()
  @IsInstant()
  from?: Date;

  /** Before this instant (RFC 3339 with a zone); now when absent. */
  @IsOptional()
  @IsInstant()
  to?: Date;

  /** What is counted together; a day is one of UTC, an actor an id. */
  @IsOptional()
  @IsIn(groupings)
  @ApiPropertyOptional({ enum: groupings, default: 'action' })
  by: Grouping = 'action';
}

export class StatisticsGroupView {
  key!: string | null;
  events!: number;
}

export class StatisticsView {
  from!: string;
  to!: string;
  by!: string;
  /** Events in all groups. */
  events!: number;
  /** How many groups there are; the thousand largest are shown. */
  groups!: number;
  /** Archived months that may have some of that time, which are not counted. */
  archivedMonths!: number;
  items!: StatisticsGroupView[];
}

/** Pages of the view of grave events. */
export class HighSeverityFilter extends CursorPage {}

export class FailureView {
  actorId!: string | null;
  action!: string;
  outcome!: string;
  events!: number;
  firstAt!: string;
  lastAt!: string;
}

export class FailuresView {
  /** The thousand largest groups. */
  items!: FailureView[];
}

export class UsageFilter {
  /** Today by days of UTC, or this hour by hours. */
  @IsOptional()
  @IsIn(['day', 'hour'])
  @ApiPropertyOptional({ enum: ['day', 'hour'], default: 'day' })
  per: 'day' | 'hour' = 'day';
}

export class UsageView {
  actorId!: string;
  actorKind!: string;
  actorName!: string;
  /** Events since the day, or the hour, began. */
  events!: number;
  /** Of the days, or hours, of the 28 days before, those without events included. */
  mean!: number;
  deviation!: number;
}

export class UnusualUsageView {
  items!: UsageView[];
}
