import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { actorName } from '../../platform/context/request-context.js';
import { explainConstraint } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { cursorOf, keyOf } from '../../platform/http/cursor.js';
import { staleVersion } from '../../platform/http/etag.js';
import { parseIp } from '../domain/ip.js';
import { PoolsService } from '../pools/pools.service.js';
import { type Allocate, type AllocationFilter, type PatchAllocation } from './allocation.dto.js';
import { type Allocation } from './allocation.entity.js';
import { createdEvent, releasedEvent, updatedEvent } from './allocation-events.js';
import { AllocationsRepository, type Holder } from './allocations.repository.js';
import { NextAddresses } from './next-addresses.js';

explainConstraint('allocations_one_holder', () => AppError.conflict('address_taken', 'The address already has a holder.'));
explainConstraint('allocations_single_holder', () =>
  AppError.field('/status', 'range_not_allocatable', 'A range is reserved or blocked; single addresses are allocated.'),
);

@Injectable()
export class AllocationsService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly audit: AuditTrail,
    private readonly allocations: AllocationsRepository,
    private readonly next: NextAddresses,
    private readonly pools: PoolsService,
  ) {}

  /** Throws `allocation_not_found`. */
  async get(id: string): Promise<Allocation> {
    const allocation = await this.allocations.byId(id);
    if (!allocation) throw AppError.notFound('allocation', id);
    return allocation;
  }

  /** A pool's addresses in order; released ones that rest only when asked for. */
  async page(poolId: string, filter: AllocationFilter): Promise<{ items: Allocation[]; next: string | null }> {
    const after = filter.after === undefined ? '0.0.0.0/0' : addressKey(filter.after);
    const items = await this.allocations.page(
      poolId,
      after,
      filter.status ?? (filter.quarantined === true ? 'held' : 'live'),
      filter.limit + 1,
    );
    if (items.length === 0) await this.pools.get(poolId);
    const more = items.length > filter.limit;
    const shown = items.slice(0, filter.limit);
    return { items: shown, next: more ? cursorOf([shown.at(-1)?.address ?? '']) : null };
  }

  /** A named address or range, or the next free ones. Throws why it cannot: see the errors of ipam_refuse and `pool_exhausted`. */
  async allocate(poolId: string, input: Allocate): Promise<Allocation[]> {
    const holder = holderOf(input);
    if (input.address !== undefined) return this.allocateNamed(poolId, input.address, input.lastAddress ?? input.address, holder);
    if (input.lastAddress !== undefined) throw AppError.field('/lastAddress', 'address_missing', 'A range needs its first address too.');
    const count = input.count ?? 1;
    if (count > 1 && (holder.hostname !== null || holder.mac !== null))
      throw AppError.field('/count', 'one_name_one_address', 'A host name or MAC belongs to one address; ask for one at a time.');
    const withActor = { ...holder, by: actorName() };
    if (count === 1 && input.strategy !== 'any') {
      const one = await this.next.one(poolId, withActor);
      if (!one) throw await this.refusal(poolId, 1, 0);
      return [one];
    }
    return this.work.run(async () => {
      const several = await this.next.several(poolId, withActor, count, input.strategy === 'any');
      if (several.length < count) throw await this.refusal(poolId, count, several.length);
      return several;
    });
  }

  /** Throws `status_change_refused`, `allocation_released`, `stale_version`. The same values again change nothing and leave no event. */
  async patch(id: string, input: PatchAllocation, expected: number | undefined): Promise<Allocation> {
    return this.work.run(async () => {
      const before = await this.live(id, expected);
      const holder: Holder = {
        status: input.status ?? before.status,
        hostname: input.hostname === undefined ? before.hostname : input.hostname,
        mac: input.mac === undefined ? before.mac : input.mac,
        owner: input.owner === undefined ? before.owner : input.owner,
        purpose: input.purpose === undefined ? before.purpose : input.purpose,
        description: input.description ?? before.description,
      };
      const fields = ['status', 'hostname', 'mac', 'owner', 'purpose', 'description'] as const;
      if (fields.every((field) => before[field] === holder[field])) return before;
      await this.allocations.update(id, holder);
      const stored = await this.get(id);
      await this.audit.record(updatedEvent(before, stored));
      return stored;
    });
  }

  /** Throws `allocation_released` the second time. */
  async release(id: string, expected: number | undefined): Promise<Allocation> {
    return this.work.run(async () => {
      const before = await this.live(id, expected);
      const [after] = await this.allocations.release([id], actorName());
      if (!after) throw AppError.notFound('allocation', id);
      await this.audit.record(releasedEvent(before, after));
      return after;
    });
  }

  private async allocateNamed(poolId: string, first: string, last: string, holder: Holder): Promise<Allocation[]> {
    if (parseIp(first).family !== parseIp(last).family || parseIp(first).value > parseIp(last).value)
      throw AppError.field('/lastAddress', 'range_backwards', 'The last address must not lie before the first.');
    return this.work.run(async () => {
      const pool = await this.pools.get(poolId);
      await this.allocations.requireFree(poolId, first, last);
      const rows = await this.allocations.insert(pool.vrfId, poolId, [[first, last]], holder, actorName());
      for (const row of rows) await this.audit.record(createdEvent(row));
      return rows;
    });
  }

  private async live(id: string, expected: number | undefined): Promise<Allocation> {
    const allocation = await this.allocations.byIdLocked(id);
    if (!allocation) throw AppError.notFound('allocation', id);
    if (expected !== undefined && expected !== allocation.version) throw staleVersion(allocation.version);
    if (allocation.releasedAt)
      throw AppError.conflict('allocation_released', `${allocation.address} was released at ${allocation.releasedAt.toISOString()}.`);
    return allocation;
  }

  /** Why a pool gave fewer addresses than wanted. */
  private async refusal(poolId: string, wanted: number, possible: number): Promise<AppError> {
    const pool = await this.pools.get(poolId);
    if (pool.kind === 'container')
      return AppError.conflict('pool_holds_no_addresses', `${pool.network} is a container: it takes child pools, not addresses.`, {
        poolId,
      });
    return AppError.conflict(
      'pool_exhausted',
      `${pool.network} has ${possible === 0 ? 'no' : `only ${possible}`} free addresses${wanted > 1 ? `, not ${wanted}` : ''}.`,
      {
        poolId,
        possible,
      },
    );
  }
}

function holderOf(input: Allocate): Holder {
  return {
    status: input.status ?? 'allocated',
    hostname: input.hostname ?? null,
    mac: input.mac ?? null,
    owner: input.owner ?? null,
    purpose: input.purpose ?? null,
    description: input.description ?? '',
  };
}

/** The place in a list: an address, checked, since it goes into a cast. */
function addressKey(cursor: string): string {
  const [address = ''] = keyOf(cursor, 1);
  try {
    parseIp(address);
    return address;
  } catch {
    return keyOf('', 1)[0] ?? '';
  }
}
