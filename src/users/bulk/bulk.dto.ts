import { ApiProperty } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsString,
  IsUUID,
  MaxLength,
  ValidateIf,
} from 'class-validator';

const bulkOperations = ['activate', 'deactivate', 'delete', 'add-role', 'remove-role', 'add-group', 'remove-group'] as const;
export type BulkOperation = (typeof bulkOperations)[number];

const ofRoles = ({ operation, role }: BulkUsers): boolean => role !== undefined || operation === 'add-role' || operation === 'remove-role';
const ofGroups = ({ operation, group }: BulkUsers): boolean =>
  group !== undefined || operation === 'add-group' || operation === 'remove-group';

export class BulkUsers {
  @IsIn(bulkOperations)
  operation!: BulkOperation;

  /** Of the users, in the order they are dealt with. */
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(1000)
  @ArrayUnique((id: unknown) => (typeof id === 'string' ? id.toLowerCase() : id))
  @IsUUID(undefined, { each: true })
  ids!: string[];

  /** The name of the role that is given or taken. Needs `role:assign`. */
  @ValidateIf(ofRoles)
  @IsString()
  @MaxLength(100)
  role?: string;

  /** The id of the group. Needs `group:write`. */
  @ValidateIf(ofGroups)
  @IsUUID()
  group?: string;

  /** True: say what would happen and change nothing. */
  @ValidateIf((o: BulkUsers) => o.dryRun !== undefined)
  @IsBoolean()
  dryRun?: boolean;

  /** To delete: what the dry run of the very same accounts said, within ten minutes. */
  @ValidateIf((o: BulkUsers) => o.confirmToken !== undefined)
  @IsString()
  @MaxLength(1000)
  confirmToken?: string;
}

export class BulkItemView {
  id!: string;
  /** `done`, `unchanged` (it was so already), `skipped` (your own account) or `refused`. */
  outcome!: string;
  /** Why not, by the code the single call would have answered. */
  code?: string;
  detail?: string;
}

export class BulkView {
  items!: BulkItemView[];
  @ApiProperty({ type: 'integer' })
  done!: number;
  dryRun!: boolean;
  /** From a dry run of a deletion: send it to delete. */
  confirmToken?: string;
}
