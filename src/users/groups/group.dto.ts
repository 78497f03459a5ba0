import { ApiProperty } from '@nestjs/swagger';
import { IsInt, IsOptional, IsString, Matches, Max, MaxLength, Min, ValidateIf } from 'class-validator';
import { OffsetPage } from '../../platform/http/paging.dto.js';
import { POSIX_NUMBERS } from '../accounts/posix-defaults.js';

/** The same as the constraint groups_name_form, which is what groupadd(8) accepts. */
const NAME_FORM = /^[a-z_][a-z0-9_-]{0,31}$/;
const NAME_RULE = 'must be 1 to 32 lower-case letters, digits, underscores or dashes, and begin with a letter or underscore';

export class CreateGroup {
  /**
   * Unique.
   * @example 'network-team'
   */
  @IsString()
  @Matches(NAME_FORM, { message: NAME_RULE })
  name!: string;

  /** The next free one of the range when absent; once given it is never another group's. */
  @ValidateIf((o: CreateGroup) => o.gidNumber !== undefined)
  @IsInt()
  @Min(POSIX_NUMBERS.min)
  @Max(POSIX_NUMBERS.max)
  gidNumber?: number;

  @ValidateIf((o: CreateGroup) => o.description !== undefined)
  @IsString()
  @MaxLength(2000)
  description?: string;
}

/** Absent fields stay as they are. A number stays for good. */
export class PatchGroup {
  @ValidateIf((o: PatchGroup) => o.name !== undefined)
  @IsString()
  @Matches(NAME_FORM, { message: NAME_RULE })
  name?: string;

  @ValidateIf((o: PatchGroup) => o.description !== undefined)
  @IsString()
  @MaxLength(2000)
  description?: string;
}

export class GroupFilter extends OffsetPage {
  /** Part of the name or description. */
  @IsOptional()
  @IsString()
  @MaxLength(100)
  q?: string;
}

export class GroupView {
  id!: string;
  name!: string;
  @ApiProperty({ type: 'integer' })
  gidNumber!: number;
  description!: string;
  @ApiProperty({ type: 'integer' })
  members!: number;
  version!: number;
  createdAt!: string;
  createdBy!: string;
  updatedAt!: string;
}

export class GroupPage {
  items!: GroupView[];
  total!: number;
}

export class MemberView {
  id!: string;
  username!: string;
  displayName!: string;
  active!: boolean;
  addedBy!: string;
  addedAt!: string;
}

export class MemberPage {
  items!: MemberView[];
  total!: number;
}
