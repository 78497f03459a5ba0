import { ApiExtraModels, ApiProperty, getSchemaPath } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, Equals, IsArray, IsBoolean, IsIn, IsInt, IsObject, IsUUID, Min, ValidateIf } from 'class-validator';
import { AllocationView } from '../allocations/allocation.dto.js';
import { type AllocationStatus, allocationStatuses } from '../allocations/allocation.entity.js';
import { HolderFields } from '../allocations/holder.dto.js';
import { IsIpAddress } from '../ip-validators.js';

const MOST_ITEMS = 500;

/** A named address, or the next free one of a pool. */
export class BulkAllocate extends HolderFields {
  @Equals('allocate')
  op!: 'allocate';

  /** The pool; without it, the smallest one that covers `address`. */
  @ValidateIf((o: BulkAllocate) => o.poolId !== undefined)
  @IsUUID()
  poolId?: string;

  /** Where `address` is, when no pool is named; the default VRF unless told. */
  @ValidateIf((o: BulkAllocate) => o.vrfId !== undefined)
  @IsUUID()
  vrfId?: string;

  /** @example '10.20.0.10' */
  @ValidateIf((o: BulkAllocate) => o.address !== undefined)
  @IsIpAddress()
  address?: string;

  /** `allocated` unless told. */
  @ValidateIf((o: BulkAllocate) => o.status !== undefined)
  @IsIn(allocationStatuses)
  status?: AllocationStatus;
}

export class BulkRelease {
  @Equals('release')
  op!: 'release';

  /** The allocation’s id. */
  @IsUUID()
  id!: string;

  /** Refused when the allocation has another version by then. */
  @ValidateIf((o: BulkRelease) => o.version !== undefined)
  @IsInt()
  @Min(1)
  version?: number;
}

@ApiExtraModels(BulkAllocate, BulkRelease)
export class BulkRequest {
  /** Done in this order. */
  @ApiProperty({
    type: 'array',
    maxItems: MOST_ITEMS,
    items: { oneOf: [{ $ref: getSchemaPath(BulkAllocate) }, { $ref: getSchemaPath(BulkRelease) }] },
  })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(MOST_ITEMS)
  @IsObject({ each: true })
  items!: object[];

  /** Only say what would happen. */
  @ValidateIf((o: BulkRequest) => o.dryRun !== undefined)
  @IsBoolean()
  dryRun?: boolean;
}

export const bulkOutcomes = ['created', 'released', 'refused'] as const;

export class BulkRefusal {
  code!: string;
  detail!: string;
}

export class BulkResult {
  /** Place in the request, from 0. */
  index!: number;
  @ApiProperty({ enum: bulkOutcomes })
  outcome!: (typeof bulkOutcomes)[number];
  allocation?: AllocationView;
  error?: BulkRefusal;
}

export class BulkReport {
  /** Nothing was stored. */
  dryRun!: boolean;
  done!: number;
  refused!: number;
  results!: BulkResult[];
}
