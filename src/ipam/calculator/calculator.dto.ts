import { ArrayMaxSize, ArrayMinSize, IsArray, IsInt, IsString, Max, MaxLength, Min } from 'class-validator';
import { ToInt } from '../../platform/http/paging.dto.js';
import { IsCidr } from '../ip-validators.js';

export class NetworkQuery {
  /** @example '10.20.0.0/22' */
  @IsString()
  @MaxLength(50)
  network!: string;
}

export class SplitQuery extends NetworkQuery {
  /** Prefix length of the parts. */
  @ToInt()
  @IsInt()
  @Min(0)
  @Max(128)
  length!: number;
}

export class MergeNetworks {
  /** @example ['10.20.0.0/24', '10.20.1.0/24'] */
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(4096)
  @IsCidr({ each: true })
  networks!: string[];
}

export class NetworkInfo {
  network!: string;
  family!: number;
  length!: number;
  /** Dotted form of the prefix length; null in IPv6. */
  netmask!: string | null;
  /** The netmask’s complement, as access lists want it; null in IPv6. */
  wildcard!: string | null;
  first!: string;
  last!: string;
  /** Lowest address a host can have. */
  firstHost!: string;
  lastHost!: string;
  /** Null where there is none: IPv6, /31 and /32. */
  broadcast!: string | null;
  size!: string;
  usable!: string;
}

export class NetworkVerdict {
  valid!: boolean;
  /** Why not. */
  code!: string | null;
  detail!: string | null;
  /** What was meant, where that is clear. */
  canonical!: string | null;
}

export class NetworkList {
  networks!: string[];
}
