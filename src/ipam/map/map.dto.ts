import { IsIn, IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { ToInt } from '../../platform/http/paging.dto.js';

export type MapStatus =
  'free' | 'allocated' | 'reserved' | 'blocked' | 'quarantined' | 'gateway' | 'network' | 'broadcast' | 'pool' | 'mixed' | 'full';

export class MapFilter {
  /** `cells`: the pool (or `network` in it) cut into equal parts. `runs`: every change of status, exact, in pages. */
  @IsOptional()
  @IsIn(['cells', 'runs'])
  view?: 'cells' | 'runs';

  /** With `cells`: a network inside the pool to zoom into. */
  @IsOptional()
  @IsString()
  @MaxLength(50)
  network?: string;

  /** With `cells`: how many at most; a power of two. 256 unless told. */
  @IsOptional()
  @ToInt()
  @IsIn([16, 32, 64, 128, 256, 512, 1024, 2048, 4096])
  cells?: number;

  /** With `runs`: rows at most. */
  @IsOptional()
  @ToInt()
  @IsInt()
  @Min(1)
  @Max(1000)
  limit?: number;

  /** With `runs`: what `next` of the page before said. */
  @IsOptional()
  @IsString()
  @MaxLength(200)
  after?: string;
}

/** Adjacent addresses of one status. Sizes are text: they exceed what JSON numbers carry. */
export class MapCell {
  first!: string;
  last!: string;
  size!: string;
  /** Of parts larger than one address: `mixed` when some of it is free, `full` when none is. */
  status!: MapStatus;
  free!: string;
  /** The one allocation or child pool it is, if it is one. */
  id!: string | null;
}

export class PoolMap {
  network!: string;
  cells!: MapCell[];
  next!: string | null;
}
