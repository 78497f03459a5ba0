import { IsIn, IsOptional } from 'class-validator';
import { IsInstant } from '../../../platform/http/instant.js';
import { OffsetPage } from '../../../platform/http/paging.dto.js';

export class KeyUsageFilter {
  /** From this hour on (RFC 3339 with a zone); 30 days ago when absent. */
  @IsOptional()
  @IsInstant()
  from?: Date;

  /** Before this instant (RFC 3339 with a zone); now when absent. */
  @IsOptional()
  @IsInstant()
  to?: Date;

  /** By hours, or by days of UTC. */
  @IsOptional()
  @IsIn(['hour', 'day'])
  per?: 'hour' | 'day';
}

export class CandidateFilter extends OffsetPage {}

export class KeyUsageFigures {
  requests!: number;
  /** Answers below 400. */
  succeeded!: number;
  /** Null when there were none. */
  successRate!: number | null;
  /** The bound of the class of answers in which the middle one is. */
  p50Ms!: number | null;
  p95Ms!: number | null;
  slowestMs!: number | null;
}

export class KeyUsagePeriod extends KeyUsageFigures {
  /** When the hour or day begins. */
  at!: string;
}

export class KeyRouteUsage extends KeyUsageFigures {
  route!: string;
}

export class KeyUsageView {
  keyId!: string;
  from!: string;
  to!: string;
  per!: 'hour' | 'day';
  total!: KeyUsageFigures;
  periods!: KeyUsagePeriod[];
  routes!: KeyRouteUsage[];
}

export class KeyHealthInputsView {
  ageDays!: number;
  daysToExpiry!: number;
  idleDays!: number;
  successRate!: number | null;
  openHigh!: number;
  openMedium!: number;
  confined!: boolean;
}

export class KeyPenaltiesView {
  age!: number;
  expiry!: number;
  idle!: number;
  errors!: number;
  events!: number;
  reach!: number;
}

export class KeyHealthView {
  keyId!: string;
  /** 100 less the penalties. */
  score!: number;
  inputs!: KeyHealthInputsView;
  penalties!: KeyPenaltiesView;
}
