import { IsOptional, IsString, IsUUID, Length, MaxLength } from 'class-validator';
import { WholeNumber } from '../../platform/http/paging.dto.js';
import { AllocationView } from '../allocations/allocation.dto.js';
import { type PoolKind } from '../pools/pool.entity.js';

export class SearchFilter {
  /**
   * An address, a network, a part of one (`10.1.`, `2001:db8:`), a MAC in any notation, or part of a name. The answer says how it was read.
   * @example 'aa-bb-cc-dd-ee-ff'
   */
  @IsOptional()
  @IsString()
  @Length(1, 253)
  q?: string;

  /** Exactly this address. */
  @IsOptional()
  @IsString()
  @MaxLength(50)
  ip?: string;

  /** Everything inside this network. */
  @IsOptional()
  @IsString()
  @MaxLength(50)
  cidr?: string;

  /** Exactly this host name; `*` stands for anything: `web*`, `*.example.net`. */
  @IsOptional()
  @IsString()
  @Length(1, 253)
  hostname?: string;

  @IsOptional()
  @IsString()
  @MaxLength(30)
  mac?: string;

  /** Beginning of the owner’s name. */
  @IsOptional()
  @IsString()
  @Length(1, 200)
  owner?: string;

  /** All VRFs unless named. */
  @IsOptional()
  @IsUUID()
  vrfId?: string;

  /** Rows of each kind at most. */
  @WholeNumber({ min: 1, max: 500 })
  limit = 50;
}

export class SearchInterpretation {
  /** How the query was read: address, network, mac, text, or filters. */
  kind!: 'address' | 'network' | 'mac' | 'text' | 'filters';
  explanation!: string;
}

export class PoolHit {
  id!: string;
  vrfId!: string;
  kind!: PoolKind;
  name!: string;
  network!: string;
  description!: string;
}

export class SearchResult {
  interpretation!: SearchInterpretation;
  pools!: PoolHit[];
  allocations!: AllocationView[];
  /** Whether there is more than the limit shows. */
  more!: boolean;
}
