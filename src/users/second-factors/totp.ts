import { Injectable } from '@nestjs/common';
import { generateSecret, generateURI, verifySync } from 'otplib';
import { AppError } from '../../kernel/app-error.js';
import { Clock } from '../../kernel/clock.js';
import { SecretBox } from '../../platform/crypto/secret-box.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';

const PERIOD_SECONDS = 30;
const CODE = /^\d{6}$/;

/** Codes of an authenticator app (RFC 6238): six digits, 30 seconds, SHA-1, and each good once, a step early or late at most. */
@Injectable()
export class Totp {
  constructor(
    private readonly work: UnitOfWork,
    private readonly box: SecretBox,
    private readonly clock: Clock,
  ) {}

  /** A secret that counts once it is confirmed; one that was begun before is forgotten. Throws `totp_exists`. */
  async begin(userId: string, username: string): Promise<{ secret: string; uri: string }> {
    const secret = generateSecret();
    const begun = await this.work.query(
      `INSERT INTO totp_secrets AS t (user_id, sealed_secret) VALUES ($1, $2)
       ON CONFLICT (user_id) DO UPDATE SET sealed_secret = EXCLUDED.sealed_secret, created_at = now() WHERE t.confirmed_at IS NULL
       RETURNING user_id`,
      [userId, this.box.seal(secret, purposeOf(userId))],
    );
    if (begun.length === 0) throw AppError.conflict('totp_exists', 'You have an authenticator app already; remove it first.');
    return { secret, uri: generateURI({ issuer: 'Cadastre', label: username, secret, period: PERIOD_SECONDS }) };
  }

  /** The first right code makes it count. Part of the open unit of work. */
  confirm(userId: string, code: string): Promise<boolean> {
    return this.use(userId, code, 'confirmed_at IS NULL');
  }

  /** Uses a code up. False when it is wrong, was used, or is older than one that was used. Part of the open unit of work. */
  prove(userId: string, code: string): Promise<boolean> {
    return this.use(userId, code, 'confirmed_at IS NOT NULL');
  }

  /** Whether there was one. Part of the open unit of work. */
  async remove(userId: string): Promise<boolean> {
    const removed = await this.work.queryInside<{ confirmed: boolean }>(
      'DELETE FROM totp_secrets WHERE user_id = $1 RETURNING confirmed_at IS NOT NULL AS confirmed',
      [userId],
    );
    return removed[0]?.confirmed ?? false;
  }

  private async use(userId: string, code: string, which: string): Promise<boolean> {
    const [row] = await this.work.queryInside<{ sealed: Buffer }>(
      `SELECT sealed_secret AS sealed FROM totp_secrets WHERE user_id = $1 AND ${which}`,
      [userId],
    );
    if (!row || !CODE.test(code)) return false;
    const secret = this.box.open(row.sealed, purposeOf(userId));
    const epoch = Math.floor(this.clock.now().getTime() / 1000);
    const result = verifySync({ secret, token: code, epoch, period: PERIOD_SECONDS, epochTolerance: PERIOD_SECONDS });
    if (!result.valid || !('timeStep' in result)) return false;
    // Of two who show one code, one raises the step; the other finds it raised.
    const used = await this.work.queryInside(
      `UPDATE totp_secrets SET last_step = $2, last_used_at = now(), confirmed_at = coalesce(confirmed_at, now())
        WHERE user_id = $1 AND last_step < $2 AND ${which}
        RETURNING user_id`,
      [userId, result.timeStep],
    );
    return used.length > 0;
  }
}

function purposeOf(userId: string): string {
  return `totp of ${userId}`;
}
