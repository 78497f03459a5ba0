import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { Clock } from '../../kernel/clock.js';
import { currentContext } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Assignment, ASSIGNMENTS, effectiveRights } from '../roles/effective-rights.js';
import { SUPERUSER } from '../roles/system-roles.js';
import { type KeyKind } from './key-format.js';
import { excessOf, isGrantable } from './key-rights.js';
import { KeySettings } from './key-settings.js';
import { type KeyTerms } from './key.js';

const DAY_MS = 86_400_000;

/** Whether the caller may give a key what it is to have. Asked whenever somebody gets a secret, or changes what it opens. */
@Injectable()
export class KeyGrants {
  constructor(
    private readonly work: UnitOfWork,
    private readonly settings: KeySettings,
    private readonly clock: Clock,
  ) {}

  /**
   * Part of the open unit of work. Throws `permission_not_grantable`, `limits_required`, `confinement_required`, `superuser_required` for the
   * kind `admin`, or `exceeds_your_rights` when the caller does not hold all of it at this moment; until the key ends, where it is not bound to
   * what its maker holds.
   */
  async require(kind: KeyKind, terms: KeyTerms, projectId: string | null, endsAt: Date): Promise<void> {
    const { permissions, vrfIds, networks } = terms;
    const limits = (vrfIds ?? networks) ? [{ vrfIds, networks }] : undefined;
    permissions.forEach((permission, i) => {
      if (!isGrantable(permission, kind, limits !== undefined || projectId !== null))
        throw AppError.field(
          `/permissions/${i}`,
          'permission_not_grantable',
          'A key of this kind, with these limits, cannot have this right.',
        );
    });
    if (kind === 'tenant' && !limits)
      throw AppError.field('/networks', 'limits_required', 'A tenant’s key is limited to networks or VRFs.');
    if (kind === 'public' && !terms.addressRanges && !terms.allowedOrigins)
      throw AppError.field('/addressRanges', 'confinement_required', 'A public key is good from some addresses or origins only.');
    const maker = await this.maker(kind === 'owner' ? undefined : endsAt);
    if (kind === 'admin' && !isSuperuser(maker))
      throw new AppError('forbidden', 'superuser_required', 'Only a superuser may do this with a key of the kind admin.');
    const excess = excessOf({ permissions, limits }, effectiveRights(maker), kind);
    if (excess.length > 0)
      throw new AppError('forbidden', 'exceeds_your_rights', 'A key cannot be given more than you hold yourself.', {
        meta: { permissions: excess },
      });
  }

  /** Days a key lives. Throws `lifetime_too_long`. */
  lifetimeOf(kind: KeyKind, days: number | undefined): number {
    const most = this.maxLifetimeOf(kind);
    if (days !== undefined && days > most)
      throw AppError.field('/expiresInDays', 'lifetime_too_long', `A key of this kind lives ${most} days at most.`);
    return Math.min(days ?? this.settings.defaultLifetimeDays, most);
  }

  endAfter(days: number): Date {
    return new Date(this.clock.now().getTime() + days * DAY_MS);
  }

  maxLifetimeOf(kind: KeyKind): number {
    return kind === 'admin' ? this.settings.maxAdminLifetimeDays : this.settings.maxLifetimeDays;
  }

  /** Looked up afresh: the principal's rights may be a second old. */
  private async maker(until: Date | undefined): Promise<Assignment[]> {
    const principal = currentContext()?.principal;
    if (principal?.kind !== 'user') return [];
    const [row] = await this.work.query<{ assignments: Assignment[] }>(
      `SELECT ${ASSIGNMENTS} AS assignments FROM users u WHERE u.id = $1 AND u.active`,
      [principal.id],
    );
    return (row?.assignments ?? []).filter(({ expiresAt }) => !until || expiresAt === null || new Date(expiresAt) >= until);
  }
}

function isSuperuser(assignments: readonly Assignment[]): boolean {
  return assignments.some(({ role, vrfIds, networks }) => role === SUPERUSER && vrfIds === null && networks === null);
}
