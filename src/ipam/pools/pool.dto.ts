import {
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  Max,
  MaxLength,
  Min,
  ArrayMaxSize,
  ValidateIf,
} from 'class-validator';
import { OffsetPage, ToBoolean, ToInt } from '../../platform/http/paging.dto.js';
import { IsCidr, IsIpAddress } from '../ip-validators.js';
import { type PoolKind, poolKinds } from './pool.entity.js';

const present = (field: string) => (o: object) => (o as Record<string, unknown>)[field] !== undefined;

class PoolFields {
  /**
   * The router’s address: never offered, counted as reserved.
   * @example '10.20.0.1'
   */
  @IsOptional()
  @IsIpAddress()
  gateway?: string | null;

  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(4094)
  vlan?: number | null;

  @IsOptional()
  @IsString()
  @Length(1, 100)
  site?: string | null;

  @IsOptional()
  @IsString()
  @Length(1, 100)
  environment?: string | null;

  @ValidateIf(present('tags'))
  @IsArray()
  @ArrayMaxSize(50)
  @IsString({ each: true })
  @Length(1, 100, { each: true })
  tags?: string[];

  @ValidateIf(present('description'))
  @IsString()
  @MaxLength(2000)
  description?: string;

  @ValidateIf(present('active'))
  @IsBoolean()
  active?: boolean;

  /** Seconds a released address rests before it is offered again; a day unless told. */
  @ValidateIf(present('cooldownSeconds'))
  @IsInt()
  @Min(0)
  @Max(31_536_000)
  cooldownSeconds?: number;
}

/** The whole pool as it shall be; what is absent gets its default. Needs If-Match. */
export class ReplacePool extends PoolFields {
  /**
   * Unique in its VRF, whatever the case.
   * @example 'campus'
   */
  @IsString()
  @Length(1, 200)
  name!: string;

  /**
   * Without host bits.
   * @example '10.20.0.0/16'
   */
  @IsCidr()
  network!: string;

  /** `container` holds pools; `subnet` holds addresses, and pools where it is carved further. */
  @IsIn(poolKinds)
  kind!: PoolKind;
}

export class CreatePool extends ReplacePool {
  /** The default VRF unless named. */
  @ValidateIf(present('vrfId'))
  @IsUUID()
  vrfId?: string;
}

/** Absent fields stay as they are; null clears. */
export class PatchPool extends PoolFields {
  @ValidateIf(present('name'))
  @IsString()
  @Length(1, 200)
  name?: string;

  @ValidateIf(present('network'))
  @IsCidr()
  network?: string;

  @ValidateIf(present('kind'))
  @IsIn(poolKinds)
  kind?: PoolKind;
}

export class NextPools extends PoolFields {
  /**
   * Prefix length of the pools to make.
   * @example 24
   */
  @IsInt()
  @Min(1)
  @Max(128)
  length!: number;

  /** How many; all or none. */
  @ValidateIf(present('count'))
  @IsInt()
  @Min(1)
  @Max(256)
  count?: number;

  /** `subnet` unless told. */
  @ValidateIf(present('kind'))
  @IsIn(poolKinds)
  kind?: PoolKind;

  /** Name of the pool; with a count above 1, followed by -1, -2 and so on. The network unless told. */
  @ValidateIf(present('name'))
  @IsString()
  @Length(1, 190)
  name?: string;
}

export class DeletePool {
  /** `lift` moves child pools to the parent. */
  @IsOptional()
  @IsIn(['refuse', 'lift'])
  children?: 'refuse' | 'lift';
}

export const poolSorts = ['network', '-network', 'name', '-name', 'createdAt', '-createdAt', 'utilization', '-utilization'] as const;

export class PoolFilter extends OffsetPage {
  @IsOptional()
  @IsUUID()
  vrfId?: string;

  @IsOptional()
  @IsIn(poolKinds)
  kind?: PoolKind;

  /** 4 or 6. */
  @IsOptional()
  @ToInt()
  @IsIn([4, 6])
  family?: 4 | 6;

  @IsOptional()
  @IsUUID()
  parentId?: string;

  @IsOptional()
  @IsString()
  @MaxLength(100)
  site?: string;

  @IsOptional()
  @IsString()
  @MaxLength(100)
  environment?: string;

  @IsOptional()
  @IsString()
  @MaxLength(100)
  tag?: string;

  @IsOptional()
  @ToBoolean()
  @IsBoolean()
  active?: boolean;

  /** Pools inside this network, itself included. */
  @IsOptional()
  @IsCidr()
  within?: string;

  /** Pools that cover this address or network. */
  @IsOptional()
  @IsString()
  @MaxLength(50)
  contains?: string;

  /** Part of the name or description. */
  @IsOptional()
  @IsString()
  @MaxLength(100)
  q?: string;

  @IsOptional()
  @IsIn(poolSorts)
  sort?: (typeof poolSorts)[number];
}

/** Addresses of a pool; whole numbers as text, since IPv6 exceeds what JSON numbers carry. used + reserved + blocked + free = usable. */
export class PoolUsageView {
  /** All addresses of the network. */
  size!: string;
  /** Those that can be given out: without network and broadcast address in a subnet. */
  usable!: string;
  /** Allocated, resting after a release, or carved by child pools. */
  used!: string;
  /** Reserved, the gateway included. */
  reserved!: string;
  blocked!: string;
  free!: string;
  /** Of the used: held by allocations. */
  allocated!: string;
  /** Of the used: released and resting. */
  quarantined!: string;
  /** Of the used: carved by child pools. */
  pools!: string;
  /** Percent of the usable that is not free. */
  utilization!: number;
}

export class PoolView {
  id!: string;
  vrfId!: string;
  /** The smallest pool around it; null at the top. */
  parentId!: string | null;
  kind!: PoolKind;
  name!: string;
  network!: string;
  family!: number;
  gateway!: string | null;
  vlan!: number | null;
  site!: string | null;
  environment!: string | null;
  tags!: string[];
  description!: string;
  active!: boolean;
  cooldownSeconds!: number;
  version!: number;
  createdAt!: string;
  createdBy!: string;
  updatedAt!: string;
  usage!: PoolUsageView;
}

export class PoolPage {
  items!: PoolView[];
  total!: number;
}

export class PoolList {
  items!: PoolView[];
}
