import { IsBoolean, IsOptional, IsUUID } from 'class-validator';
import { OffsetPage, ToBoolean } from '../../platform/http/paging.dto.js';

export class StatsFilter {
  @IsOptional()
  @IsUUID()
  vrfId?: string;
}

/** Addresses of subnets, each counted in the smallest pool that covers it. Whole numbers as text. */
export class AddressTotals {
  subnets!: number;
  usable!: string;
  allocated!: string;
  reserved!: string;
  blocked!: string;
  quarantined!: string;
  free!: string;
  utilization!: number | null;
}

export class GroupTotals extends AddressTotals {
  /** The site or environment; null for pools without one. */
  name!: string | null;
}

export class TopPool {
  id!: string;
  vrfId!: string;
  name!: string;
  network!: string;
  utilization!: number;
  free!: string;
}

export class Stats {
  vrfs!: number;
  containers!: number;
  total!: AddressTotals;
  bySite!: GroupTotals[];
  byEnvironment!: GroupTotals[];
  /** The ten fullest subnets. */
  topUsed!: TopPool[];
}

export class FreeBlocks {
  /** Prefix length of the largest aligned block an extent holds. */
  length!: number;
  extents!: number;
}

export class PoolAnalytics {
  poolId!: string;
  network!: string;
  free!: string;
  /** Runs of free addresses. */
  extents!: number;
  /** The largest aligned free block; null in a full pool. */
  largestBlock!: string | null;
  /** How many extents hold a largest block of each length. */
  blocks!: FreeBlocks[];
  /** 0: all free addresses adjacent; towards 1: scattered. 1 − largest extent ÷ free. Null in a full pool. */
  fragmentation!: number | null;
  /** Addresses a day by the least-squares line through up to 30 daily samples; null with fewer than two. */
  growthPerDay!: number | null;
  /** Free ÷ growth; null while the pool does not grow or too little is known. */
  daysToExhaustion!: number | null;
}

export class AlertFilter extends OffsetPage {
  /** Only those that still stand. */
  @IsOptional()
  @ToBoolean()
  @IsBoolean()
  open?: boolean;
}

export class Alert {
  id!: string;
  poolId!: string;
  network!: string;
  /** Percent that was reached. */
  threshold!: number;
  /** Percent at that moment. */
  utilization!: number;
  raisedAt!: string;
  /** When use fell below again. */
  clearedAt!: string | null;
}

export class AlertPage {
  items!: Alert[];
  total!: number;
}
