import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { currentContext } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { ADMIN, SUPERUSER } from '../roles/system-roles.js';

/** What of an account decides whether it administers. */
export interface Standing {
  id?: string;
  active: boolean;
  roles: readonly string[];
}

/** Keeps somebody in charge, whoever races whom. */
@Injectable()
export class Administrators {
  constructor(private readonly work: UnitOfWork) {}

  /** One change of accounts and roles at a time, until the unit of work ends: two demotions cannot both count on the other's victim. */
  async lock(): Promise<void> {
    await this.work.queryInside(`SELECT pg_advisory_xact_lock(hashtextextended('cadastre administrators', 0))`);
  }

  /** For what only adds accounts: others may add theirs at the same time, and nobody's rights change until all of them are done. */
  async share(): Promise<void> {
    await this.work.queryInside(`SELECT pg_advisory_xact_lock_shared(hashtextextended('cadastre administrators', 0))`);
  }

  /** Whether anybody holds `superuser`, active or not. */
  async hasSuperuser(): Promise<boolean> {
    const [found] = await this.work.query('SELECT FROM user_roles ur JOIN roles r ON r.id = ur.role_id WHERE r.name = $1 LIMIT 1', [
      SUPERUSER,
    ]);
    return found !== undefined;
  }

  /**
   * Call under lock() or share(), before the change. Throws `superuser_required` when a superuser is made, unmade or changed by somebody who is none,
   * `own_admin_right`, `last_superuser` or `last_administrator` when the change would lock people out.
   */
  async allow(before: Standing, after: Standing): Promise<void> {
    if ((before.roles.includes(SUPERUSER) || after.roles.includes(SUPERUSER)) && !(await this.actorIsSuperuser()))
      throw new AppError('forbidden', 'superuser_required', 'Only a superuser may make, unmake or change a superuser.');
    if (administers(before) && !administers(after)) {
      if (before.id === currentContext()?.principal?.id)
        throw AppError.conflict('own_admin_right', 'You cannot take your own right to administer; another administrator can.');
      if (!(await this.anotherHolds(before, [SUPERUSER, ADMIN])))
        throw AppError.conflict('last_administrator', 'This is the last active administrator.');
    }
    if (isSuperuser(before) && !isSuperuser(after) && !(await this.anotherHolds(before, [SUPERUSER])))
      throw AppError.conflict('last_superuser', 'This is the last active superuser.');
  }

  /** Looked up afresh: the principal's rights were read before the lock. The program itself and its command line may do all. */
  private async actorIsSuperuser(): Promise<boolean> {
    const principal = currentContext()?.principal;
    if (principal?.kind !== 'user') return principal?.kind === 'cli' || principal?.kind === 'system';
    return this.holds('u.id = $2 AND (ur.expires_at IS NULL OR ur.expires_at > now())', [[SUPERUSER], principal.id]);
  }

  /** For good: who administers until Friday leaves nobody in charge on Saturday. */
  private anotherHolds(account: Standing, roles: string[]): Promise<boolean> {
    return this.holds('u.id <> $2 AND ur.expires_at IS NULL', [roles, account.id]);
  }

  private async holds(who: string, parameters: unknown[]): Promise<boolean> {
    const [found] = await this.work.query(
      `SELECT FROM users u JOIN user_roles ur ON ur.user_id = u.id JOIN roles r ON r.id = ur.role_id
        WHERE u.active AND r.name = ANY ($1::text[]) AND ur.vrf_ids IS NULL AND ur.networks IS NULL AND ${who} LIMIT 1`,
      parameters,
    );
    return found !== undefined;
  }
}

function administers({ active, roles }: Standing): boolean {
  return active && (roles.includes(SUPERUSER) || roles.includes(ADMIN));
}

function isSuperuser({ active, roles }: Standing): boolean {
  return active && roles.includes(SUPERUSER);
}
