import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { currentContext } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { type LegalHoldFilter, type PlaceLegalHold } from './hold.dto.js';
import { type HeldMonth, HoldsRepository, type LegalHold, type Party } from './holds.repository.js';

/** A hold with what it keeps, which is nothing once it is released. */
export interface HoldWithMonths extends LegalHold {
  months: HeldMonth[];
}

/** Legal holds: one person places them, at once; another one releases them. */
@Injectable()
export class LegalHolds {
  constructor(
    private readonly work: UnitOfWork,
    private readonly holds: HoldsRepository,
    private readonly audit: AuditTrail,
  ) {}

  /** Newest first. */
  async list({ active, limit, offset }: LegalHoldFilter): Promise<{ items: HoldWithMonths[]; total: number }> {
    const { items, total } = await this.holds.page(active, limit, offset);
    const withMonths: HoldWithMonths[] = [];
    for (const hold of items) withMonths.push(await this.withMonths(hold));
    return { items: withMonths, total };
  }

  /** Throws `hold_not_found`. */
  async get(id: string): Promise<HoldWithMonths> {
    return this.withMonths(await this.holds.get(id));
  }

  /** Throws `hold_exists`, `hold_says_nothing` or `hold_period`. */
  async place(body: PlaceLegalHold): Promise<HoldWithMonths> {
    const hold = await this.work.run(async () => {
      const after = await this.holds.insert(body, thisParty());
      await this.audit.record({ action: 'hold.placed', category: 'governance', severity: 'high', resource: resourceOf(after), after });
      return after;
    });
    return this.withMonths(hold);
  }

  /** Throws `hold_not_found`, `hold_released` when somebody has, or `hold_four_eyes` for whoever placed it. */
  async release(id: string, reason: string): Promise<HoldWithMonths> {
    const hold = await this.work.run(async () => {
      const before = await this.holds.locked(id);
      if (before.releasedAt)
        throw AppError.conflict('hold_released', `${before.releasedByName ?? 'Somebody'} has released this hold.`, {
          releasedAt: before.releasedAt.toISOString(),
        });
      const after = await this.holds.release(id, reason, thisParty());
      await this.audit.record({
        action: 'hold.released',
        category: 'governance',
        severity: 'high',
        resource: resourceOf(after),
        before,
        after,
      });
      return after;
    });
    return this.withMonths(hold);
  }

  private async withMonths(hold: LegalHold): Promise<HoldWithMonths> {
    return { ...hold, months: hold.releasedAt ? [] : await this.holds.months(hold.id) };
  }
}

function resourceOf({ id, name }: LegalHold): { type: string; id: string; name: string } {
  return { type: 'legal_hold', id, name };
}

/** The account behind whoever acts: a key is not another person. */
function thisParty(): Party {
  const principal = currentContext()?.principal;
  if (!principal) throw new Error('Nobody is there to answer for a hold.');
  return { id: principal.ownerId ?? principal.id, name: principal.name };
}
