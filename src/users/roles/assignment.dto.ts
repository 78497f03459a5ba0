import { ApiProperty } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsOptional, IsString, IsUUID, MaxLength, ValidateBy } from 'class-validator';
import { parseNetwork } from '../../kernel/ip-address.js';
import { IsInstant } from '../../platform/http/instant.js';

export class AssignRole {
  /** @example 'operator' */
  @IsString()
  @MaxLength(100)
  role!: string;

  /**
   * Only in these networks; everywhere when absent.
   * @example ['10.20.0.0/16']
   */
  @IsOptional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(100)
  @ArrayUnique()
  @ValidateBy(
    {
      name: 'isNetwork',
      validator: {
        validate: (value) => typeof value === 'string' && parseNetwork(value) !== undefined,
        defaultMessage: () => 'must be networks such as 10.20.0.0/16, with no host bits set',
      },
    },
    { each: true },
  )
  @ApiProperty({ type: String, isArray: true, nullable: true, required: false, maxItems: 100 })
  networks?: string[] | null;

  /** Only in these VRFs; in all of them when absent. */
  @IsOptional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(100)
  @ArrayUnique()
  @IsUUID(undefined, { each: true })
  @Transform(({ value }: { value: unknown }) =>
    Array.isArray(value) ? value.map((id: unknown) => (typeof id === 'string' ? id.toLowerCase() : id)) : value,
  )
  @ApiProperty({ type: String, isArray: true, nullable: true, required: false, maxItems: 100 })
  vrfIds?: string[] | null;

  /** When it ends by itself, as a time of RFC 3339; never when absent. */
  @IsOptional()
  @IsInstant()
  @ApiProperty({ type: String, nullable: true, required: false })
  expiresAt?: Date | null;
}

export class AssignmentView {
  id!: string;
  role!: string;
  /** `manual`, or `identity_provider`: made and taken away as the provider says. */
  source!: string;
  @ApiProperty({ type: String, nullable: true })
  providerId!: string | null;
  assignedBy!: string;
  assignedAt!: string;
  /** Null: in all networks. */
  @ApiProperty({ type: String, isArray: true, nullable: true })
  networks!: string[] | null;
  /** Null: in all VRFs. */
  @ApiProperty({ type: String, isArray: true, nullable: true })
  vrfIds!: string[] | null;
  expiresAt!: string | null;
}

export class AssignmentList {
  items!: AssignmentView[];
}
