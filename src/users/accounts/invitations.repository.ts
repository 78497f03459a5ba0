import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { explainConstraint } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';

/** One that is open: accepted or revoked it is gone. */
export interface OpenInvitation {
  id: string;
  /** The id that the account will have. */
  userId: string;
  email: string;
  roles: string[];
  invitedBy: string;
  inviterId: string | null;
  createdAt: Date;
  expiresAt: Date;
}

export type NewInvitation = Pick<OpenInvitation, 'email' | 'invitedBy' | 'inviterId'> & { roles: readonly string[]; tokenHash: Buffer };

const HOURS = 72;

const INVITATION = `
  i.id, i.user_id AS "userId", i.email, i.roles, i.invited_by AS "invitedBy", i.inviter_id AS "inviterId", i.created_at AS "createdAt",
  i.expires_at AS "expiresAt"`;

explainConstraint('invitations_email_unique', () =>
  AppError.conflict('invitation_open', 'This address has an open invitation; revoke it to make another one.'),
);

@Injectable()
export class InvitationsRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** Takes the place of one for the same address that has expired. Throws `invitation_open` while there is another. */
  async insert({ email, roles, tokenHash, invitedBy, inviterId }: NewInvitation): Promise<OpenInvitation> {
    await this.work.queryInside('DELETE FROM invitations WHERE lower(email) = lower($1) AND expires_at <= now()', [email]);
    const [made] = await this.work.queryInside<OpenInvitation>(
      `INSERT INTO invitations AS i (email, roles, token_hash, invited_by, inviter_id, expires_at)
       VALUES ($1, $2, $3, $4, $5, now() + make_interval(hours => $6))
       RETURNING ${INVITATION}`,
      [email, roles, tokenHash, invitedBy, inviterId, HOURS],
    );
    if (!made) throw new Error('INSERT … RETURNING gave no row.');
    return made;
  }

  async page(limit: number, offset: number): Promise<{ items: OpenInvitation[]; total: number }> {
    const items = await this.work.query<OpenInvitation>(
      `SELECT ${INVITATION} FROM invitations i WHERE i.expires_at > now() ORDER BY i.id DESC LIMIT $1 OFFSET $2`,
      [limit, offset],
    );
    const [count] = await this.work.query<{ total: number }>('SELECT count(*)::int AS total FROM invitations WHERE expires_at > now()');
    return { items, total: count?.total ?? 0 };
  }

  async exists(tokenHash: Buffer): Promise<boolean> {
    return (await this.work.query('SELECT FROM invitations WHERE token_hash = $1 AND expires_at > now()', [tokenHash])).length > 0;
  }

  /** Takes the invitation away; of two callers at once one gets it. */
  async take(by: { id: string } | { tokenHash: Buffer }): Promise<OpenInvitation | undefined> {
    const [where, value] = 'id' in by ? ['i.id', by.id] : ['i.token_hash', by.tokenHash];
    const [taken] = await this.work.queryInside<OpenInvitation>(
      `DELETE FROM invitations i WHERE ${where} = $1 AND i.expires_at > now() RETURNING ${INVITATION}`,
      [value],
    );
    return taken;
  }
}
