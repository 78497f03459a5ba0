import { ArrayMaxSize, ArrayUnique, IsArray, IsBoolean, IsString, Matches, MaxLength, ValidateIf } from 'class-validator';

const NAME_FORM = /^[a-z][a-z0-9_-]{0,62}$/;
const NAME_RULE = 'must be 1 to 63 lower-case letters, digits, underscores or dashes, and begin with a letter';

export class CreateRole {
  /**
   * Unique.
   * @example 'site-operator'
   */
  @IsString()
  @Matches(NAME_FORM, { message: NAME_RULE })
  name!: string;

  @ValidateIf((o: CreateRole) => o.description !== undefined)
  @IsString()
  @MaxLength(2000)
  description?: string;

  /** What holders may do; you need each of them yourself, everywhere. */
  @IsArray()
  @ArrayMaxSize(200)
  @ArrayUnique()
  @IsString({ each: true })
  permissions!: string[];

  /** Holders have to sign in with a second factor; until they have one they can do nothing but set it up. */
  @ValidateIf((o: CreateRole) => o.secondFactorRequired !== undefined)
  @IsBoolean()
  secondFactorRequired?: boolean;
}

/** Absent fields stay as they are. */
export class PatchRole {
  @ValidateIf((o: PatchRole) => o.name !== undefined)
  @IsString()
  @Matches(NAME_FORM, { message: NAME_RULE })
  name?: string;

  @ValidateIf((o: PatchRole) => o.description !== undefined)
  @IsString()
  @MaxLength(2000)
  description?: string;

  /** All that holders may do from now on. */
  @ValidateIf((o: PatchRole) => o.permissions !== undefined)
  @IsArray()
  @ArrayMaxSize(200)
  @ArrayUnique()
  @IsString({ each: true })
  permissions?: string[];

  /** The one field that may be changed of the program's own roles too. */
  @ValidateIf((o: PatchRole) => o.secondFactorRequired !== undefined)
  @IsBoolean()
  secondFactorRequired?: boolean;
}

export class RoleView {
  id!: string;
  /** @example 'operator' */
  name!: string;
  description!: string;
  /** Shipped with the program, which keeps its permissions as they are. */
  system!: boolean;
  /** What holders may do. */
  permissions!: string[];
  /** Holders have to sign in with a second factor. */
  secondFactorRequired!: boolean;
  version!: number;
  createdBy!: string;
}

export class RoleList {
  items!: RoleView[];
}
