import { ApiProperty } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsEmail,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateIf,
} from 'class-validator';
import { OffsetPage, ToBoolean } from '../../platform/http/paging.dto.js';
import { type AccountKind, accountKinds, type AccountStatus, accountStatuses } from './account.js';
import { ABSOLUTE_PATH, ABSOLUTE_PATH_RULE, POSIX_NUMBERS } from './posix-defaults.js';
import { USERNAME_FORM, USERNAME_RULE } from './username.js';

/** Read in lower case. */
export const ToLowerCase = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.toLowerCase() : value));

/** What a POSIX system knows of an account. */
class PosixFields {
  /** The next free one of the range when absent; once given it is never another account's. */
  @IsOptional()
  @IsInt()
  @Min(POSIX_NUMBERS.min)
  @Max(POSIX_NUMBERS.max)
  uidNumber?: number | null;

  /** Of the primary group, which must be one of the register's. */
  @IsOptional()
  @IsInt()
  @Min(POSIX_NUMBERS.min)
  @Max(POSIX_NUMBERS.max)
  gidNumber?: number | null;

  /** @example '/bin/bash' */
  @IsOptional()
  @IsString()
  @Matches(ABSOLUTE_PATH, { message: ABSOLUTE_PATH_RULE })
  loginShell?: string | null;

  /** @example '/home/grace.hopper' */
  @IsOptional()
  @IsString()
  @Matches(ABSOLUTE_PATH, { message: ABSOLUTE_PATH_RULE })
  homeDirectory?: string | null;
}

export class CreateUser extends PosixFields {
  /**
   * Unique; kept in lower case. A service account's begins with `svc-`.
   * @example 'grace.hopper'
   */
  @ToLowerCase()
  @IsString()
  @Matches(USERNAME_FORM, { message: USERNAME_RULE })
  username!: string;

  /** `person` unless told. A service cannot sign in: it has keys. */
  @ValidateIf((o: CreateUser) => o.kind !== undefined)
  @IsIn(accountKinds)
  kind?: AccountKind;

  /** Who answers for a service. */
  @IsOptional()
  @IsUUID()
  ownerId?: string | null;

  /** Unique, whatever the case. */
  @IsOptional()
  @IsEmail()
  @MaxLength(254)
  email?: string | null;

  @ValidateIf((o: CreateUser) => o.displayName !== undefined)
  @IsString()
  @MaxLength(200)
  displayName?: string;

  /** A person's, for the first sign-in only: it must be changed there. 15 to 256 characters. */
  @ValidateIf((o: CreateUser) => o.kind !== 'service' || o.password !== undefined)
  @IsString()
  @MaxLength(1024)
  password?: string;

  /** Names of roles; `viewer` and `requestor` when absent. Naming some needs `role:assign`, and the rights they give. */
  @ValidateIf((o: CreateUser) => o.roles !== undefined)
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(50)
  @ArrayUnique()
  @IsString({ each: true })
  roles?: string[];
}

/** Absent fields stay as they are; null clears. A username stays for good. */
export class PatchUser extends PosixFields {
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

  /** Who answers for a service. */
  @IsOptional()
  @IsUUID()
  ownerId?: string | null;
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

  @IsOptional()
  @IsIn(accountKinds)
  kind?: AccountKind;

  @IsOptional()
  @IsIn(accountStatuses)
  status?: AccountStatus;

  /** Members of the group with this id. */
  @IsOptional()
  @IsUUID()
  group?: string;
}

export class UserView {
  id!: string;
  username!: string;
  kind!: AccountKind;
  /** `pending`: registered and not approved. `anonymised`: nothing personal is left, and nobody can use it. */
  status!: AccountStatus;
  /** Who answers for a service. */
  ownerId!: string | null;
  email!: string | null;
  /** Came by a link made for this address. */
  emailVerified!: boolean;
  displayName!: string;
  active!: boolean;
  /** Still has the password somebody else gave it. */
  mustChangePassword!: boolean;
  @ApiProperty({ type: 'integer', nullable: true })
  uidNumber!: number | null;
  /** Of the primary group. */
  @ApiProperty({ type: 'integer', nullable: true })
  gidNumber!: number | null;
  loginShell!: string | null;
  homeDirectory!: string | null;
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
