import { IsBoolean, IsIn, IsInt, IsOptional, IsString, IsUUID, Max, MaxLength, Min, ValidateIf } from 'class-validator';
import { IsInstant } from '../../platform/http/instant.js';
import { CursorPage, ToBoolean } from '../../platform/http/paging.dto.js';
import { IsIpAddress } from '../ip-validators.js';
import { HolderFields, HolderNotes } from './holder.dto.js';
import { type AllocationStatus, allocationStatuses } from './allocation.entity.js';

/** Most addresses one call may take. */
const MAX_AT_ONCE = 1000;

/** A named address or range, or else the next free ones. */
export class Allocate extends HolderFields {
  /**
   * This very address. Absent: the next free.
   * @example '10.20.0.10'
   */
  @ValidateIf((o: Allocate) => o.address !== undefined)
  @IsIpAddress()
  address?: string;

  /** With `address`: the whole range up to here, as one reservation or block. */
  @ValidateIf((o: Allocate) => o.lastAddress !== undefined)
  @IsIpAddress()
  lastAddress?: string;

  /** How many free addresses; all or none. */
  @ValidateIf((o: Allocate) => o.count !== undefined)
  @IsInt()
  @Min(1)
  @Max(MAX_AT_ONCE)
  count?: number;

  /** `lowest` free addresses, or `any`: somewhere in the pool, hard to guess. */
  @ValidateIf((o: Allocate) => o.strategy !== undefined)
  @IsIn(['lowest', 'any'])
  strategy?: 'lowest' | 'any';

  /** `allocated` unless told. */
  @ValidateIf((o: Allocate) => o.status !== undefined)
  @IsIn(allocationStatuses)
  status?: AllocationStatus;
}

/** Absent fields stay as they are; null clears. A reserved address may become allocated or blocked; everything else is released first. */
export class PatchAllocation extends HolderFields {
  @ValidateIf((o: PatchAllocation) => o.status !== undefined)
  @IsIn(allocationStatuses)
  status?: AllocationStatus;
}

const rangeActions = ['allocate', 'reserve', 'block', 'release'] as const;
export type RangeActionName = (typeof rangeActions)[number];

export class RangeAction extends HolderNotes {
  @IsIn(rangeActions)
  action!: RangeActionName;

  @IsIpAddress()
  first!: string;

  /** At most 1024 addresses from the first. */
  @IsIpAddress()
  last!: string;
}

export class AllocationFilter extends CursorPage {
  @IsOptional()
  @IsIn([...allocationStatuses, 'quarantined'])
  status?: AllocationStatus | 'quarantined';

  /** Also those that were released and rest. */
  @IsOptional()
  @ToBoolean()
  @IsBoolean()
  quarantined?: boolean;
}

export class HistoryFilter {
  /** @example '10.20.0.10' */
  @IsString()
  @MaxLength(50)
  ip!: string;

  /** Only who held it at this instant (RFC 3339 with a zone). */
  @IsOptional()
  @IsInstant()
  at?: Date;

  /** The default VRF unless named. */
  @IsOptional()
  @IsUUID()
  vrfId?: string;
}

export class AllocationView {
  id!: string;
  vrfId!: string;
  poolId!: string | null;
  /** @example '10.20.0.10' */
  address!: string;
  /** The same as `address`, except for a range. */
  lastAddress!: string;
  /** `quarantined` and `released` follow a release. */
  status!: AllocationStatus | 'quarantined' | 'released';
  hostname!: string | null;
  mac!: string | null;
  owner!: string | null;
  purpose!: string | null;
  description!: string;
  version!: number;
  allocatedAt!: string;
  allocatedBy!: string;
  updatedAt!: string;
  releasedAt!: string | null;
  releasedBy!: string | null;
  quarantinedUntil!: string | null;
}

export class AllocationList {
  items!: AllocationView[];
}

export class AllocationPage {
  items!: AllocationView[];
  /** What to send as `after` for the next page; null at the end. */
  next!: string | null;
}

export class RangeActionResult {
  address!: string;
  /** `unchanged`: it already was what was asked for. */
  outcome!: 'done' | 'unchanged' | 'refused';
  allocationId!: string | null;
  /** Why it was refused. */
  code!: string | null;
}

export class RangeActionReport {
  action!: RangeActionName;
  done!: number;
  refused!: number;
  results!: RangeActionResult[];
}
