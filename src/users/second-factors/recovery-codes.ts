import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { oneTimePassword } from '../setup/one-time-password.js';

const MANY = 10;

/** For the day the other factor is lost. 119 random bits each, so a plain hash is enough (ASVS 5.0 6.5.2). */
@Injectable()
export class RecoveryCodes {
  constructor(private readonly work: UnitOfWork) {}

  /** Ten new ones in the place of all earlier ones; to be shown once. Part of the open unit of work. */
  async replace(userId: string): Promise<string[]> {
    const codes = Array.from({ length: MANY }, oneTimePassword);
    await this.remove(userId);
    await this.work.queryInside('INSERT INTO recovery_codes (user_id, code_hash) SELECT $1, unnest($2::bytea[])', [
      userId,
      codes.map(hashOf),
    ]);
    return codes;
  }

  /** Ten new ones when none are left, otherwise none. Part of the open unit of work. */
  async ensure(userId: string): Promise<string[]> {
    return (await this.left(userId)) > 0 ? [] : this.replace(userId);
  }

  /** Uses a code up; of two who show the same one, one is right. Part of the open unit of work. */
  async prove(userId: string, code: string): Promise<boolean> {
    const used = await this.work.queryInside(
      'UPDATE recovery_codes SET used_at = now() WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL RETURNING user_id',
      [userId, hashOf(code)],
    );
    return used.length > 0;
  }

  async left(userId: string): Promise<number> {
    const [row] = await this.work.query<{ left: number }>(
      'SELECT count(*)::int AS left FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL',
      [userId],
    );
    return row?.left ?? 0;
  }

  /** Part of the open unit of work. */
  async remove(userId: string): Promise<void> {
    await this.work.queryInside('DELETE FROM recovery_codes WHERE user_id = $1', [userId]);
  }
}

/** However it is typed: in capitals, with blanks or without dashes. */
function hashOf(code: string): Buffer {
  return createHash('sha256').update(code.toLowerCase().replaceAll(/[\s-]/g, '')).digest();
}
