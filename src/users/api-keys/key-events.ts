import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { KeyDirectory } from './key-directory.js';
import { type Key } from './key.js';
import { KeysRepository } from './keys.repository.js';

/** What the trail keeps of keys. Every change passes here, so every change is in force here at once, and elsewhere within a second. */
@Injectable()
export class KeyEvents {
  constructor(
    private readonly work: UnitOfWork,
    private readonly keys: KeysRepository,
    private readonly directory: KeyDirectory,
    private readonly audit: AuditTrail,
  ) {}

  /** Part of the open unit of work. Returns the key as it is now. */
  async made(id: string, action: 'key.created' | 'key.rotation_prepared'): Promise<Key> {
    const after = await this.keys.byId(id);
    await this.audit.record({ action, category: 'governance', resource: resourceOf(after), after });
    return after;
  }

  /** Part of the open unit of work. Returns the key as it is now. */
  async changed(before: Key, action: 'key.updated' | 'key.rotated' | 'key.collected' | 'key.revoked'): Promise<Key> {
    const after = await this.keys.byId(before.id);
    await this.audit.record({ action, category: 'governance', severity: severityOf(action), resource: resourceOf(after), before, after });
    this.work.afterCommit(() => {
      this.directory.forget(before.id);
    });
    return after;
  }
}

function severityOf(action: string): 'info' | 'low' {
  return action === 'key.updated' ? 'info' : 'low';
}

function resourceOf({ id, name }: Key): { type: string; id: string; name: string } {
  return { type: 'key', id, name };
}
