import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  MaxLength,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { OffsetPage, ToBoolean } from '../../platform/http/paging.dto.js';

const memberRoles = ['owner', 'member'] as const;
export type MemberRole = (typeof memberRoles)[number];

export class CreateProject {
  /**
   * Unique, whatever the case.
   * @example 'payments'
   */
  @IsString()
  @Length(1, 100)
  name!: string;

  @IsOptional()
  @IsString()
  @MaxLength(2000)
  description?: string;
}

/** Absent fields stay as they are. */
export class PatchProject {
  @ValidateIf((o: PatchProject) => o.name !== undefined)
  @IsString()
  @Length(1, 100)
  name?: string;

  @ValidateIf((o: PatchProject) => o.description !== undefined)
  @IsString()
  @MaxLength(2000)
  description?: string;
}

export class ProjectFilter extends OffsetPage {
  /** Part of the name or description. */
  @IsOptional()
  @IsString()
  @MaxLength(100)
  q?: string;

  @IsOptional()
  @ToBoolean()
  @IsBoolean()
  archived?: boolean;
}

export class SetProjectMember {
  @IsUUID()
  userId!: string;

  /** An owner answers for the project; members may bind keys to it as owners may. */
  @IsIn(memberRoles)
  role!: MemberRole;
}

export class SetProjectMembers {
  /** Exactly these, whoever was a member before. */
  @IsArray()
  @ArrayMaxSize(1000)
  @ArrayUnique((member: SetProjectMember | null) => member?.userId)
  @ValidateNested({ each: true })
  @Type(() => SetProjectMember)
  members!: SetProjectMember[];
}

export class SetProjectPools {
  /** Exactly these, none of which may belong to another project. */
  @IsArray()
  @ArrayMaxSize(1000)
  @ArrayUnique()
  @IsUUID(undefined, { each: true })
  poolIds!: string[];
}

export class ProjectMemberView {
  userId!: string;
  username!: string;
  role!: MemberRole;
}

export class ProjectView {
  id!: string;
  name!: string;
  description!: string;
  /** Since then nothing of it changes, and none of its keys is good. */
  archivedAt!: string | null;
  members!: ProjectMemberView[];
  poolIds!: string[];
  version!: number;
  createdAt!: string;
  createdBy!: string;
  updatedAt!: string;
}

export class ProjectPage {
  items!: ProjectView[];
  total!: number;
}
