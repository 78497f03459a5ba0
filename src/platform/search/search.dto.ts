import { Transform } from 'class-transformer';
import { ArrayMaxSize, IsArray, IsOptional, IsString, Length } from 'class-validator';
import { WholeNumber } from '../http/paging.dto.js';

export class SearchQuery {
  /** Words, or their beginnings; all of them have to be there. Or an address, a network, a MAC. */
  @IsString()
  @Length(1, 200)
  q!: string;

  /** Types to look through, joined by commas; all when absent. */
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.split(',') : value))
  @IsArray()
  @ArrayMaxSize(20)
  @IsString({ each: true })
  types?: string[];

  /** Hits at most. */
  @WholeNumber({ min: 1, max: 200 })
  limit = 50;
}

export class SearchHit {
  /** @example 'address' */
  type!: string;
  id!: string;
  title!: string;
  subtitle!: string;
  /** @example '/api/v1/ipam/allocations/01890000-0000-7000-8000-000000000000' */
  path!: string;
  rank!: number;
}

export class SearchAnswer {
  /** Best first. */
  items!: SearchHit[];
  /** The types that were looked through. */
  searched!: string[];
}
