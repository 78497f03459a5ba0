import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { currentContext, type RequestContext, runInContext } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Allocation } from './allocation.entity.js';
import { createdEvent } from './allocation-events.js';
import { AllocationsRepository, type Holder } from './allocations.repository.js';

interface Waiting {
  holder: Holder & { by: string };
  context: RequestContext | undefined;
  resolve: (allocation: Allocation | undefined) => void;
  reject: (error: unknown) => void;
}

const MOST_TOGETHER = 64;

/**
 * Hands out free addresses. Callers who want one address of the same pool at the same time share one transaction: the pool's row admits one
 * transaction at a time anyway, so waiting together beats waiting in line. Each still gets its own row and its own audit event.
 */
@Injectable()
export class NextAddresses {
  private readonly queues = new Map<string, Waiting[]>();

  constructor(
    private readonly work: UnitOfWork,
    private readonly audit: AuditTrail,
    private readonly allocations: AllocationsRepository,
  ) {}

  /** The lowest free address; undefined when there is none (or no such pool). */
  async one(poolId: string, holder: Holder & { by: string }): Promise<Allocation | undefined> {
    // Somebody with limited rights allocates in a transaction that has the same limits.
    if (this.work.isOpen || currentContext()?.scope) return (await this.several(poolId, holder, 1, false))[0];
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { holder, context: currentContext(), resolve, reject };
      const queue = this.queues.get(poolId);
      if (queue) {
        queue.push(waiting);
        return;
      }
      this.queues.set(poolId, [waiting]);
      void this.drain(poolId);
    });
  }

  /** Several addresses for one holder; fewer when the pool runs out, and then the caller must let the unit of work fail. */
  async several(poolId: string, holder: Holder & { by: string }, count: number, anywhere: boolean): Promise<Allocation[]> {
    return this.work.run(async () => {
      const rows = await this.allocations.insertNext(poolId, [holder], count, anywhere);
      for (const row of rows) await this.audit.record(createdEvent(row));
      return rows;
    });
  }

  private async drain(poolId: string): Promise<void> {
    for (;;) {
      const batch = this.queues.get(poolId)?.splice(0, MOST_TOGETHER) ?? [];
      if (batch.length === 0) {
        this.queues.delete(poolId);
        return;
      }
      await this.serve(poolId, batch);
    }
  }

  private async serve(poolId: string, batch: Waiting[]): Promise<void> {
    try {
      const rows = await this.together(poolId, batch);
      batch.forEach((waiting, i) => {
        waiting.resolve(rows[i]);
      });
    } catch (error) {
      const [only] = batch;
      if (batch.length === 1 && only) {
        only.reject(error);
        return;
      }
      // One of them, or something else, spoiled it for all: each alone finds out whether it was its own fault.
      for (const waiting of batch) await this.serve(poolId, [waiting]);
    }
  }

  private async together(poolId: string, batch: readonly Waiting[]): Promise<Allocation[]> {
    return this.work.run(async () => {
      const rows = await this.allocations.insertNext(
        poolId,
        batch.map(({ holder }) => holder),
        1,
        false,
      );
      for (const [i, row] of rows.entries()) {
        const context = batch[i]?.context;
        await (context ? runInContext(context, () => this.audit.record(createdEvent(row))) : this.audit.record(createdEvent(row)));
      }
      return rows;
    });
  }
}
