import { Transform } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsEmail,
  IsOptional,
  IsString,
  Length,
  Matches,
  MaxLength,
  ValidateIf,
} from 'class-validator';
import { OffsetPage, ToBoolean } from '../../platform/http/paging.dto.js';
import { USERNAME_FORM, USERNAME_RULE } from './username.js';

const ToLowerCase = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.toLowerCase() : value));

export class CreateUser {
  /**
   * Unique; kept in lower case.
   * @example 'grace.hopper'
   */
  @ToLowerCase()
  @IsString()
  @Matches(USERNAME_FORM, { message: USERNAME_RULE })
  username!: string;

  /** Unique, whatever the case. */
  @IsOptional()
  @IsEmail()
  @MaxLength(254)
  email?: string | null;

  @ValidateIf((o: CreateUser) => o.displayName !== undefined)
  @IsString()
  @MaxLength(200)
  displayName?: string;

  /** For the first sign-in only: it must be changed there. 15 to 256 characters. */
  @IsString()
  @MaxLength(1024)
  password!: string;

  /** Names of roles; `viewer` and `requestor` when absent. */
  @ValidateIf((o: CreateUser) => o.roles !== undefined)
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(50)
  @ArrayUnique()
  @IsString({ each: true })
  roles?: string[];
}

/** Absent fields stay as they are; null clears. */
export class PatchUser {
  @IsOptional()
  @IsEmail()
  @MaxLength(254)
  email?: string | null;

  @ValidateIf((o: PatchUser) => o.displayName !== undefined)
  @IsString()
  @MaxLength(200)
  displayName?: string;

  /** False ends every session of the user at once. */
  @ValidateIf((o: PatchUser) => o.active !== undefined)
  @IsBoolean()
  active?: boolean;
}

export class SetRoles {
  /** Names of all roles the user is to have: at least one; to take everything, deactivate the user. */
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(50)
  @ArrayUnique()
  @IsString({ each: true })
  roles!: string[];
}

export class UserFilter extends OffsetPage {
  /** Part of the username, e-mail address or display name. */
  @IsOptional()
  @IsString()
  @Length(1, 100)
  q?: string;

  @IsOptional()
  @ToBoolean()
  @IsBoolean()
  active?: boolean;

  /** Holders of this role. */
  @IsOptional()
  @IsString()
  @MaxLength(100)
  role?: string;
}

export class UserView {
  id!: string;
  username!: string;
  email!: string | null;
  displayName!: string;
  active!: boolean;
  /** Still has the password somebody else gave it. */
  mustChangePassword!: boolean;
  lastLoginAt!: string | null;
  roles!: string[];
  version!: number;
  createdAt!: string;
  createdBy!: string;
  updatedAt!: string;
}

export class UserPage {
  items!: UserView[];
  total!: number;
}
