import { type Json } from '../../kernel/canonical-json.js';

/** A setting as the trail may know it: of a secret only whether it is set, and which time it was. */
export interface SettingState {
  id: string;
  key: string;
  /** Null at the default. */
  value?: Json;
  set?: boolean;
  revision?: number;
}

/** Told of every change of a setting, inside the unit of work that makes it; the audit trail listens. */
export abstract class SettingEvents {
  abstract changed(before: SettingState, after: SettingState): Promise<void>;

  /** Back to the default; a secret cleared. */
  abstract reset(before: SettingState, after: SettingState): Promise<void>;

  abstract reverted(before: SettingState, after: SettingState, toVersion: number): Promise<void>;
}
