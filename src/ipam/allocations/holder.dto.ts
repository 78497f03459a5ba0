import { IsOptional, IsString, Length, MaxLength, ValidateIf } from 'class-validator';
import { IsHostname, IsMac } from '../ip-validators.js';

/** What may be noted of whoever holds addresses. */
export class HolderNotes {
  /** Who answers for it. */
  @IsOptional()
  @IsString()
  @Length(1, 200)
  owner?: string | null;

  @IsOptional()
  @IsString()
  @Length(1, 200)
  purpose?: string | null;

  @ValidateIf((o: HolderNotes) => o.description !== undefined)
  @IsString()
  @MaxLength(2000)
  description?: string;
}

/** And of the holder of one address. */
export class HolderFields extends HolderNotes {
  /**
   * Unique names are not enforced; letters are kept in lower case.
   * @example 'web01.example.net'
   */
  @IsOptional()
  @IsHostname()
  hostname?: string | null;

  /**
   * In any notation.
   * @example 'aa:bb:cc:dd:ee:ff'
   */
  @IsOptional()
  @IsMac()
  mac?: string | null;
}
