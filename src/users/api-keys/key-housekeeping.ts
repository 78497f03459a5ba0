import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Alarm } from './events/alarm-rules.js';
import { KeySettings } from './key-settings.js';

const DAY_MS = 86_400_000;

/** What time does to keys and to what is kept of them. */
@Injectable()
export class KeyHousekeeping {
  constructor(
    private readonly work: UnitOfWork,
    private readonly settings: KeySettings,
    private readonly clock: Clock,
  ) {}

  /** One notice for each threshold that a live key's end has come within; the last one is the gravest. */
  async endingSoon(): Promise<Alarm[]> {
    const thresholds = [...this.settings.noticeDays].sort((a, b) => a - b);
    const keys = await this.work.query<{ id: string; expiresAt: Date }>(
      `SELECT id, expires_at AS "expiresAt" FROM api_keys
        WHERE revoked_at IS NULL AND issued_at IS NOT NULL AND replaced_by IS NULL AND expires_at BETWEEN now() AND now() + make_interval(days => $1)`,
      [Math.max(...thresholds)],
    );
    const at = this.clock.now();
    return keys.map(({ id, expiresAt }): Alarm => {
      const days = thresholds.find((n) => expiresAt.getTime() - at.getTime() <= n * DAY_MS) ?? Math.max(...thresholds);
      const window = new Date(expiresAt.getTime() - days * DAY_MS);
      return { rule: 'expiring', keyId: id, at, window, severity: days === thresholds[0] ? 'medium' : 'low', detail: { days, expiresAt } };
    });
  }

  /** Digests of what ended long ago, and expired tokens. Figures of use go with retention. */
  async forget(): Promise<{ digests: number; tokens: number }> {
    const { digestKeptDays } = this.settings;
    const digests = await this.work.query(
      `UPDATE api_keys SET digest = NULL, pepper_kid = NULL
        WHERE digest IS NOT NULL AND least(revoked_at, grace_until, expires_at) < now() - make_interval(days => $1) RETURNING id`,
      [digestKeptDays],
    );
    const tokens = await this.work.query(`DELETE FROM tenant_tokens WHERE expires_at < now() - interval '1 day' RETURNING id`);
    await this.work.query(`DELETE FROM api_key_denials WHERE minute < now() - interval '1 day'`);
    return { digests: digests.length, tokens: tokens.length };
  }
}
