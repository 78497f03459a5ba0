import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { type Permission } from '../../platform/auth/permissions.js';
import { currentContext, type NetworkGrant, type Principal } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { covers, type Grant, missing, type Rights, rightsOf } from './rights.js';

/** A role about to be assigned; for good when no end is said. */
export type WantedRole = { role: string; expiresAt?: Date | null } & Partial<NetworkGrant>;

/** Until when rights are asked about, in PostgreSQL's words for time. */
const NOW = '-infinity';
const FOR_GOOD = 'infinity';

const GRANTS = `
  SELECT DISTINCT ARRAY (SELECT rp.permission FROM role_permissions rp WHERE rp.role_id = ur.role_id) AS permissions,
         ur.vrf_ids::text[] AS "vrfIds", ur.networks::text[] AS networks
    FROM user_roles ur
   WHERE ur.user_id = ANY ($1::uuid[]) AND (ur.expires_at IS NULL OR (ur.expires_at > now() AND ur.expires_at >= $2::timestamptz))`;

/**
 * Keeps everybody from giving what they do not have. Rights are read from the database at each question: ask under Administrators.lock() or
 * share(), which every change of rights waits for, and the answer stays true until the unit of work ends.
 */
@Injectable()
export class Authority {
  constructor(private readonly work: UnitOfWork) {}

  /** Whether the accounts are active or not: what they could do if they were. */
  async rightsOf(userIds: readonly string[], until = NOW): Promise<Rights> {
    return rightsOf(await this.work.query<Grant>(GRANTS, [userIds, until]));
  }

  /** What the caller may do, and where: a key at most what it says, and its owner may. */
  async ofCaller(until = NOW): Promise<Rights> {
    const principal = currentContext()?.principal;
    const account = principal && accountOf(principal);
    if (principal === undefined || account === undefined) return new Map();
    const active = await this.work.query('SELECT FROM users WHERE id = $1 AND active', [account]);
    if (active.length === 0) return new Map();
    const rights = await this.rightsOf([account], until);
    return new Map([...rights].filter(([permission]) => principal.permissions.has(permission)));
  }

  /**
   * Throws `rights_exceeded`, with the permissions, when a role gives what the caller does not have, or somewhere they do not have it, or for
   * longer than they have it.
   */
  async requireGrantable(roles: readonly WantedRole[]): Promise<void> {
    const ends = new Set(roles.map(({ expiresAt }) => expiresAt?.toISOString() ?? FOR_GOOD));
    for (const end of ends) {
      const those = roles.filter(({ expiresAt }) => (expiresAt?.toISOString() ?? FOR_GOOD) === end);
      await this.requireHeld(rightsOf(await this.grantsOf(those)), end);
    }
  }

  /** The same for permissions that are to hold everywhere and for good, as those of a role do. */
  async requirePermissions(permissions: readonly string[]): Promise<void> {
    await this.requireHeld(rightsOf([{ permissions, vrfIds: null, networks: null }]), FOR_GOOD);
  }

  /** Throws `target_exceeds_you` when one of the users may do what the caller may not. */
  async requireNotAbove(userIds: readonly string[]): Promise<void> {
    const mine = await this.mine();
    if (mine !== 'all' && !covers(mine, await this.rightsOf(userIds)))
      throw new AppError('forbidden', 'target_exceeds_you', 'This is about somebody with rights that you do not have.');
  }

  /** For what a route's own permission does not say. Throws `forbidden`. */
  async require(permission: Permission): Promise<void> {
    const mine = await this.mine();
    if (mine === 'all' || mine.has(permission)) return;
    throw new AppError('forbidden', 'forbidden', `You may not do this: it needs ${permission}.`, { meta: { permission } });
  }

  /** Whether that user, if active, still has the permissions and may still give these roles for good; false also when one is gone. */
  async mayStillGrant(userId: string, roles: readonly string[], permissions: readonly Permission[]): Promise<boolean> {
    const known = await this.work.query('SELECT FROM roles WHERE name = ANY ($1::text[])', [roles]);
    const active = await this.work.query('SELECT FROM users WHERE id = $1 AND active', [userId]);
    if (known.length !== roles.length || active.length === 0) return false;
    const held = await this.rightsOf([userId]);
    if (!permissions.every((permission) => held.get(permission) === 'everywhere')) return false;
    return covers(await this.rightsOf([userId], FOR_GOOD), rightsOf(await this.grantsOf(roles.map((role) => ({ role })))));
  }

  private async requireHeld(asked: Rights, until: string): Promise<void> {
    const mine = await this.mine(until);
    const lacking = mine === 'all' ? [] : missing(mine, asked);
    if (lacking.length > 0)
      throw new AppError('forbidden', 'rights_exceeded', 'Nobody gives rights that they do not have themselves, or for longer.', {
        meta: { permissions: lacking.sort() },
      });
  }

  /** A role that does not exist gives nothing; that it does not exist is for others to say. */
  private async grantsOf(roles: readonly WantedRole[]): Promise<Grant[]> {
    const found = await this.work.query<{ name: string; permissions: string[] }>(
      `SELECT r.name, ARRAY (SELECT rp.permission FROM role_permissions rp WHERE rp.role_id = r.id) AS permissions
         FROM roles r WHERE r.name = ANY ($1::text[])`,
      [roles.map(({ role }) => role)],
    );
    const permissionsOf = new Map(found.map(({ name, permissions }) => [name, permissions]));
    return roles.map(({ role, vrfIds = null, networks = null }) => ({ permissions: permissionsOf.get(role) ?? [], vrfIds, networks }));
  }

  /** The program itself and its command line may do all. */
  private async mine(until = NOW): Promise<Rights | 'all'> {
    const kind = currentContext()?.principal?.kind;
    return kind === 'cli' || kind === 'system' ? 'all' : this.ofCaller(until);
  }
}

function accountOf({ kind, id, ownerId }: Principal): string | undefined {
  return kind === 'user' || kind === 'service' ? id : ownerId;
}
