import { ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  IsUrl,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
} from 'class-validator';

export const providerKinds = ['ldap', 'oidc', 'saml'] as const;
export type ProviderKind = (typeof providerKinds)[number];

const ATTRIBUTE = /^[A-Za-z][A-Za-z0-9-]{0,63}$/;
const attribute = { message: 'must be the name of an attribute' };
const webUrl = { protocols: ['https', 'http'], require_protocol: true, require_tld: false };

/** What a configuration of no known kind is checked against. */
export class UnknownConfig {
  @IsIn(providerKinds)
  kind!: ProviderKind;
}

export class LdapConfig {
  @IsIn(['ldap'])
  kind!: 'ldap';

  /** @example 'ldaps://ldap.example.net:636' */
  @IsUrl({ protocols: ['ldap', 'ldaps'], require_protocol: true, require_tld: false })
  @Matches(/^ldaps?:\/\/[^/?#@]+\/?$/, { message: 'must be scheme, host and port alone' })
  @MaxLength(500)
  url!: string;

  /** `ldaps` with an `ldaps://` URL; `none` to a loopback address only, unless `allowPlaintext`. */
  @IsIn(['none', 'starttls', 'ldaps'])
  tls!: 'none' | 'starttls' | 'ldaps';

  /** The only authorities whose certificates are believed, in PEM; the system's when absent. */
  @IsOptional()
  @IsString()
  @MaxLength(100_000)
  caPem?: string | null;

  /** Passwords may cross the network unencrypted; never in production. */
  @IsOptional()
  @IsBoolean()
  allowPlaintext?: boolean | null;

  /** Who searches; nobody in particular when absent. */
  @IsOptional()
  @IsString()
  @Length(1, 1000)
  bindDn?: string | null;

  /** @example 'ou=people,dc=example,dc=net' */
  @IsString()
  @Length(1, 1000)
  userBase!: string;

  /** Holds what people type as their username. */
  @Matches(ATTRIBUTE, attribute)
  @ApiPropertyOptional({ type: 'string' })
  userAttribute = 'uid';

  /** Only entries of this object class are people. */
  @IsOptional()
  @Matches(ATTRIBUTE, attribute)
  userObjectClass?: string | null;

  /** Names an entry for ever: `entryUUID`, or `objectGUID` in Active Directory. */
  @Matches(ATTRIBUTE, attribute)
  @ApiPropertyOptional({ type: 'string' })
  externalIdAttribute = 'entryUUID';

  @Matches(ATTRIBUTE, attribute)
  @ApiPropertyOptional({ type: 'string' })
  emailAttribute = 'mail';

  @Matches(ATTRIBUTE, attribute)
  @ApiPropertyOptional({ type: 'string' })
  displayNameAttribute = 'cn';

  /** How groups know their members. `member` and `memberUid` are looked for below `groupBase`. */
  @IsIn(['none', 'member', 'memberUid', 'memberOf'])
  groupStyle: 'none' | 'member' | 'memberUid' | 'memberOf' = 'none';

  @IsOptional()
  @IsString()
  @Length(1, 1000)
  groupBase?: string | null;

  /** What a group is called in the map; of `memberOf` it is the first part of the group's DN. */
  @Matches(ATTRIBUTE, attribute)
  @ApiPropertyOptional({ type: 'string' })
  groupNameAttribute = 'cn';

  /** Longest wait for a connection, and for an answer, in milliseconds. */
  @IsInt()
  @Min(100)
  @Max(30_000)
  @ApiPropertyOptional({ type: 'integer' })
  timeoutMs = 5000;
}

export class OidcConfig {
  @IsIn(['oidc'])
  kind!: 'oidc';

  /** @example 'https://login.example.net' */
  @IsUrl(webUrl)
  @MaxLength(500)
  issuer!: string;

  @IsString()
  @Length(1, 500)
  clientId!: string;

  @IsArray()
  @ArrayMaxSize(20)
  @Matches(/^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/, { each: true, message: 'must be scope tokens (RFC 6749 §3.3)' })
  scopes: string[] = ['openid', 'profile', 'email'];

  @IsIn(['basic', 'post'])
  clientAuthentication: 'basic' | 'post' = 'basic';

  @IsString()
  @Length(1, 200)
  @ApiPropertyOptional({ type: 'string' })
  usernameClaim = 'preferred_username';

  /** A list of names. */
  @IsString()
  @Length(1, 200)
  @ApiPropertyOptional({ type: 'string' })
  groupsClaim = 'groups';

  /** Longest wait for an answer, in milliseconds. */
  @IsInt()
  @Min(100)
  @Max(30_000)
  @ApiPropertyOptional({ type: 'integer' })
  timeoutMs = 5000;
}

export class SamlConfig {
  @IsIn(['saml'])
  kind!: 'saml';

  /** Where a browser is sent, by the HTTP-Redirect binding. */
  @IsUrl(webUrl)
  @MaxLength(500)
  entryPoint!: string;

  /** The entity id of the provider. */
  @IsString()
  @Length(1, 1000)
  idpEntityId!: string;

  /** Certificates whose keys sign assertions, in PEM; two while one replaces the other. */
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(5)
  @IsString({ each: true })
  @MaxLength(10_000, { each: true })
  idpCertificates!: string[];

  /** Our entity id; the address of our metadata when absent. */
  @IsOptional()
  @IsString()
  @Length(1, 1000)
  spEntityId?: string | null;

  /** The name identifier when absent. */
  @IsOptional()
  @IsString()
  @Length(1, 500)
  usernameAttribute?: string | null;

  @IsString()
  @Length(1, 500)
  @ApiPropertyOptional({ type: 'string' })
  emailAttribute = 'mail';

  @IsString()
  @Length(1, 500)
  @ApiPropertyOptional({ type: 'string' })
  displayNameAttribute = 'displayName';

  @IsString()
  @Length(1, 500)
  @ApiPropertyOptional({ type: 'string' })
  groupsAttribute = 'groups';
}

export type ProviderConfig = LdapConfig | OidcConfig | SamlConfig;
