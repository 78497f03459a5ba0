import { hashOfSecret, newSecret } from '../../platform/crypto/bearer-secret.js';
import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { type Permission } from '../../platform/auth/permissions.js';
import { actorName, currentContext } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Settings } from '../../platform/settings/settings.js';
import { Authority } from '../roles/authority.js';
import { defaultRoles, SUPERUSER } from '../roles/system-roles.js';
import { Administrators } from './administrators.js';
import { InvitationsRepository, type OpenInvitation } from './invitations.repository.js';
import { invitationPage } from './registration-policy.js';

const ROLES_EXIST = 'SELECT name FROM roles WHERE name = ANY ($1::text[])';

/** Invitations that nobody took up yet. */
@Injectable()
export class InvitationsService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly invitations: InvitationsRepository,
    private readonly administrators: Administrators,
    private readonly authority: Authority,
    private readonly settings: Settings,
    private readonly audit: AuditTrail,
  ) {}

  /**
   * An invitation, the token that accepts it, which is known to nobody afterwards, and a link with it where the console's page is known.
   * Throws `invitation_open`, `email_taken`, `unknown_role`, `role_not_invitable`, `rights_exceeded`, and `forbidden` when roles are named by
   * somebody who may not assign any.
   */
  invite(email: string, roles?: readonly string[]): Promise<{ invitation: OpenInvitation; token: string; link: string | null }> {
    const token = newSecret();
    const given = roles ?? defaultRoles;
    return this.work.run(async () => {
      await this.administrators.share();
      if (roles !== undefined) await this.authority.require('role:assign');
      await this.requireInvitable(given);
      const taken = await this.work.query('SELECT FROM users WHERE lower(email) = lower($1)', [email]);
      if (taken.length > 0) throw emailTaken();
      const inviterId = currentContext()?.principal?.id ?? null;
      const invitation = await this.invitations.insert({
        email,
        roles: given,
        tokenHash: hashOfSecret(token),
        invitedBy: actorName(),
        inviterId,
      });
      const { id } = invitation;
      await this.audit.record({
        action: 'invitation.created',
        category: 'governance',
        resource: { type: 'invitation', id, name: email },
        subject: invitation.userId,
        after: invitation,
      });
      return { invitation, token, link: this.linkOf(token) };
    });
  }

  list(limit: number, offset: number): Promise<{ items: OpenInvitation[]; total: number }> {
    return this.invitations.page(limit, offset);
  }

  /** Throws `invitation_not_found`. */
  async revoke(id: string): Promise<void> {
    await this.work.run(async () => {
      const before = await this.invitations.take({ id });
      if (!before) throw AppError.notFound('invitation', id);
      await this.audit.record({
        action: 'invitation.revoked',
        category: 'governance',
        resource: { type: 'invitation', id, name: before.email },
        subject: before.userId,
        before,
      });
    });
  }

  /** Whether the token is one of an open invitation; whether it is still good is for redeem() to say. */
  isOpen(token: string): Promise<boolean> {
    return this.invitations.exists(hashOfSecret(token));
  }

  /**
   * Takes the invitation of a token away, in the unit of work that makes its account. Undefined when there is none, it expired, or whoever
   * sent it may no longer make accounts or give those roles.
   */
  async redeem(token: string, username: string): Promise<OpenInvitation | undefined> {
    await this.administrators.share();
    const invitation = await this.invitations.take({ tokenHash: hashOfSecret(token) });
    if (!invitation) return undefined;
    const { id, inviterId, roles, userId, email } = invitation;
    if (inviterId === null || !(await this.authority.mayStillGrant(inviterId, roles, rightsToInvite(roles)))) return undefined;
    await this.audit.record({
      action: 'invitation.accepted',
      category: 'governance',
      resource: { type: 'invitation', id, name: email },
      subject: userId,
      actor: { kind: 'user', id: userId, name: username },
      before: invitation,
    });
    return invitation;
  }

  private async requireInvitable(roles: readonly string[]): Promise<void> {
    const known = await this.work.query<{ name: string }>(ROLES_EXIST, [roles]);
    for (const [i, role] of roles.entries()) {
      if (role === SUPERUSER)
        throw AppError.field(`/roles/${i}`, 'role_not_invitable', 'Nobody becomes a superuser by a link; make one of an account.');
      if (!known.some(({ name }) => name === role)) throw AppError.field(`/roles/${i}`, 'unknown_role', 'There is no such role.');
    }
    await this.authority.requireGrantable(roles.map((role) => ({ role })));
  }

  /** Behind `#`, so that no server's log has it. */
  private linkOf(token: string): string | null {
    const page = this.settings.get(invitationPage);
    return page === '' ? null : `${page}#token=${token}`;
  }
}

/** Who invites makes an account, and gives it roles unless they are those that everybody has. */
function rightsToInvite(roles: readonly string[]): Permission[] {
  return roles.every((role) => defaultRoles.includes(role)) ? ['user:write'] : ['user:write', 'role:assign'];
}

function emailTaken(): AppError {
  const [code, detail] = ['email_taken', 'Another account has this e-mail address.'];
  return new AppError('conflict', 'email_taken', detail, { errors: [{ pointer: '/email', code, detail }] });
}
