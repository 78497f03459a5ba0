import { Injectable } from '@nestjs/common';
import { type AuditEvent } from '../../audit/trail/audit-event.js';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Settings } from '../../platform/settings/settings.js';
import { defaultRoles } from '../roles/system-roles.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { PasswordPolicy } from '../passwords/password-policy.js';
import { type Account } from './account.js';
import { AccountWriter } from './account-writer.js';
import { type AcceptInvitation, type Register } from './invitation.dto.js';
import { InvitationsService } from './invitations.service.js';
import { registrationMode } from './registration-policy.js';

/** How people come to an account by themselves: invited, or to be approved. */
@Injectable()
export class Registration {
  constructor(
    private readonly work: UnitOfWork,
    private readonly settings: Settings,
    private readonly invitations: InvitationsService,
    private readonly writer: AccountWriter,
    private readonly hasher: PasswordHasher,
    private readonly passwords: PasswordPolicy,
  ) {}

  /**
   * Makes the account of an invitation, once. Throws `invitation_not_found` for a token that is unknown, used, expired or revoked, the same for
   * all; the invitation stays good when something else is refused: `username_taken`, `service_prefix`, or the password.
   */
  async accept({ token, username, password, displayName }: AcceptInvitation): Promise<Account> {
    this.passwords.require(password, { username, displayName }, '/password');
    // Asked first, so that nobody without an invitation has passwords hashed here.
    if (!(await this.invitations.isOpen(token))) throw noInvitation();
    const passwordHash = await this.hasher.hash(password);
    return this.work.run(async () => {
      const invitation = await this.invitations.redeem(token, username);
      if (!invitation) throw noInvitation();
      const { userId: id, email, roles, invitedBy } = invitation;
      const account = {
        id,
        username,
        email,
        emailVerified: true,
        displayName: displayName ?? '',
        passwordHash,
        mustChangePassword: false,
        roles,
      };
      return this.writer.insert(account, invitedBy, () => ({ kind: 'user', id, name: username }));
    });
  }

  /** An account that waits for approval. Throws `registration_closed`, `username_taken`, `email_taken`, `service_prefix`, or what the password breaks. */
  async register({ username, email, password, displayName }: Register): Promise<Account> {
    if (this.settings.get(registrationMode) === 'closed')
      throw new AppError('forbidden', 'registration_closed', 'Nobody registers here by themselves; ask for an invitation.');
    this.passwords.require(password, { username, email, displayName }, '/password');
    const passwordHash = await this.hasher.hash(password);
    const actor = (id: string): AuditEvent['actor'] => ({ kind: 'user', id, name: username });
    return this.work.run(() =>
      this.writer.insert(
        { username, email, displayName: displayName ?? '', passwordHash, mustChangePassword: false, pending: true, roles: defaultRoles },
        username,
        actor,
      ),
    );
  }
}

function noInvitation(): AppError {
  return new AppError('not_found', 'invitation_not_found', 'This invitation is not good, or not any more.');
}
