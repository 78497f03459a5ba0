import { hashOfSecret, isSecret, newSecret } from '../../platform/crypto/bearer-secret.js';
import { Injectable } from '@nestjs/common';
import { type Json, toJson } from '../../kernel/canonical-json.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';

export type TokenPurpose = 'password_reset' | 'second_factor' | 'passkey_enrolment' | 'passkey_proof';

export interface OneTimeToken {
  userId: string | null;
  detail: Record<string, Json>;
}

interface Issue {
  userId?: string;
  detail?: object;
  seconds: number;
  /** Whether the tokens of this purpose that the user has already are void from now on. */
  alone?: boolean;
}

const FOUND = `user_id AS "userId", detail`;

/** 256 random bits that are good once and for a short while. The database has their hash alone. */
@Injectable()
export class OneTimeTokens {
  constructor(private readonly work: UnitOfWork) {}

  async issue(purpose: TokenPurpose, { userId, detail = {}, seconds, alone = false }: Issue): Promise<{ token: string; expiresAt: Date }> {
    const token = newSecret();
    return this.work.run(async () => {
      if (alone && userId !== undefined) await this.voidAll(purpose, userId);
      const [row] = await this.work.query<{ expiresAt: Date }>(
        `INSERT INTO one_time_tokens (token_hash, purpose, user_id, detail, expires_at)
         VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))
         RETURNING expires_at AS "expiresAt"`,
        [hashOfSecret(token), purpose, userId ?? null, JSON.stringify(toJson(detail)), seconds],
      );
      if (!row) throw new Error('INSERT … RETURNING gave no row.');
      return { token, expiresAt: row.expiresAt };
    });
  }

  /** What the token stands for, without using it up. */
  async look(purpose: TokenPurpose, token: string): Promise<OneTimeToken | undefined> {
    if (!isSecret(token)) return undefined;
    const [found] = await this.work.query<OneTimeToken>(
      `SELECT ${FOUND} FROM one_time_tokens WHERE token_hash = $1 AND purpose = $2 AND expires_at > now()`,
      [hashOfSecret(token), purpose],
    );
    return found;
  }

  /** Uses the token up: of many callers at once one gets it, and only if the open unit of work commits. */
  async take(purpose: TokenPurpose, token: string): Promise<OneTimeToken | undefined> {
    if (!isSecret(token)) return undefined;
    const [taken] = await this.work.query<OneTimeToken>(
      `DELETE FROM one_time_tokens WHERE token_hash = $1 AND purpose = $2 AND expires_at > now() RETURNING ${FOUND}`,
      [hashOfSecret(token), purpose],
    );
    return taken;
  }

  async voidAll(purpose: TokenPurpose, userId: string): Promise<void> {
    await this.work.query('DELETE FROM one_time_tokens WHERE user_id = $1 AND purpose = $2', [userId, purpose]);
  }

  /** Those with this in their detail, of one user or of all. Part of the open unit of work. */
  async voidThose(purpose: TokenPurpose, detail: object, userId: string | undefined): Promise<void> {
    await this.work.queryInside(
      'DELETE FROM one_time_tokens WHERE purpose = $1 AND detail @> $2::jsonb AND ($3::uuid IS NULL OR user_id = $3)',
      [purpose, JSON.stringify(toJson(detail)), userId ?? null],
    );
  }

  /** Forgets those nobody can use any more, and returns how many. */
  async forgetOld(): Promise<number> {
    return (await this.work.query('DELETE FROM one_time_tokens WHERE expires_at < now() RETURNING purpose')).length;
  }
}
