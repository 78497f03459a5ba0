import { applyDecorators } from '@nestjs/common';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
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
  ValidateBy,
  ValidateIf,
} from 'class-validator';
import { permissions } from '../../platform/auth/permissions.js';
import { OffsetPage } from '../../platform/http/paging.dto.js';
import { type KeyKind, keyKinds } from './key-format.js';
import { LONGEST_LIFETIME_DAYS } from './key-settings.js';
import { type KeyState, keyStates, type RevokeReason } from './key.js';
import { parseNetwork } from '../../kernel/ip-address.js';

const ORIGIN = /^https?:\/\/[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?(?::\d{1,5})?$/;

const List = (): PropertyDecorator => applyDecorators(IsArray(), ArrayMinSize(1), ArrayMaxSize(100), ArrayUnique());

/** Networks such as 10.0.0.0/8, without host bits. */
const Networks = (): PropertyDecorator =>
  applyDecorators(
    List(),
    ValidateBy(
      {
        name: 'isNetwork',
        validator: {
          validate: (value) => typeof value === 'string' && parseNetwork(value) !== undefined,
          defaultMessage: () => 'must be networks such as 10.0.0.0/8, without host bits',
        },
      },
      { each: true },
    ),
  );

const Permissions = (): PropertyDecorator => applyDecorators(List(), IsIn(permissions, { each: true }));
/** How many are too many, a setting says. */
const LifetimeDays = (): PropertyDecorator => applyDecorators(IsInt(), Min(1), Max(LONGEST_LIFETIME_DAYS));
const RotationDays = (): PropertyDecorator => applyDecorators(IsInt(), Min(1), Max(365));

export class CreateMyKey {
  /** @example 'deploy pipeline' */
  @IsString()
  @Length(1, 100)
  name!: string;

  /** What it may do, wherever you may do it yourself; never more than you may at the moment it is used. */
  @Permissions()
  permissions!: string[];

  /** In these VRFs only. */
  @IsOptional()
  @List()
  @IsUUID(undefined, { each: true })
  vrfIds?: string[] | null;

  /** In these networks only. */
  @IsOptional()
  @Networks()
  networks?: string[] | null;

  /** Good from these networks only. */
  @IsOptional()
  @Networks()
  addressRanges?: string[] | null;

  /** Good from pages of these origins only, as browsers report them; programs can report what they like. */
  @IsOptional()
  @List()
  @Matches(ORIGIN, { each: true, message: 'must be origins such as https://console.example.net' })
  allowedOrigins?: string[] | null;

  /** It sees the pools of this project only, and ends with it. You must be a member. */
  @IsOptional()
  @IsUUID()
  projectId?: string | null;

  /** 90 when absent. */
  @ValidateIf((o: CreateMyKey) => o.expiresInDays !== undefined)
  @LifetimeDays()
  expiresInDays?: number;

  /** After so many days a successor is made, for you to collect; when absent, after as many as the setting says, 90 from the start. */
  @IsOptional()
  @RotationDays()
  rotationDays?: number | null;
}

export class CreateKey extends CreateMyKey {
  /** Keys of the kind `owner` are made by their owner: POST /api/v1/me/keys. */
  @IsIn(['admin', 'tenant', 'public'])
  kind!: Exclude<KeyKind, 'owner'>;

  /** The account it acts for. */
  @IsUUID()
  ownerId!: string;
}

/** Absent fields stay as they are; null clears. */
export class PatchKey {
  @ValidateIf((o: PatchKey) => o.name !== undefined)
  @IsString()
  @Length(1, 100)
  name?: string;

  @ValidateIf((o: PatchKey) => o.permissions !== undefined)
  @Permissions()
  permissions?: string[];

  @IsOptional()
  @List()
  @IsUUID(undefined, { each: true })
  vrfIds?: string[] | null;

  @IsOptional()
  @Networks()
  networks?: string[] | null;

  @IsOptional()
  @Networks()
  addressRanges?: string[] | null;

  @IsOptional()
  @List()
  @Matches(ORIGIN, { each: true, message: 'must be origins such as https://console.example.net' })
  allowedOrigins?: string[] | null;

  /** From now on. */
  @ValidateIf((o: PatchKey) => o.expiresInDays !== undefined)
  @LifetimeDays()
  expiresInDays?: number;

  @IsOptional()
  @RotationDays()
  rotationDays?: number | null;
}

export class RotateKey {
  /** How long the old secret stays good; an hour when absent, none when 0. */
  @ValidateIf((o: RotateKey) => o.graceSeconds !== undefined)
  @IsInt()
  @Min(0)
  @Max(86_400)
  graceSeconds?: number;
}

export class MyKeyFilter extends OffsetPage {
  @IsOptional()
  @IsIn(keyStates)
  state?: KeyState;

  /** Part of the name, or the handle. */
  @IsOptional()
  @IsString()
  @MaxLength(100)
  q?: string;
}

export class KeyFilter extends MyKeyFilter {
  @IsOptional()
  @IsUUID()
  ownerId?: string;

  @IsOptional()
  @IsUUID()
  projectId?: string;

  @IsOptional()
  @IsIn(keyKinds)
  kind?: KeyKind;
}

export class KeyView {
  id!: string;
  kind!: KeyKind;
  /** How the key begins; the rest is known to its holder alone. */
  prefix!: string;
  /** The last four digits of the secret. */
  last4!: string | null;
  name!: string;
  /** The account it acts for. */
  ownerId!: string;
  ownerName!: string;
  projectId!: string | null;
  permissions!: string[];
  vrfIds!: string[] | null;
  networks!: string[] | null;
  addressRanges!: string[] | null;
  allowedOrigins!: string[] | null;
  rotationDays!: number | null;
  state!: KeyState;
  /** When its secret was given out; null while it waits to be collected. */
  issuedAt!: string | null;
  expiresAt!: string;
  revokedAt!: string | null;
  revokeReason!: RevokeReason | null;
  replaces!: string | null;
  replacedBy!: string | null;
  /** Until when it is still good although it was replaced. */
  graceUntil!: string | null;
  /** To the minute. */
  lastUsedAt!: string | null;
  lastUsedAddress!: string | null;
  version!: number;
  createdAt!: string;
  createdBy!: string;
  updatedAt!: string;
}

export class IssuedKeyView extends KeyView {
  /** Shown this once. */
  secret!: string;
}

export class KeyPage {
  items!: KeyView[];
  total!: number;
}

export class KeyList {
  items!: KeyView[];
}

export class KeyScopeView {
  permission!: string;
  /** Where it holds: wherever one of these does; null is no limit of that kind. */
  grants!: KeyGrantView[];
}

export class KeyGrantView {
  vrfIds!: string[] | null;
  networks!: string[] | null;
}

export class IntrospectionView {
  /** `api_key`, `tenant_token`, or `user` for a session. */
  kind!: string;
  /** The key's, or the account's. */
  id!: string;
  name!: string;
  ownerId!: string | null;
  tokenId!: string | null;
  /** What it may do at this moment. */
  permissions!: string[];
  /** Which of it holds in some networks only. */
  scopes!: KeyScopeView[];
}
