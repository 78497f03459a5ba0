import { IsOptional, IsString, Length, MaxLength, ValidateIf } from 'class-validator';
import { OffsetPage } from '../../platform/http/paging.dto.js';

export class CreateVrf {
  /**
   * Unique, whatever the case.
   * @example 'campus'
   */
  @IsString()
  @Length(1, 100)
  name!: string;

  /**
   * Route distinguisher, unique.
   * @example '65000:100'
   */
  @IsOptional()
  @IsString()
  @Length(1, 50)
  rd?: string | null;

  @IsOptional()
  @IsString()
  @MaxLength(2000)
  description?: string;
}

/** Absent fields stay as they are; null clears. */
export class PatchVrf {
  @ValidateIf((o: PatchVrf) => o.name !== undefined)
  @IsString()
  @Length(1, 100)
  name?: string;

  @IsOptional()
  @IsString()
  @Length(1, 50)
  rd?: string | null;

  @ValidateIf((o: PatchVrf) => o.description !== undefined)
  @IsString()
  @MaxLength(2000)
  description?: string;
}

export class VrfFilter extends OffsetPage {
  /** Part of the name or description. */
  @IsOptional()
  @IsString()
  @MaxLength(100)
  q?: string;
}

export class VrfView {
  id!: string;
  name!: string;
  rd!: string | null;
  description!: string;
  /** The VRF that is meant where none is named. */
  isDefault!: boolean;
  version!: number;
  createdAt!: string;
  createdBy!: string;
  updatedAt!: string;
}

export class VrfPage {
  items!: VrfView[];
  total!: number;
}
