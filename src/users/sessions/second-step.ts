import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Credentials } from '../accounts/account.js';
import { UsersRepository } from '../accounts/users.repository.js';
import { type Party } from '../second-factors/relying-party.js';
import { type Proof, SecondFactors } from '../second-factors/second-factors.js';
import { AdministratorNetworks } from './administrator-networks.js';
import { LoginEvents } from './login-events.js';
import { type Attempt, LoginThrottle } from './login-throttle.js';
import { type FirstStep, type PendingSignIn, PendingSignIns } from './pending-sign-ins.js';
import { SECOND_FACTORS } from './session-life.js';
import { type OpenedSession, SignIns, type SignInMode } from './sign-ins.js';

/** From a right password to a session: at once, or by way of a second factor. */
@Injectable()
export class SecondStep {
  constructor(
    private readonly work: UnitOfWork,
    private readonly users: UsersRepository,
    private readonly factors: SecondFactors,
    private readonly networks: AdministratorNetworks,
    private readonly pending: PendingSignIns,
    private readonly throttle: LoginThrottle,
    private readonly signIns: SignIns,
    private readonly events: LoginEvents,
  ) {}

  /**
   * A session where the password is all there is; otherwise a ticket, and the attempt counts for nothing until its second step, so that a
   * right password does not win new tries at the code. Undefined when `note`, part of the unit of work, says the account is no longer what
   * was verified. Throws `network_refused`.
   */
  async orOpen(
    account: Credentials,
    mode: SignInMode,
    attempt: Attempt,
    note: () => Promise<boolean>,
  ): Promise<OpenedSession | PendingSignIn | undefined> {
    await this.networks.require(account);
    const first = { mode, methods: ['pwd'] };
    const asked = await this.after(account, first);
    if (!asked) return this.work.run(async () => ((await note()) ? this.open(account, first, attempt) : undefined));
    await this.throttle.withdraw(attempt);
    return asked;
  }

  /** What a sign-in waits for after its first step, whatever that was; undefined when the account has no second factor, or it was shown already. */
  async after(account: Credentials, first: FirstStep): Promise<PendingSignIn | undefined> {
    if (first.methods.some((method) => SECOND_FACTORS.includes(method))) return undefined;
    const kinds = await this.factors.kindsOf(account.id);
    return kinds.length === 0 ? undefined : this.pending.begin(account, first, kinds);
  }

  /**
   * Throws `ticket_refused`, `second_factor_failed` and what SecondFactors.prove() throws; wrong answers count like wrong passwords, so also
   * `login_locked` and `login_delayed`.
   */
  async complete(ticket: string, proof: Proof, party: () => Party): Promise<OpenedSession> {
    const { account, first } = await this.pending.look(ticket);
    return this.throttle.attempt(account.username, async (attempt) => {
      await this.networks.require(account);
      const opened = await this.work.run(async () => {
        const method = await this.factors.prove(account.id, proof, { userId: account.id }, party);
        if (method === undefined) return undefined;
        await this.pending.use(ticket);
        if (!(await this.users.noteLogin(account))) return undefined;
        return this.open(account, { ...first, methods: [...first.methods, method] }, attempt);
      });
      if (opened) return opened;
      await this.events.failed(attempt, account.username, account, proof.passkey ? 'wrong_passkey' : 'wrong_code');
      throw new AppError('unauthenticated', 'second_factor_failed', 'This is not right, or was used before.');
    });
  }

  /** Part of the open unit of work. */
  private async open(account: Credentials, { mode, methods, provider }: FirstStep, attempt: Attempt): Promise<OpenedSession> {
    const { id: userId, mustChangePassword } = account;
    const opened = await this.signIns.open({
      userId,
      mustChangePassword,
      mode,
      methods,
      ...(provider && { providerId: provider.id }),
      ...(provider?.session !== undefined && { providerSession: provider.session }),
    });
    await this.events.succeeded(attempt, account, {
      sessionId: opened.sessionId,
      mode,
      methods,
      ...(provider && { provider: provider.slug }),
    });
    return opened;
  }
}
