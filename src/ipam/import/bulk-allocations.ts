import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { isRetryable } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { asAppError } from '../../platform/http/problem.js';
import { EdgeValidation } from '../../platform/http/validation.js';
import { AllocationsService } from '../allocations/allocations.service.js';
import { allocationView } from '../allocations/allocation.view.js';
import { VrfsService } from '../vrfs/vrfs.service.js';
import { BulkAllocate, BulkRelease, type BulkReport, type BulkRequest, type BulkResult } from './bulk.dto.js';

const SMALLEST_POOL = `
  SELECT p.id FROM pools p WHERE p.vrf_id = $1 AND p.kind <> 'root' AND p.network = ANY ((SELECT ipam_supernets($2::inet))::cidr[]) ORDER BY masklen(p.network) DESC LIMIT 1`;

/** Carries a rehearsal's answer out of the unit of work that it rolls back. */
class Rehearsed extends Error {
  constructor(readonly report: BulkReport) {
    super('rehearsed');
  }
}

/** Many allocations and releases in one request, each with its own result. */
@Injectable()
export class BulkAllocations {
  private readonly edge = new EdgeValidation();

  constructor(
    private readonly work: UnitOfWork,
    private readonly audit: AuditTrail,
    private readonly allocations: AllocationsService,
    private readonly vrfs: VrfsService,
  ) {}

  /** One transaction, a savepoint an item: what can be done is done, what cannot is refused and leaves nothing. */
  async run({ items, dryRun = false }: BulkRequest): Promise<BulkReport> {
    try {
      return await this.work.run(async () => {
        const results: BulkResult[] = [];
        for (const [index, item] of items.entries()) results.push({ index, ...(await this.attempt(item)) });
        const refused = results.filter(({ outcome }) => outcome === 'refused').length;
        const report = { dryRun, done: results.length - refused, refused, results };
        await this.recordBatch(report);
        if (dryRun) throw new Rehearsed(report);
        return report;
      });
    } catch (error) {
      if (error instanceof Rehearsed) return error.report;
      throw error;
    }
  }

  /** Each object has its own event; this one says that they were one act, and what of it was refused. */
  private async recordBatch({ done, refused, results }: BulkReport): Promise<void> {
    const count = (outcome: BulkResult['outcome']): number => results.filter((result) => result.outcome === outcome).length;
    await this.audit.record({
      action: 'allocation.batch_completed',
      category: 'ipam',
      resource: { type: 'allocation_batch', id: uuidv7() },
      detail: { done, refused, created: count('created'), released: count('released') },
    });
  }

  private async attempt(item: object): Promise<Omit<BulkResult, 'index'>> {
    await this.work.query('SAVEPOINT bulk_item');
    try {
      const done = await this.act(item);
      await this.work.query('RELEASE SAVEPOINT bulk_item');
      return done;
    } catch (error) {
      const refusal = asAppError(error);
      // What is nobody's fault concerns the whole: it is tried again, or fails.
      if (!refusal || refusal.kind === 'unavailable' || isRetryable(error)) throw error;
      await this.work.query('ROLLBACK TO SAVEPOINT bulk_item');
      return { outcome: 'refused', error: { code: refusal.code, detail: refusal.message } };
    }
  }

  private async act(item: object): Promise<Omit<BulkResult, 'index'>> {
    switch ('op' in item ? item.op : undefined) {
      case 'allocate': {
        const { poolId, vrfId, ...input } = await this.read(item, BulkAllocate);
        const [made] = await this.allocations.allocate(poolId ?? (await this.poolOf(vrfId, input.address)), input);
        if (!made) throw new Error('An allocation was made and not returned.');
        return { outcome: 'created', allocation: allocationView(made) };
      }
      case 'release': {
        const { id, version } = await this.read(item, BulkRelease);
        return { outcome: 'released', allocation: allocationView(await this.allocations.release(id, version)) };
      }
      default:
        throw AppError.field('/op', 'unknown_op', 'op must be allocate or release.');
    }
  }

  private async read<T>(item: object, type: new () => T): Promise<T> {
    // The pipe makes what it checks an instance of the class it is given.
    return (await this.edge.transform(item, { type: 'body', metatype: type })) as T;
  }

  private async poolOf(vrfId: string | undefined, address: string | undefined): Promise<string> {
    if (address === undefined) throw AppError.field('/poolId', 'pool_required', 'Name a pool, or the address.');
    const [pool] = await this.work.query<{ id: string }>(SMALLEST_POOL, [await this.vrfs.idOrDefault(vrfId), address]);
    if (!pool) throw AppError.field('/address', 'outside_any_pool', `No pool of the VRF covers ${address}.`);
    return pool.id;
  }
}
