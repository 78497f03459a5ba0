import { Injectable } from '@nestjs/common';
import { type PublicKeyCredentialRequestOptionsJSON } from '@simplewebauthn/server';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { UsersRepository } from '../accounts/users.repository.js';
import { type PasskeyResponse, Passkeys } from '../second-factors/passkeys.js';
import { type Party } from '../second-factors/relying-party.js';
import { AdministratorNetworks } from './administrator-networks.js';
import { loginFailed } from './login.js';
import { LoginEvents } from './login-events.js';
import { LoginThrottle } from './login-throttle.js';
import { PendingSignIns } from './pending-sign-ins.js';
import { type OpenedSession, SignIns, type SignInMode } from './sign-ins.js';

const METHODS = ['swk'];

/** Signing in by a passkey alone: the authenticator knows who, and has verified them itself. */
@Injectable()
export class PasskeyLogin {
  constructor(
    private readonly work: UnitOfWork,
    private readonly users: UsersRepository,
    private readonly passkeys: Passkeys,
    private readonly pending: PendingSignIns,
    private readonly networks: AdministratorNetworks,
    private readonly throttle: LoginThrottle,
    private readonly signIns: SignIns,
    private readonly events: LoginEvents,
  ) {}

  /** For the second step of the sign-in with this ticket, or for any passkey when there is none. Throws `ticket_refused`. */
  async options(ticket: string | undefined, party: Party): Promise<PublicKeyCredentialRequestOptionsJSON> {
    const bond = ticket === undefined ? {} : { userId: (await this.pending.look(ticket)).account.id };
    return this.passkeys.proofOptions(bond, party);
  }

  /** Throws `login_failed` for whatever is wrong, `login_locked`, `login_delayed` or `network_refused`. */
  async signIn(response: PasskeyResponse, mode: SignInMode, party: Party): Promise<OpenedSession> {
    const owner = await this.passkeys.ownerOf(response);
    const account = owner === undefined ? undefined : await this.users.credentials({ id: owner });
    const name = account?.username ?? `passkey ${String(response.id)}`;
    return this.throttle.attempt(name, async (attempt) => {
      const proven = account && (await this.work.run(() => this.passkeys.prove(account.id, {}, response, party, { alone: true })));
      if (!account?.active || proven !== true) {
        await this.events.failed(attempt, name, account, proven === true ? 'inactive' : 'wrong_passkey');
        throw loginFailed();
      }
      await this.networks.require(account);
      return this.work.run(async () => {
        const noted = await this.work.query('UPDATE users SET last_login_at = now() WHERE id = $1 AND active RETURNING id', [account.id]);
        if (noted.length === 0) throw loginFailed();
        const { id: userId, mustChangePassword } = account;
        const opened = await this.signIns.open({ userId, mustChangePassword, mode, methods: METHODS });
        await this.events.succeeded(attempt, account, { sessionId: opened.sessionId, mode, methods: METHODS });
        return opened;
      });
    });
  }
}
