import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Bond, type PasskeyResponse, Passkeys } from './passkeys.js';
import { RecoveryCodes } from './recovery-codes.js';
import { type Party } from './relying-party.js';
import { Totp } from './totp.js';

/** What a second step is answered with; exactly one member. */
export interface Proof {
  code?: string;
  recoveryCode?: string;
  passkey?: PasskeyResponse;
}

const factorKinds = ['code', 'recoveryCode', 'passkey'] as const;
export type FactorKind = (typeof factorKinds)[number];

/** What people prove themselves with beside their password. */
@Injectable()
export class SecondFactors {
  constructor(
    private readonly work: UnitOfWork,
    private readonly totp: Totp,
    private readonly recovery: RecoveryCodes,
    private readonly passkeys: Passkeys,
  ) {}

  /** How this user can answer a second step; nothing when they have no second factor. */
  async kindsOf(userId: string): Promise<FactorKind[]> {
    const [has] = await this.work.query<{ code: boolean; passkey: boolean; recoveryCode: boolean }>(
      `SELECT EXISTS (SELECT FROM totp_secrets WHERE user_id = $1 AND confirmed_at IS NOT NULL) AS code,
              EXISTS (SELECT FROM passkeys WHERE user_id = $1) AS passkey,
              EXISTS (SELECT FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL) AS "recoveryCode"`,
      [userId],
    );
    return has && (has.code || has.passkey) ? factorKinds.filter((kind) => has[kind]) : [];
  }

  /**
   * The method a right answer shows, as in RFC 8176; undefined for a wrong one. Uses up what it was answered with. Part of the open unit of
   * work, which must commit either way. Throws `one_proof`, and what RelyingParty.of() throws.
   */
  async prove(userId: string, proof: Proof, bond: Bond, party: () => Party): Promise<'otp' | 'swk' | undefined> {
    if (Object.values(proof).filter((given) => given !== undefined).length !== 1)
      throw new AppError('unprocessable', 'one_proof', 'Send exactly one proof.');
    if (proof.code !== undefined) return (await this.totp.prove(userId, proof.code)) ? 'otp' : undefined;
    if (proof.recoveryCode !== undefined) return (await this.recovery.prove(userId, proof.recoveryCode)) ? 'otp' : undefined;
    return (await this.passkeys.prove(userId, bond, proof.passkey ?? {}, party())) ? 'swk' : undefined;
  }

  /** Takes everything away and returns what there was. Part of the open unit of work. */
  async removeAll(userId: string): Promise<{ totp: boolean; passkeys: number }> {
    const removed = { totp: await this.totp.remove(userId), passkeys: await this.passkeys.removeAll(userId) };
    await this.recovery.remove(userId);
    return removed;
  }

  /** Recovery codes lead past a second factor; without one they lead nowhere. Part of the open unit of work. */
  async forgetIdleCodes(userId: string): Promise<void> {
    if ((await this.kindsOf(userId)).length === 0) await this.recovery.remove(userId);
  }
}
