import { Injectable } from '@nestjs/common';
import { type Json } from '../../kernel/canonical-json.js';
import { UnitOfWork } from '../database/unit-of-work.js';

/** A setting as it is stored; version 0 until it was first changed. */
export interface StoredSetting {
  id: string;
  key: string;
  isSet: boolean;
  value: Json;
  sealed: Buffer | null;
  version: number;
  updatedAt: Date | null;
  updatedBy: string | null;
}

export type SettingAction = 'changed' | 'reset' | 'reverted';

/** One change of a setting. What a secret was is not kept. */
export interface SettingVersion {
  version: number;
  action: SettingAction;
  isSet: boolean;
  value: Json;
  revertedTo: number | null;
  changedAt: Date;
  changedBy: string;
}

const COLUMNS = `id, key, is_set AS "isSet", value, sealed, version, updated_at AS "updatedAt", updated_by AS "updatedBy"`;
const VERSION = `h.version, h.action, h.is_set AS "isSet", h.value, h.reverted_to AS "revertedTo", h.changed_at AS "changedAt",
  h.changed_by AS "changedBy"`;

@Injectable()
export class SettingsRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** Grows with every change of any setting: rows are never deleted and versions only grow. */
  async revision(): Promise<number> {
    const [row] = await this.work.query<{ revision: number }>('SELECT coalesce(sum(version), 0)::int AS revision FROM settings');
    return row?.revision ?? 0;
  }

  all(): Promise<StoredSetting[]> {
    return this.work.query<StoredSetting>(`SELECT ${COLUMNS} FROM settings`);
  }

  /** The setting's row, made when it has none yet, locked until the unit of work ends. */
  async locked(key: string): Promise<StoredSetting> {
    await this.work.queryInside('INSERT INTO settings (key) VALUES ($1) ON CONFLICT ON CONSTRAINT settings_key_unique DO NOTHING', [key]);
    const [row] = await this.work.queryInside<StoredSetting>(`SELECT ${COLUMNS} FROM settings WHERE key = $1 FOR NO KEY UPDATE`, [key]);
    if (!row) throw new Error(`The setting ${key} has no row.`);
    return row;
  }

  /** Writes what a locked setting is from now on. `value` undefined: nothing is set. */
  async write(id: string, value: Json | undefined, sealed: Buffer | undefined, by: string): Promise<StoredSetting> {
    const [row] = await this.work.queryInside<StoredSetting>(
      `UPDATE settings
          SET is_set = $2, value = $3, sealed = $4, version = version + 1, updated_at = now(), updated_by = $5
        WHERE id = $1
        RETURNING ${COLUMNS}`,
      [id, value !== undefined || sealed !== undefined, value === undefined ? null : JSON.stringify(value), sealed ?? null, by],
    );
    if (!row) throw new Error('The setting that was locked is gone.');
    return row;
  }

  async remember(row: StoredSetting, action: SettingAction, revertedTo: number | undefined): Promise<void> {
    await this.work.queryInside(
      `INSERT INTO setting_history (setting_id, version, action, is_set, value, reverted_to, changed_by)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [
        row.id,
        row.version,
        action,
        row.isSet,
        row.isSet && row.sealed === null ? JSON.stringify(row.value) : null,
        revertedTo ?? null,
        row.updatedBy,
      ],
    );
  }

  /** Newest first. */
  async history(key: string, limit: number, offset: number): Promise<{ items: SettingVersion[]; total: number }> {
    const items = await this.work.query<SettingVersion>(
      `SELECT ${VERSION} FROM setting_history h JOIN settings s ON s.id = h.setting_id
        WHERE s.key = $1 ORDER BY h.version DESC LIMIT $2 OFFSET $3`,
      [key, limit, offset],
    );
    const [count] = await this.work.query<{ total: number }>(
      'SELECT count(*)::int AS total FROM setting_history h JOIN settings s ON s.id = h.setting_id WHERE s.key = $1',
      [key],
    );
    return { items, total: count?.total ?? 0 };
  }

  async version(id: string, version: number): Promise<SettingVersion | undefined> {
    const [row] = await this.work.query<SettingVersion>(
      `SELECT ${VERSION} FROM setting_history h WHERE h.setting_id = $1 AND h.version = $2`,
      [id, version],
    );
    return row;
  }
}
