import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { type Json } from '../../kernel/canonical-json.js';
import { actorName } from '../context/request-context.js';
import { SecretBox } from '../crypto/secret-box.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { staleVersion } from '../http/etag.js';
import { faultOf, type Rule, ruleOf } from './setting.js';
import { SettingEvents, type SettingState } from './setting-events.js';
import { sealPurpose, Settings } from './settings.js';
import { SettingsRepository, type SettingVersion, type StoredSetting } from './settings.repository.js';

/** Throws `setting_not_found`. */
export function knownRule(key: string): Rule {
  const rule = ruleOf(key);
  if (!rule) throw AppError.notFound('setting', key.slice(0, 100));
  return rule;
}

/** Changes of settings by a person. Each waits for the one before it on the same setting; `expected` is the version the caller has seen. */
@Injectable()
export class SettingChanges {
  constructor(
    private readonly work: UnitOfWork,
    private readonly repository: SettingsRepository,
    private readonly settings: Settings,
    private readonly box: SecretBox,
    private readonly events: SettingEvents,
  ) {}

  /** Null clears a secret. Throws `setting_not_found`, `setting_pinned`, `stale_version`, `setting_invalid`. */
  async put(key: string, value: Json, expected: number | undefined): Promise<StoredSetting> {
    const rule = this.changeable(key);
    if (rule.type === 'secret' && value === null) return this.reset(key, expected);
    refuseFault(rule, value, '/value');
    return this.change(key, expected, async (before) => {
      if (before.isSet && rule.type !== 'secret' && isDeepStrictEqual(before.value, value)) return before;
      return this.write(before, rule, value);
    });
  }

  /** Back to the default. Throws `setting_not_found`, `setting_pinned`, `stale_version`. */
  async reset(key: string, expected: number | undefined): Promise<StoredSetting> {
    const rule = this.changeable(key);
    return this.change(key, expected, async (before) => {
      if (!before.isSet) return before;
      const after = await this.repository.write(before.id, undefined, undefined, actorName());
      await this.repository.remember(after, 'reset', undefined);
      await this.events.reset(stateOf(before, rule), stateOf(after, rule));
      return after;
    });
  }

  /**
   * Makes a setting what it was at a version. Throws `setting_not_found`, `setting_pinned`, `setting_not_kept` for a secret, `stale_version`,
   * `setting_version_not_found`, and `setting_invalid` when today's rule refuses what was right then.
   */
  async revert(key: string, version: number, expected: number | undefined): Promise<StoredSetting> {
    const rule = this.changeable(key);
    if (rule.type === 'secret') throw AppError.conflict('setting_not_kept', 'What a secret was before is not kept: set it anew.');
    return this.change(key, expected, async (before) => {
      const then = await this.repository.version(before.id, version);
      if (!then) throw AppError.notFound('setting_version', String(version));
      if (then.isSet) refuseFault(rule, then.value, '/version');
      if (then.isSet === before.isSet && isDeepStrictEqual(then.value, before.value)) return before;
      const after = await this.repository.write(before.id, then.isSet ? then.value : undefined, undefined, actorName());
      await this.repository.remember(after, 'reverted', version);
      await this.events.reverted(stateOf(before, rule), stateOf(after, rule), version);
      return after;
    });
  }

  /** Throws `setting_not_found`. */
  history(key: string, limit: number, offset: number): Promise<{ items: SettingVersion[]; total: number }> {
    knownRule(key);
    return this.repository.history(key, limit, offset);
  }

  private changeable(key: string): Rule {
    const rule = knownRule(key);
    if (this.settings.isPinned(key))
      throw AppError.conflict('setting_pinned', `${key} is fixed by the environment of the server: CADASTRE_PINNED_SETTINGS.`);
    return rule;
  }

  private change(
    key: string,
    expected: number | undefined,
    act: (before: StoredSetting) => Promise<StoredSetting>,
  ): Promise<StoredSetting> {
    return this.work.run(async () => {
      const before = await this.repository.locked(key);
      if (expected !== undefined && expected !== before.version) throw staleVersion(before.version);
      const after = await act(before);
      this.work.afterCommit(() => {
        this.settings.accept([after]);
      });
      return after;
    });
  }

  private async write(before: StoredSetting, rule: Rule, value: Json): Promise<StoredSetting> {
    const secret = rule.type === 'secret' && typeof value === 'string' ? this.box.seal(value, sealPurpose(rule.key)) : undefined;
    const after = await this.repository.write(before.id, secret ? undefined : value, secret, actorName());
    await this.repository.remember(after, 'changed', undefined);
    await this.events.changed(stateOf(before, rule), stateOf(after, rule));
    return after;
  }
}

function refuseFault(rule: Rule, value: Json, pointer: string): void {
  const fault = faultOf(rule, value);
  if (fault) throw AppError.field(`${pointer}${fault.pointer}`, 'setting_invalid', `${rule.key} ${fault.detail}.`);
}

function stateOf({ id, key, isSet, value, version }: StoredSetting, rule: Rule): SettingState {
  return rule.type === 'secret' ? { id, key, set: isSet, revision: version } : { id, key, value: isSet ? value : null };
}
