import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { ErasureList } from './erasure-list.js';
import { ErasureRepository } from './erasure.repository.js';
import { Erasure } from './erasure.service.js';
import { SubjectKeys } from './subject-keys.js';

const REASON = 'They were destroyed before, and came back with a copy of the database.';

/** Destroys again what an older copy of the database brought back. */
@Injectable()
export class RestoredKeys {
  constructor(
    private readonly work: UnitOfWork,
    private readonly events: ErasureRepository,
    private readonly erasure: Erasure,
    private readonly list: ErasureList,
    private readonly keys: SubjectKeys,
    private readonly trail: AuditTrail,
  ) {}

  /** Returns of how many persons there were keys again. */
  async destroyAgain(): Promise<number> {
    let persons = 0;
    for (const { subject, keys } of await this.list.all()) {
      const again = await this.work.run(async () => {
        const destroyed = await this.events.destroy(subject, keys, 'system', REASON);
        if (destroyed.length === 0) return destroyed;
        await this.trail.record({
          action: 'audit.subject_erased',
          category: 'meta',
          severity: 'high',
          resource: { type: 'audit_subject', id: subject },
          detail: { reason: REASON, keys: destroyed },
        });
        this.work.afterCommit(() => {
          this.keys.forget();
        });
        return destroyed;
      });
      if (again.length === 0) continue;
      persons++;
      await this.erasure.forget({ subject, keys: again });
    }
    return persons;
  }
}
