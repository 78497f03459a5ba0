import { ConfigError } from '../../config/environment.js';
import { type Json, toJson } from '../../kernel/canonical-json.js';
import { faultOf, ruleOf } from './setting.js';

/** What the environment fixes, by key: stronger than what is stored. Throws ConfigError, which names keys and rules, never values. */
export function readPins(pinned: Readonly<Record<string, unknown>>): ReadonlyMap<string, Json> {
  const pins = new Map<string, Json>();
  const problems: string[] = [];
  for (const [key, given] of Object.entries(pinned)) {
    const rule = ruleOf(key);
    const value = toJson(given);
    const fault = rule && faultOf(rule, value);
    if (!rule) problems.push(`CADASTRE_PINNED_SETTINGS: there is no setting ${key}`);
    else if (fault) problems.push(`CADASTRE_PINNED_SETTINGS: ${key}${fault.pointer} ${fault.detail}`);
    else pins.set(key, value);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return pins;
}
