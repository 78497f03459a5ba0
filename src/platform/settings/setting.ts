import { type Json } from '../../kernel/canonical-json.js';

interface Described {
  /** Dotted camel case: `sessions.idleMinutes`. */
  key: string;
  /** One sentence for the manual. */
  text: string;
  unit?: string;
}

interface IntegerRule extends Described {
  type: 'integer';
  default: number;
  min: number;
  max: number;
}

interface BooleanRule extends Described {
  type: 'boolean';
  default: boolean;
}

interface StringRule<T extends string = string> extends Described {
  type: 'string';
  default: NoInfer<T>;
  /** 1000 when absent. */
  maxLength?: number;
  pattern?: RegExp;
  enum?: readonly T[];
}

interface JsonRule<T extends Json = Json> extends Described {
  type: 'json';
  default: T;
  /** What is wrong with a value, if anything: all that it lets pass is a T. */
  validate: (value: Json) => Fault | undefined;
}

/** Has no default: it is set or it is not. */
interface SecretRule extends Described {
  type: 'secret';
  /** 4000 when absent. */
  maxLength?: number;
}

export type Rule = IntegerRule | BooleanRule | StringRule | JsonRule | SecretRule;

/** Why a value is refused; `pointer` leads from the value to the place, so it is empty when the whole of it is wrong. */
export interface Fault {
  pointer: string;
  detail: string;
}

export interface Setting<T extends Json = Json> {
  readonly key: string;
  readonly default: T;
  readonly rule: Rule;
}

export interface SecretSetting {
  readonly key: string;
  readonly rule: SecretRule;
}

const KEY = /^[a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)+$/;
const FLAG_PREFIX = 'flags.';
const catalogue = new Map<string, Rule>();

/**
 * Names a setting, where it is read. It is in the catalogue from then on, so nothing can be read that is not in it. Throws for a key that is
 * taken or malformed, and for a default that breaks its own rule.
 */
export function defineSetting(rule: IntegerRule): Setting<number>;
export function defineSetting(rule: BooleanRule): Setting<boolean>;
export function defineSetting<T extends string = string>(rule: StringRule<T>): Setting<T>;
export function defineSetting<T extends Json>(rule: JsonRule<T>): Setting<T>;
export function defineSetting(rule: SecretRule): SecretSetting;
export function defineSetting(rule: Rule): Setting | SecretSetting {
  if (!KEY.test(rule.key)) throw new Error(`${rule.key} is no key of a setting.`);
  if (catalogue.has(rule.key)) throw new Error(`The setting ${rule.key} is defined twice.`);
  if (rule.type !== 'secret') {
    const fault = faultOf(rule, rule.default);
    if (fault) throw new Error(`The default of ${rule.key} ${fault.detail}.`);
  }
  catalogue.set(rule.key, rule);
  return rule.type === 'secret' ? { key: rule.key, rule } : { key: rule.key, default: rule.default, rule };
}

/** A boolean setting `flags.<name>` that every client may read at GET /feature-flags. */
export function defineFlag(name: string, text: string, standard: boolean): Setting<boolean> {
  return defineSetting({ key: `${FLAG_PREFIX}${name}`, type: 'boolean', text, default: standard });
}

/** Every setting there is, by key. */
export function settingRules(): Rule[] {
  return [...catalogue.values()].sort((a, b) => a.key.localeCompare(b.key));
}

export function ruleOf(key: string): Rule | undefined {
  return catalogue.get(key);
}

/** The flag's name when the key is one's. */
export function flagName(key: string): string | undefined {
  return key.startsWith(FLAG_PREFIX) ? key.slice(FLAG_PREFIX.length) : undefined;
}

/** What is wrong with a value by a rule, as the end of a sentence; undefined when nothing is. */
export function faultOf(rule: Rule, value: Json): Fault | undefined {
  const detail = rule.type === 'json' ? undefined : scalarFault(rule, value);
  if (detail !== undefined) return { pointer: '', detail };
  if (rule.type !== 'json') return undefined;
  if (JSON.stringify(value).length > 32_768) return { pointer: '', detail: 'must not be longer than 32768 characters of JSON' };
  return rule.validate(value);
}

function scalarFault(rule: Exclude<Rule, JsonRule>, value: Json): string | undefined {
  switch (rule.type) {
    case 'integer': {
      const inside = typeof value === 'number' && Number.isSafeInteger(value) && value >= rule.min && value <= rule.max;
      return inside ? undefined : `must be a whole number from ${rule.min} to ${rule.max}`;
    }
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'must be true or false';
    case 'string':
      if (rule.enum) return rule.enum.some((one) => one === value) ? undefined : `must be one of ${rule.enum.join(', ')}`;
      if (typeof value === 'string' && rule.pattern?.test(value) === false) return `must match ${rule.pattern}`;
      return textFault(value, rule.maxLength ?? 1000);
    case 'secret':
      return value === '' ? 'must not be empty' : textFault(value, rule.maxLength ?? 4000);
  }
}

function textFault(value: Json, maxLength: number): string | undefined {
  return typeof value === 'string' && value.length <= maxLength ? undefined : `must be a text of at most ${maxLength} characters`;
}
