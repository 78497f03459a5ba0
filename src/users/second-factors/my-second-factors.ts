import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type SignedIn } from '../sessions/signed-in.js';
import { Sessions } from '../sessions/sessions.js';
import { type Passkey, type PasskeyResponse, Passkeys } from './passkeys.js';
import { RecoveryCodes } from './recovery-codes.js';
import { type Party } from './relying-party.js';
import { SecondFactors } from './second-factors.js';
import { Totp } from './totp.js';

export interface MyFactors {
  totp: { confirmedAt: Date; lastUsedAt: Date | null } | null;
  passkeys: Passkey[];
  recoveryCodesLeft: number;
}

/** What people do with their own second factors. To set one up is to show it: the session has it from then on. */
@Injectable()
export class MySecondFactors {
  constructor(
    private readonly work: UnitOfWork,
    private readonly totp: Totp,
    private readonly passkeys: Passkeys,
    private readonly recovery: RecoveryCodes,
    private readonly factors: SecondFactors,
    private readonly sessions: Sessions,
    private readonly audit: AuditTrail,
  ) {}

  async list({ id }: SignedIn): Promise<MyFactors> {
    const [totp] = await this.work.query<{ confirmedAt: Date; lastUsedAt: Date | null }>(
      `SELECT confirmed_at AS "confirmedAt", last_used_at AS "lastUsedAt" FROM totp_secrets WHERE user_id = $1 AND confirmed_at IS NOT NULL`,
      [id],
    );
    return { totp: totp ?? null, passkeys: await this.passkeys.list(id), recoveryCodesLeft: await this.recovery.left(id) };
  }

  /** Recovery codes come with the first factor. Throws `wrong_code`. */
  confirmTotp(me: SignedIn, code: string): Promise<string[]> {
    return this.work.run(async () => {
      if (!(await this.totp.confirm(me.id, code))) throw AppError.field('/code', 'wrong_code', 'This is not the code of this moment.');
      await this.added(me, me.id, { kind: 'totp' });
      await this.sessions.confirm(me.sessionId, 'otp');
      return this.recovery.ensure(me.id);
    });
  }

  /** Throws what Passkeys.enrol() throws. */
  addPasskey(me: SignedIn, name: string, response: PasskeyResponse, party: Party): Promise<{ passkey: Passkey; recoveryCodes: string[] }> {
    return this.work.run(async () => {
      const passkey = await this.passkeys.enrol({ userId: me.id, sessionId: me.sessionId }, name, response, party);
      await this.added(me, passkey.id, { kind: 'passkey', name });
      await this.sessions.confirm(me.sessionId, 'swk');
      return { passkey, recoveryCodes: await this.recovery.ensure(me.id) };
    });
  }

  /** Throws `totp_not_found`. */
  removeTotp(me: SignedIn): Promise<void> {
    return this.work.run(async () => {
      if (!(await this.totp.remove(me.id))) throw new AppError('not_found', 'totp_not_found', 'You have no authenticator app.');
      await this.removed(me, me.id, { kind: 'totp' });
    });
  }

  /** Throws `passkey_not_found`. */
  removePasskey(me: SignedIn, id: string): Promise<void> {
    return this.work.run(async () => {
      const { name } = await this.passkeys.remove(me.id, id);
      await this.removed(me, id, { kind: 'passkey', name });
    });
  }

  /** Throws `no_second_factor`: codes alone lead nowhere. */
  replaceRecoveryCodes(me: SignedIn): Promise<string[]> {
    return this.work.run(async () => {
      if ((await this.factors.kindsOf(me.id)).length === 0)
        throw AppError.conflict('no_second_factor', 'Set up an authenticator app or a passkey first.');
      const codes = await this.recovery.replace(me.id);
      await this.audit.record({
        action: 'recovery_codes.replaced',
        category: 'governance',
        severity: 'medium',
        resource: { type: 'user', id: me.id, name: me.name },
      });
      return codes;
    });
  }

  private async added(me: SignedIn, id: string, after: object): Promise<void> {
    await this.audit.record({
      action: 'second_factor.added',
      category: 'governance',
      resource: { type: 'second_factor', id },
      after: { user: me.name, ...after },
    });
  }

  private async removed(me: SignedIn, id: string, before: object): Promise<void> {
    await this.factors.forgetIdleCodes(me.id);
    await this.audit.record({
      action: 'second_factor.removed',
      category: 'governance',
      severity: 'medium',
      resource: { type: 'second_factor', id },
      before: { user: me.name, ...before },
    });
  }
}
