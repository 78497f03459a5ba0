import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Log } from '../../platform/logging/log.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { type Erased, ErasureList } from './erasure-list.js';
import { ErasureRepository } from './erasure.repository.js';
import { Erasure } from './erasure.service.js';
import { SubjectKeys } from './subject-keys.js';

const REASON = 'They were destroyed before, and came back with a copy of the database.';
const HELD = 'They were destroyed before and came back with a copy of the database; a legal hold keeps them now.';

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
    private readonly log: Log,
  ) {}

  /**
   * Returns of how many persons there were keys again. Whoever is under a legal hold keeps them, which is said, until the next look. Throws when
   * somebody's could not be destroyed, once everybody was looked at.
   */
  async destroyAgain(): Promise<number> {
    let persons = 0;
    let failed = 0;
    for (const erased of await this.list.all())
      try {
        if (await this.destroyOf(erased)) persons++;
      } catch (error) {
        failed++;
        this.log.error('keys that were destroyed came back, and could not be destroyed again', { subject: erased.subject, error });
      }
    if (failed > 0) throw new Error(`The keys of ${failed} persons came back and could not be destroyed again.`);
    return persons;
  }

  private async destroyOf({ subject, keys }: Erased): Promise<boolean> {
    const again = await this.work.run(async () => {
      const back = await this.events.readable(keys);
      if (back.length === 0) return [];
      const held = (await this.events.standing(subject)).held;
      const destroyed = held ? [] : await this.events.destroy(subject, keys, 'system', REASON);
      await this.trail.record({
        action: held ? 'audit.erasure_held' : 'audit.subject_erased',
        category: 'meta',
        severity: 'high',
        outcome: held ? 'failure' : 'success',
        resource: { type: 'audit_subject', id: subject },
        detail: { reason: held ? HELD : REASON, keys: held ? back : destroyed },
      });
      this.work.afterCommit(() => {
        this.keys.forget();
      });
      return destroyed;
    });
    if (again.length === 0) return false;
    await this.erasure.forget({ subject, keys: again });
    return true;
  }
}
