import { hashOfSecret, newSecret } from '../../platform/crypto/bearer-secret.js';
import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { UsersRepository } from '../accounts/users.repository.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { type Party } from '../second-factors/relying-party.js';
import { type Proof, SecondFactors } from '../second-factors/second-factors.js';
import { LoginEvents } from './login-events.js';
import { LoginThrottle } from './login-throttle.js';
import { RefreshTokens } from './refresh-tokens.js';
import { type SignedIn } from './signed-in.js';
import { type OpenedSession } from './sign-ins.js';
import { Sessions } from './sessions.js';

export type StepUpProof = Proof & { password?: string };

/** Everything of the old session but its id, its secret and its proofs; how long it may last at most stays. */
const REPLACE = `
  INSERT INTO auth_sessions (user_id, created_at, expires_at, client_ip, user_agent, kind, secret_hash, provider_id, provider_session, methods)
  SELECT user_id, created_at, expires_at, client_ip, user_agent, kind, $2, provider_id, provider_session,
         CASE WHEN $3 = ANY (methods) THEN methods ELSE methods || $3::text END
    FROM auth_sessions
   WHERE id = $1 AND ended_at IS NULL
  RETURNING id, expires_at AS "expiresAt", methods`;

/** Proving once more who one is, in the middle of a session (RFC 9470). */
@Injectable()
export class StepUp {
  constructor(
    private readonly work: UnitOfWork,
    private readonly users: UsersRepository,
    private readonly hasher: PasswordHasher,
    private readonly factors: SecondFactors,
    private readonly sessions: Sessions,
    private readonly tokens: RefreshTokens,
    private readonly throttle: LoginThrottle,
    private readonly events: LoginEvents,
    private readonly audit: AuditTrail,
  ) {}

  /**
   * A session in the place of the caller's, proven just now. Who has a second factor shows that one: a password alone could have been
   * watched. Throws `one_proof`, `second_factor_expected`, `wrong_password`, `wrong_proof`, `login_locked`, `login_delayed`.
   */
  async prove(me: SignedIn, { password, ...proof }: StepUpProof, party: () => Party): Promise<OpenedSession> {
    const others = [proof.code, proof.recoveryCode, proof.passkey].some((given) => given !== undefined);
    if (password === undefined) {
      const bond = { userId: me.id, sessionId: me.sessionId };
      // What uses something up needs a transaction; comparing a password takes a while and must not hold one.
      return this.guess(me, () => this.work.run(() => this.factors.prove(me.id, proof, bond, party)), wrongProof);
    }
    if (others) throw new AppError('unprocessable', 'one_proof', 'Send exactly one proof.');
    if ((await this.factors.kindsOf(me.id)).length > 0)
      throw AppError.field('/password', 'second_factor_expected', 'Prove it by your second factor.');
    const account = await this.users.credentials({ id: me.id });
    return this.guess(me, async () => ((await this.hasher.verify(account?.passwordHash, password)) ? 'pwd' : undefined), wrongPassword);
  }

  private guess(me: SignedIn, check: () => Promise<string | undefined>, wrong: () => AppError): Promise<OpenedSession> {
    return this.throttle.attempt(me.name, async (attempt) => {
      const method = await check();
      if (method !== undefined)
        return this.work.run(async () => {
          await this.throttle.succeeded(attempt);
          return this.replace(me, method);
        });
      await this.work.run(async () => {
        await this.audit.record({
          action: 'session.proof_refused',
          category: 'access',
          outcome: 'denied',
          severity: 'medium',
          resource: { type: 'session', id: me.sessionId },
        });
        await this.events.counted(attempt, { type: 'user', id: me.id, name: me.name });
      });
      throw wrong();
    });
  }

  /** Part of the open unit of work. */
  private async replace(me: SignedIn, method: string): Promise<OpenedSession> {
    const [old] = await this.work.queryInside<{ kind: string }>('SELECT kind FROM auth_sessions WHERE id = $1 FOR UPDATE', [me.sessionId]);
    const secret = old?.kind === 'console' ? newSecret() : undefined;
    const [session] = await this.work.queryInside<{ id: string; expiresAt: Date; methods: string[] }>(REPLACE, [
      me.sessionId,
      secret === undefined ? null : hashOfSecret(secret),
      method,
    ]);
    if (!session) throw new AppError('unauthenticated', 'unauthenticated', 'This session is over.');
    await this.sessions.end(me.sessionId, 'replaced');
    await this.audit.record({
      action: 'session.proven',
      category: 'access',
      resource: { type: 'session', id: session.id },
      detail: { replaces: me.sessionId, methods: session.methods },
    });
    const mustChangePassword = me.mustChangePassword ?? false;
    if (secret !== undefined)
      return { mode: 'console', sessionId: session.id, secret, sessionExpiresAt: session.expiresAt, mustChangePassword };
    await this.tokens.moveFamily(me.sessionId, session.id);
    return { mode: 'tokens', sessionId: session.id, ...(await this.tokens.first({ ...session, userId: me.id, mustChangePassword })) };
  }
}

function wrongProof(): AppError {
  return new AppError('unprocessable', 'wrong_proof', 'This is not right, or was used before.');
}

function wrongPassword(): AppError {
  return AppError.field('/password', 'wrong_password', 'This is not your present password.');
}
