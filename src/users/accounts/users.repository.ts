import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { explainConstraint } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Account, type AccountFilter, type AccountKind, type Credentials } from './account.js';
import { PosixRanges } from './posix-ranges.js';
import { User } from './user.entity.js';
import { USERNAME_RULE } from './username.js';

const STATUS = `
  CASE WHEN u.anonymised_at IS NOT NULL THEN 'anonymised' WHEN u.pending THEN 'pending' WHEN u.active THEN 'active' ELSE 'inactive' END`;

const ACCOUNT = `
  u.id, u.username, u.kind, ${STATUS} AS status, u.owner_id AS "ownerId", u.email, u.email_verified AS "emailVerified",
  u.display_name AS "displayName", u.active, u.must_change_password AS "mustChangePassword", u.uid_number AS "uidNumber",
  u.gid_number AS "gidNumber", u.login_shell AS "loginShell", u.home_directory AS "homeDirectory",
  u.last_login_at AS "lastLoginAt", u.version, u.created_at AS "createdAt", u.created_by AS "createdBy", u.updated_at AS "updatedAt",
  ARRAY (SELECT DISTINCT r.name FROM user_roles ur JOIN roles r ON r.id = ur.role_id
          WHERE ur.user_id = u.id AND (ur.expires_at IS NULL OR ur.expires_at > now()) ORDER BY r.name) AS roles`;

const MATCHING = `
    FROM users u
   WHERE ($1::text IS NULL
          OR position(lower($1) IN u.username) > 0 OR position(lower($1) IN lower(u.email)) > 0 OR position(lower($1) IN lower(u.display_name)) > 0)
     AND ($2::boolean IS NULL OR u.active = $2)
     AND ($3::text IS NULL OR EXISTS (SELECT FROM user_roles ur JOIN roles r ON r.id = ur.role_id
                                       WHERE ur.user_id = u.id AND r.name = $3 AND (ur.expires_at IS NULL OR ur.expires_at > now())))
     AND ($4::text IS NULL OR u.kind = $4)
     AND ($5::text IS NULL OR ${STATUS} = $5)
     AND ($6::uuid IS NULL OR EXISTS (SELECT FROM group_members gm WHERE gm.user_id = u.id AND gm.group_id = $6))`;

type Changeable =
  'email' | 'emailVerified' | 'displayName' | 'active' | 'pending' | 'ownerId' | 'uidNumber' | 'gidNumber' | 'loginShell' | 'homeDirectory';

const CREDENTIALS = `id, username, password_hash AS "passwordHash", active, must_change_password AS "mustChangePassword"`;

explainConstraint('users_username_unique', () => taken('username', 'Another account has this username.'));
explainConstraint('users_username_form', () => AppError.field('/username', 'bad_username', USERNAME_RULE));
explainConstraint('users_email_unique', () => taken('email', 'Another account has this e-mail address.'));
explainConstraint('users_gid_number', () => AppError.field('/gidNumber', 'unknown_gid_number', 'No group has this number.'));

@Injectable()
export class UsersRepository {
  constructor(
    private readonly work: UnitOfWork,
    private readonly ranges: PosixRanges,
  ) {}

  /** Throws `user_not_found`. */
  async byId(id: string): Promise<Account> {
    const [account] = await this.work.query<Account>(`SELECT ${ACCOUNT} FROM users u WHERE u.id = $1`, [id]);
    if (!account) throw AppError.notFound('user', id);
    return account;
  }

  /** Like byId, and nobody else changes the row until the unit of work ends. */
  async lockedById(id: string): Promise<Account> {
    await this.work.queryInside('SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE', [id]);
    // Read by a second statement: the roles the first one would show may be older than the lock.
    return this.byId(id);
  }

  async page(filter: AccountFilter): Promise<{ items: Account[]; total: number }> {
    const { q, active, role, kind, status, group } = filter;
    const where = [q, active, role, kind, status, group].map((value) => value ?? null);
    const items = await this.work.query<Account>(`SELECT ${ACCOUNT} ${MATCHING} ORDER BY u.username LIMIT $7 OFFSET $8`, [
      ...where,
      filter.limit,
      filter.offset,
    ]);
    const [count] = await this.work.query<{ total: number }>(`SELECT count(*)::int AS total ${MATCHING}`, where);
    return { items, total: count?.total ?? 0 };
  }

  /** Whether such a person there is, who may answer for a service. */
  async isPerson(id: string): Promise<boolean> {
    const found = await this.work.query(`SELECT FROM users WHERE id = $1 AND kind = 'person' AND anonymised_at IS NULL`, [id]);
    return found.length > 0;
  }

  /** A number that no account has or ever had, whoever else asks at this moment. Throws `uid_numbers_exhausted`. */
  async giveUidNumber(id: string, kind: AccountKind): Promise<void> {
    const { first, last } = this.ranges.of(kind);
    await this.work.queryInside('UPDATE users SET uid_number = posix_next($2, $3, $4) WHERE id = $1', [id, kind, first, last]);
  }

  /** Throws `username_taken`, `email_taken`, `uid_number_taken` or `unknown_gid_number`. */
  async insert(user: Partial<User> & Pick<User, 'username'>): Promise<string> {
    const { identifiers } = await this.work.manager.insert(User, user);
    return String(identifiers[0]?.id);
  }

  /** Sets these columns and moves the version on. */
  async update(id: string, changes: Partial<Pick<User, Changeable>>): Promise<void> {
    await this.work.manager.update(User, { id }, { ...changes, version: () => 'version + 1', updatedAt: () => 'now()' });
  }

  /** Leaves the numbers, so that files left on a disk stay nobody else's. */
  async clearPersonalFields(id: string, username: string): Promise<void> {
    await this.work.query(
      `UPDATE users
          SET username = $2, email = NULL, email_verified = false, display_name = '', active = false, pending = false, password_hash = NULL,
              must_change_password = false, login_shell = NULL, home_directory = NULL, last_login_at = NULL, password_changed_at = NULL,
              anonymised_at = now(), version = version + 1, updated_at = now()
        WHERE id = $1`,
      [id, username],
    );
  }

  /**
   * Makes these the roles assigned by hand, without limits; one that stays as it is keeps who assigned it, and what an identity provider
   * assigned stays. Throws `unknown_role`.
   */
  async setRoles(id: string, names: readonly string[], assignedBy: string): Promise<void> {
    const known = await this.work.query<{ name: string }>('SELECT name FROM roles WHERE name = ANY ($1::text[])', [names]);
    const unknown = names.findIndex((name) => !known.some((role) => role.name === name));
    if (unknown >= 0) throw AppError.field(`/roles/${unknown}`, 'unknown_role', 'There is no such role.');
    await this.work.query(
      `DELETE FROM user_roles ur USING roles r
        WHERE r.id = ur.role_id AND ur.user_id = $1 AND ur.source = 'manual' AND r.name <> ALL ($2::text[])`,
      [id, names],
    );
    await this.work.query(
      `INSERT INTO user_roles (user_id, role_id, assigned_by)
       SELECT $1, r.id, $3 FROM roles r WHERE r.name = ANY ($2::text[])
       ON CONFLICT ON CONSTRAINT user_roles_once DO UPDATE
          SET assigned_by = EXCLUDED.assigned_by, assigned_at = now(), vrf_ids = NULL, networks = NULL, expires_at = NULL
        WHERE user_roles.vrf_ids IS NOT NULL OR user_roles.networks IS NOT NULL OR user_roles.expires_at IS NOT NULL`,
      [id, names, assignedBy],
    );
  }

  async credentials(by: { username: string } | { id: string }): Promise<Credentials | undefined> {
    const [found] =
      'id' in by
        ? await this.work.query<Credentials>(`SELECT ${CREDENTIALS} FROM users WHERE id = $1`, [by.id])
        : await this.work.query<Credentials>(`SELECT ${CREDENTIALS} FROM users WHERE lower(username) = $1`, [by.username]);
    return found;
  }

  /** Notes a login. False when the account was deactivated or its password changed since the credentials were read. */
  async noteLogin({ id, passwordHash }: Credentials): Promise<boolean> {
    const noted = await this.work.query(
      'UPDATE users SET last_login_at = now() WHERE id = $1 AND active AND password_hash IS NOT DISTINCT FROM $2 RETURNING id',
      [id, passwordHash],
    );
    return noted.length > 0;
  }

  /** Puts a password of the user's own choice in the place of the one that was verified. False when another change came first. */
  async replacePassword({ id, passwordHash }: Credentials, next: string): Promise<boolean> {
    const replaced = await this.work.query(
      `UPDATE users
          SET password_hash = $3, must_change_password = false, password_changed_at = now(), version = version + 1, updated_at = now()
        WHERE id = $1 AND password_hash = $2
        RETURNING id`,
      [id, passwordHash, next],
    );
    return replaced.length > 0;
  }
}

function taken(field: 'username' | 'email', detail: string): AppError {
  const code = `${field}_taken`;
  return new AppError('conflict', code, detail, { errors: [{ pointer: `/${field}`, code, detail }] });
}
