import { isDeepStrictEqual } from 'node:util';
import { type Json } from '../../kernel/canonical-json.js';
import { type SecretBox } from '../crypto/secret-box.js';
import { type Log } from '../logging/log.js';
import { faultOf, ruleOf, type SecretSetting, type Setting } from './setting.js';
import { type StoredSetting } from './settings.repository.js';

/** What a sealed setting is sealed for: no other setting can be made to open it. */
export function sealPurpose(key: string): string {
  return `setting ${key}`;
}

/**
 * What the settings are: a pin of the environment, else the stored row, else the default. Read from memory, which follows the database within
 * two seconds and a change made by this process at once.
 */
export class Settings {
  private readonly rows = new Map<string, StoredSetting>();
  /** Whatever is not at its default. */
  private readonly values = new Map<string, Json>();
  private readonly sealed = new Map<string, Buffer>();
  private readonly listeners = new Map<string, (() => void)[]>();

  /** Throws when a stored value breaks its rule: a default in its place would be a lie. */
  constructor(
    private readonly pins: ReadonlyMap<string, Json>,
    stored: readonly StoredSetting[],
    private readonly box: SecretBox,
    private readonly log: Log,
  ) {
    for (const [key, value] of pins) this.values.set(key, value);
    for (const row of stored) {
      const fault = this.take(row);
      if (fault !== undefined)
        throw new Error(`The stored setting ${row.key} ${fault}: change it with the version that stored it, or pin it.`);
    }
  }

  get<T extends Json>(setting: Setting<T>): T {
    const value = this.values.get(setting.key);
    // Only what its rule lets pass gets in there.
    return value === undefined ? setting.default : (value as T);
  }

  /** Undefined when it is not set. Throws when the key it was sealed under is gone. */
  getSecret(setting: SecretSetting): string | undefined {
    const pinned = this.pins.get(setting.key);
    if (typeof pinned === 'string') return pinned;
    const sealed = this.sealed.get(setting.key);
    return sealed && this.box.open(sealed, sealPurpose(setting.key));
  }

  /** Calls `listener` after each change of what `get` or `getSecret` says. */
  onChange(setting: Setting | SecretSetting, listener: () => void): void {
    this.listeners.set(setting.key, [...(this.listeners.get(setting.key) ?? []), listener]);
  }

  isPinned(key: string): boolean {
    return this.pins.has(key);
  }

  /** The row as this process last saw it. */
  stored(key: string): StoredSetting | undefined {
    return this.rows.get(key);
  }

  /** What is effective of a setting that is not at its default; for a secret only whether there is one. */
  effective(key: string): Json | undefined {
    return this.sealed.has(key) ? true : this.values.get(key);
  }

  /** As SettingsRepository.revision() counts, of what is known here. */
  get revision(): number {
    let sum = 0;
    for (const { version } of this.rows.values()) sum += version;
    return sum;
  }

  /** Takes rows that were read or written, in whatever order they arrive: an older one never replaces a newer one. */
  accept(rows: readonly StoredSetting[]): void {
    for (const row of rows) {
      const before = [this.values.get(row.key), this.sealed.get(row.key)];
      const fault = this.take(row);
      // A newer version of the program may allow more; what was good here stays.
      if (fault !== undefined) this.log.error('a stored setting is not accepted', { setting: row.key, version: row.version, fault });
      if (!isDeepStrictEqual(before, [this.values.get(row.key), this.sealed.get(row.key)])) this.announce(row.key);
    }
  }

  private take(row: StoredSetting): string | undefined {
    if ((this.rows.get(row.key)?.version ?? -1) >= row.version) return undefined;
    this.rows.set(row.key, row);
    const rule = ruleOf(row.key);
    if (!rule || this.pins.has(row.key)) return undefined;
    if (rule.type === 'secret') {
      if (row.sealed) this.sealed.set(row.key, row.sealed);
      else this.sealed.delete(row.key);
      return undefined;
    }
    const fault = row.isSet ? faultOf(rule, row.value) : undefined;
    if (fault) return fault.detail;
    if (row.isSet) this.values.set(row.key, row.value);
    else this.values.delete(row.key);
    return undefined;
  }

  private announce(key: string): void {
    for (const listener of this.listeners.get(key) ?? []) {
      try {
        listener();
      } catch (error) {
        this.log.error('a change of a setting could not be followed', { setting: key, error });
      }
    }
  }
}
