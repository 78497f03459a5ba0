import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { type AuditEvent } from '../../audit/trail/audit-event.js';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { explainPgError } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type SignedIn } from '../sessions/signed-in.js';
import { BulkConfirmation } from './bulk-confirmation.js';
import { type BulkItemView, type BulkUsers, type BulkView } from './bulk.dto.js';
import { BulkLimit } from './bulk-limit.js';
import { BulkOperations } from './bulk-operations.js';
import { BulkRequest } from './bulk-request.js';

/** Thrown at the end of a rehearsal: what was done is taken back. */
class Rehearsed extends Error {
  constructor(readonly changed: boolean) {
    super('This was a dry run.');
  }
}

interface Batch {
  id: string;
  /** The event that says that it began. */
  attempt: string;
}

/** One operation on many accounts, each for itself: what is refused for one is done for the others. */
@Injectable()
export class BulkService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly audit: AuditTrail,
    private readonly operations: BulkOperations,
    private readonly request: BulkRequest,
    private readonly confirmation: BulkConfirmation,
    private readonly limit: BulkLimit,
  ) {}

  /**
   * Throws `confirmation_required` for a deletion without the token of its dry run, `bulk_limit`, and what BulkRequest throws. A dry run does
   * everything, takes it back, and does not count.
   */
  async run(me: SignedIn, body: BulkUsers): Promise<BulkView> {
    await this.request.check(body);
    const { operation, dryRun = false, confirmToken = '' } = body;
    const ids = body.ids.map((id) => id.toLowerCase());
    if (!dryRun) {
      if (operation === 'delete' && !this.confirmation.confirms(confirmToken, me.id, operation, ids))
        throw AppError.conflict('confirmation_required', 'Send the same with dryRun first, and its confirmToken within ten minutes.');
      await this.limit.count(me.id);
    }
    const batch = dryRun ? undefined : await this.began(body);
    const items: BulkItemView[] = [];
    for (const id of ids) items.push(id === me.id ? own(id) : await this.one(body, id, dryRun));
    const done = items.filter(({ outcome }) => outcome === 'done').length;
    if (batch) await this.audit.recordAlone(batchEvent(batch, body, items));
    const confirm = dryRun && operation === 'delete' ? { confirmToken: this.confirmation.tokenFor(me.id, operation, ids) } : {};
    return { items, done, dryRun, ...confirm };
  }

  /** Each account is a transaction: whoever is cut off halfway leaves the events of those that were done, and this one. */
  private async began({ operation, ids }: BulkUsers): Promise<Batch> {
    const id = uuidv7();
    const attempt = await this.audit.attempt({
      action: 'user.batch_started',
      category: 'governance',
      resource: { type: 'user_batch', id },
      detail: { operation, count: ids.length },
    });
    return { id, attempt };
  }

  private async one(body: BulkUsers, id: string, dryRun: boolean): Promise<BulkItemView> {
    try {
      return changed(id, await this.unit(body, id, dryRun));
    } catch (error) {
      if (error instanceof Rehearsed) return changed(id, error.changed);
      const known = error instanceof AppError ? error : explainPgError(error);
      if (!known || known.kind === 'unavailable') throw error;
      return { id, outcome: 'refused', code: known.code, detail: known.message };
    }
  }

  private unit(body: BulkUsers, id: string, dryRun: boolean): Promise<boolean> {
    return this.work.run(async () => {
      const done = await this.operations.apply(body, id);
      if (dryRun) throw new Rehearsed(done);
      return done;
    });
  }
}

/** Each account that changed has its own event; this one says that they were one act, and what became of the others. */
function batchEvent({ id, attempt }: Batch, { operation, role, group }: BulkUsers, items: readonly BulkItemView[]): AuditEvent {
  const count = (outcome: BulkItemView['outcome']): number => items.filter((item) => item.outcome === outcome).length;
  return {
    action: 'user.batch_completed',
    category: 'governance',
    resource: { type: 'user_batch', id },
    detail: {
      ...{ attempt, operation, role, group, done: count('done') },
      ...{ unchanged: count('unchanged'), refused: count('refused'), skipped: count('skipped') },
    },
  };
}

function changed(id: string, done: boolean): BulkItemView {
  return { id, outcome: done ? 'done' : 'unchanged' };
}

function own(id: string): BulkItemView {
  return { id, outcome: 'skipped', code: 'own_account', detail: 'This is your own account.' };
}
