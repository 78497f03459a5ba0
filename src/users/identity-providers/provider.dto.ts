import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional, type ApiPropertyOptions, getSchemaPath } from '@nestjs/swagger';
import { plainToInstance, Transform, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsNotEmptyObject,
  IsObject,
  IsOptional,
  IsString,
  Length,
  Matches,
  MaxLength,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { OffsetPage } from '../../platform/http/paging.dto.js';
import { LdapConfig, OidcConfig, type ProviderConfig, providerKinds, SamlConfig, UnknownConfig } from './provider-config.dto.js';

const oneOfThree: ApiPropertyOptions = { oneOf: [LdapConfig, OidcConfig, SamlConfig].map((kind) => ({ $ref: getSchemaPath(kind) })) };

const CLASSES = { ldap: LdapConfig, oidc: OidcConfig, saml: SamlConfig };

/** Not by class-transformer's own discriminator: it fails on a list with null in it. */
const IsConfig = (): PropertyDecorator =>
  applyDecorators(
    Transform(({ value }: { value: unknown }) => instanceOf(value)),
    IsObject(),
    ValidateNested(),
  );

function instanceOf(value: unknown): unknown {
  // A list is refused in any case; its members must be of some class for the validator to say so.
  if (Array.isArray(value)) return value.map(instanceOf);
  if (typeof value !== 'object' || value === null) return value;
  const kind = 'kind' in value && providerKinds.find((known) => known === value.kind);
  return plainToInstance<object, object>(kind ? CLASSES[kind] : UnknownConfig, value);
}

/** Members of a group hold a role. */
export class RoleMapping {
  /** The group's name at the provider, letter for letter. */
  @IsString()
  @Length(1, 1000)
  group!: string;

  /** @example 'operator' */
  @IsString()
  @Length(1, 100)
  role!: string;
}

/** Written, never read. Null clears. */
export class ProviderSecretsInput {
  /** LDAP: of `bindDn`. */
  @IsOptional()
  @IsString()
  @Length(1, 1024)
  bindPassword?: string | null;

  /** OIDC. */
  @IsOptional()
  @IsString()
  @Length(1, 4096)
  clientSecret?: string | null;

  /** SAML: a private key in PEM that signs our requests. */
  @IsOptional()
  @IsString()
  @Length(1, 20_000)
  signingKey?: string | null;
}

export class CreateIdentityProvider {
  /**
   * Part of its addresses; never changes.
   * @example 'corporate'
   */
  @Matches(/^[a-z0-9][a-z0-9-]{0,62}$/, { message: 'must be lower-case letters, digits and dashes' })
  slug!: string;

  /** What people read on the button. */
  @IsString()
  @Length(1, 100)
  name!: string;

  @ValidateIf((o: CreateIdentityProvider) => o.enabled !== undefined)
  @IsBoolean()
  enabled?: boolean;

  @ApiProperty(oneOfThree)
  @IsConfig()
  config!: ProviderConfig;

  @IsOptional()
  @IsNotEmptyObject()
  @ValidateNested()
  @Type(() => ProviderSecretsInput)
  secrets?: ProviderSecretsInput;

  /** Which groups' members hold which roles; refreshed at every sign-in. */
  @ValidateIf((o: CreateIdentityProvider) => o.roleMap !== undefined)
  @IsArray()
  @ArrayMaxSize(500)
  @IsObject({ each: true })
  @ValidateNested({ each: true })
  @Type(() => RoleMapping)
  roleMap?: RoleMapping[];

  /** Given once to an account that the provider makes. */
  @ValidateIf((o: CreateIdentityProvider) => o.defaultRoles !== undefined)
  @IsArray()
  @ArrayMaxSize(50)
  @ArrayUnique()
  @IsString({ each: true })
  @MaxLength(100, { each: true })
  defaultRoles?: string[];

  /** Whether somebody without an account gets one; otherwise an account has to be linked first. */
  @ValidateIf((o: CreateIdentityProvider) => o.createsAccounts !== undefined)
  @IsBoolean()
  createsAccounts?: boolean;

  /** Whether a group may be mapped to `superuser`. Only a superuser may allow it. */
  @ValidateIf((o: CreateIdentityProvider) => o.mayGrantSuperuser !== undefined)
  @IsBoolean()
  mayGrantSuperuser?: boolean;
}

/** Absent fields stay as they are; `config`, `roleMap` and `defaultRoles` are replaced as a whole. */
export class PatchIdentityProvider {
  @ValidateIf((o: PatchIdentityProvider) => o.name !== undefined)
  @IsString()
  @Length(1, 100)
  name?: string;

  @ValidateIf((o: PatchIdentityProvider) => o.enabled !== undefined)
  @IsBoolean()
  enabled?: boolean;

  /** Of the same kind as before. */
  @ApiPropertyOptional(oneOfThree)
  @ValidateIf((o: PatchIdentityProvider) => o.config !== undefined)
  @IsConfig()
  config?: ProviderConfig;

  /** A secret that is not named stays; null clears it. */
  @IsOptional()
  @IsNotEmptyObject()
  @ValidateNested()
  @Type(() => ProviderSecretsInput)
  secrets?: ProviderSecretsInput;

  @ValidateIf((o: PatchIdentityProvider) => o.roleMap !== undefined)
  @IsArray()
  @ArrayMaxSize(500)
  @IsObject({ each: true })
  @ValidateNested({ each: true })
  @Type(() => RoleMapping)
  roleMap?: RoleMapping[];

  @ValidateIf((o: PatchIdentityProvider) => o.defaultRoles !== undefined)
  @IsArray()
  @ArrayMaxSize(50)
  @ArrayUnique()
  @IsString({ each: true })
  @MaxLength(100, { each: true })
  defaultRoles?: string[];

  @ValidateIf((o: PatchIdentityProvider) => o.createsAccounts !== undefined)
  @IsBoolean()
  createsAccounts?: boolean;

  @ValidateIf((o: PatchIdentityProvider) => o.mayGrantSuperuser !== undefined)
  @IsBoolean()
  mayGrantSuperuser?: boolean;
}

export class ProviderFilter extends OffsetPage {}

export class SecretState {
  set!: boolean;
}

/** Whether there is one, never which. */
export class ProviderSecretsView {
  bindPassword?: SecretState;
  clientSecret?: SecretState;
  signingKey?: SecretState;
}

export class IdentityProviderView {
  id!: string;
  slug!: string;
  /** @example 'ldap' */
  kind!: string;
  name!: string;
  enabled!: boolean;
  @ApiProperty(oneOfThree)
  config!: ProviderConfig;
  secrets!: ProviderSecretsView;
  roleMap!: RoleMapping[];
  defaultRoles!: string[];
  createsAccounts!: boolean;
  mayGrantSuperuser!: boolean;
  version!: number;
  createdAt!: string;
  createdBy!: string;
  updatedAt!: string;
}

export class IdentityProviderPage {
  items!: IdentityProviderView[];
  total!: number;
}

export class ProviderTestStep {
  /** @example 'connect' */
  name!: string;
  ok!: boolean;
  /** What was found, or what went wrong. */
  detail!: string;
}

export class ProviderTestView {
  ok!: boolean;
  /** In order; the first that fails is the last. */
  steps!: ProviderTestStep[];
}
