import { ApiProperty } from '@nestjs/swagger';
import { IsInt, Max, Min, ValidateBy } from 'class-validator';
import { type Json } from '../../kernel/canonical-json.js';
import { OffsetPage } from '../http/paging.dto.js';
import { type Rule } from './setting.js';
import { type Settings } from './settings.js';
import { type SettingAction, type SettingVersion } from './settings.repository.js';

const anyJson = {
  anyOf: [{ type: 'string' }, { type: 'number' }, { type: 'boolean' }, { type: 'array', items: {} }, { type: 'object' }],
  nullable: true,
};

/** Null is a value too; only an absent one is refused. */
const IsPresent = (): PropertyDecorator =>
  ValidateBy({
    name: 'isPresent',
    validator: { validate: (value) => value !== undefined, defaultMessage: () => '$property must be present' },
  });

export class PutSetting {
  /** By the setting’s type. Null clears a secret. */
  @IsPresent()
  @ApiProperty(anyJson)
  value!: Json;
}

export class RevertSetting {
  /** The version of the history whose value is wanted back. */
  @IsInt()
  @Min(1)
  @Max(999_999_999)
  version!: number;
}

export class SettingHistoryFilter extends OffsetPage {}

/** What a value must keep to, as far as it can be said in a few words. */
export class SettingLimits {
  min!: number | null;
  max!: number | null;
  maxLength!: number | null;
  /** A regular expression. */
  pattern!: string | null;
  enum!: string[] | null;

  static of(rule: Rule): SettingLimits {
    return {
      min: rule.type === 'integer' ? rule.min : null,
      max: rule.type === 'integer' ? rule.max : null,
      maxLength: rule.type === 'string' || rule.type === 'secret' ? (rule.maxLength ?? null) : null,
      pattern: rule.type === 'string' ? (rule.pattern?.source ?? null) : null,
      enum: rule.type === 'string' && rule.enum ? [...rule.enum] : null,
    };
  }
}

export class SettingView {
  /** @example 'limits.userPerMinute' */
  key!: string;
  type!: 'string' | 'integer' | 'boolean' | 'json' | 'secret';
  text!: string;
  unit!: string | null;
  limits!: SettingLimits;
  /** Null for a secret. */
  @ApiProperty(anyJson)
  default!: Json;
  /** What is effective. Of a secret only whether it is set: `{"set": true}`. */
  @ApiProperty(anyJson)
  value!: Json;
  /** Where the value is from: the environment’s pin beats what is stored, and that the default. */
  source!: 'default' | 'stored' | 'pinned';
  /** Fixed by the environment: cannot be changed here. */
  pinned!: boolean;
  /** 0 until it was first changed. */
  version!: number;
  updatedAt!: string | null;
  updatedBy!: string | null;

  static of(rule: Rule, settings: Settings): SettingView {
    const { key, type, text } = rule;
    const row = settings.stored(key);
    const pinned = settings.isPinned(key);
    const effective = settings.effective(key);
    const standard = rule.type === 'secret' ? null : rule.default;
    return {
      key,
      type,
      text,
      unit: rule.unit ?? null,
      limits: SettingLimits.of(rule),
      default: standard,
      value: rule.type === 'secret' ? { set: effective !== undefined } : effective === undefined ? standard : effective,
      source: pinned ? 'pinned' : effective === undefined ? 'default' : 'stored',
      pinned,
      version: row?.version ?? 0,
      updatedAt: row?.updatedAt?.toISOString() ?? null,
      updatedBy: row?.updatedBy ?? null,
    };
  }
}

export class SettingList {
  items!: SettingView[];
  total!: number;
}

export class SettingVersionView {
  version!: number;
  action!: SettingAction;
  /** Null at the default; of a secret only whether it was set. */
  @ApiProperty(anyJson)
  value!: Json;
  /** The version it was reverted to. */
  revertedTo!: number | null;
  at!: string;
  by!: string;

  static of(entry: SettingVersion, rule: Rule): SettingVersionView {
    const { version, action, isSet, value, revertedTo, changedAt, changedBy } = entry;
    return {
      version,
      action,
      value: rule.type === 'secret' ? { set: isSet } : isSet ? value : null,
      revertedTo,
      at: changedAt.toISOString(),
      by: changedBy,
    };
  }
}

export class SettingHistory {
  items!: SettingVersionView[];
  total!: number;
}
