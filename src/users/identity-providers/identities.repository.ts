import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { explainConstraint } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Identity } from './identity.js';
import { type Vouched } from './provider.js';

const IDENTITY = `
  SELECT i.id, i.provider_id AS "providerId", p.slug AS "providerSlug", p.name AS "providerName", i.external_id AS "externalId",
         i.user_id AS "userId", i.name, i.posix, i.created_at AS "createdAt", i.last_login_at AS "lastLoginAt"
    FROM user_identities i JOIN identity_providers p ON p.id = i.provider_id`;

explainConstraint('user_identities_external_id_unique', () =>
  AppError.conflict('identity_taken', 'This identity is linked to another account.'),
);
explainConstraint('user_identities_one_each', () =>
  AppError.conflict('provider_already_linked', 'The account is linked to another identity at this provider.'),
);

@Injectable()
export class IdentitiesRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** By what the provider calls the person, and by nothing else: an e-mail address is not a proof of anything. */
  async of(providerId: string, externalId: string): Promise<Identity | undefined> {
    const [found] = await this.work.query<Identity>(`${IDENTITY} WHERE i.provider_id = $1 AND i.external_id = $2`, [
      providerId,
      externalId,
    ]);
    return found;
  }

  ofUser(userId: string): Promise<Identity[]> {
    return this.work.query<Identity>(`${IDENTITY} WHERE i.user_id = $1 ORDER BY i.created_at, i.id`, [userId]);
  }

  /** Those at a provider whose accounts are active, some at a time, in the order of their ids. */
  activeAt(providerId: string, after: string, limit: number): Promise<Identity[]> {
    return this.work.query<Identity>(
      `${IDENTITY} JOIN users u ON u.id = i.user_id WHERE i.provider_id = $1 AND u.active AND i.id > $2 ORDER BY i.id LIMIT $3`,
      [providerId, after, limit],
    );
  }

  /** Throws `identity_taken` or `provider_already_linked`. */
  async insert(providerId: string, userId: string, { externalId, username, posix }: Vouched): Promise<Identity> {
    await this.work.queryInside(
      'INSERT INTO user_identities (provider_id, external_id, user_id, name, posix) VALUES ($1, $2, $3, $4, $5)',
      [providerId, externalId, userId, username.slice(0, 256), posix ? JSON.stringify(posix) : null],
    );
    const made = await this.of(providerId, externalId);
    if (!made) throw new Error('What was inserted is not there.');
    return made;
  }

  /** Keeps what the provider says now; `login`: at a sign-in. */
  async refresh(id: string, { username, posix }: Vouched, login: boolean): Promise<void> {
    await this.work.queryInside(
      `UPDATE user_identities SET name = $2, posix = $3, last_login_at = CASE WHEN $4 THEN now() ELSE last_login_at END WHERE id = $1`,
      [id, username.slice(0, 256), posix ? JSON.stringify(posix) : null, login],
    );
  }

  async delete(id: string): Promise<void> {
    await this.work.queryInside('DELETE FROM user_identities WHERE id = $1', [id]);
  }

  /** Whether the account could be opened without this identity. */
  async hasOtherWayIn(userId: string, identityId: string): Promise<boolean> {
    const [found] = await this.work.query(
      `SELECT FROM users u
        WHERE u.id = $1
          AND (u.password_hash IS NOT NULL OR EXISTS (SELECT FROM user_identities i WHERE i.user_id = u.id AND i.id <> $2))`,
      [userId, identityId],
    );
    return found !== undefined;
  }
}
