import { applyDecorators } from '@nestjs/common';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsIn, IsInt, IsOptional, IsUUID, Max, Min, ValidateBy } from 'class-validator';
import { permissions } from '../../platform/auth/permissions.js';
import { parseNetwork } from '../../kernel/ip-address.js';

const List = (): PropertyDecorator => applyDecorators(IsArray(), ArrayMinSize(1), ArrayMaxSize(100), ArrayUnique());

const tokenPresets = ['read', 'limited', 'restricted'] as const;
export type TokenPreset = (typeof tokenPresets)[number];

export class CreateTenantToken {
  /** Seconds it is good for: a day at most, and never longer than its key. */
  @IsInt()
  @Min(1)
  @Max(86_400)
  ttlSeconds!: number;

  /**
   * `read`: reads all that the key does. `limited`: reads in the named networks or VRFs. `restricted`: of those, VRFs and pools alone, no
   * addresses and nobody's name. Absent: whatever the key may do.
   */
  @IsOptional()
  @IsIn(tokenPresets)
  preset?: TokenPreset | null;

  /** Of what the key may do, this. */
  @IsOptional()
  @List()
  @IsIn(permissions, { each: true })
  permissions?: string[] | null;

  @IsOptional()
  @List()
  @IsUUID(undefined, { each: true })
  vrfIds?: string[] | null;

  @IsOptional()
  @List()
  @ValidateBy(
    {
      name: 'isNetwork',
      validator: {
        validate: (value) => typeof value === 'string' && parseNetwork(value) !== undefined,
        defaultMessage: () => 'must be networks such as 10.0.0.0/8, without host bits',
      },
    },
    { each: true },
  )
  networks?: string[] | null;
}

export class TenantTokenView {
  /** For revoking it. */
  id!: string;
  /** Send it as `Authorization: Bearer …`. Shown this once. */
  token!: string;
  expiresAt!: string;
  permissions!: string[];
}
