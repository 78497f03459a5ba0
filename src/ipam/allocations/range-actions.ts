import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { actorName } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Cidr, formatIp, lastOf, parseCidr, parseIp } from '../domain/ip.js';
import { type PoolRow } from '../pools/pools.repository.js';
import { PoolsService } from '../pools/pools.service.js';
import { type RangeAction, type RangeActionReport, type RangeActionResult } from './allocation.dto.js';
import { type Allocation, type AllocationStatus } from './allocation.entity.js';
import { createdEvent, releasedEvent, updatedEvent } from './allocation-events.js';
import { AllocationsRepository } from './allocations.repository.js';

const MOST = 1024n;
const BECOMES = { allocate: 'allocated', reserve: 'reserved', block: 'blocked' } as const;
/** Moves between two states that hold an address; every other one goes through a release. */
const MOVES: Record<AllocationStatus, readonly AllocationStatus[]> = { reserved: ['allocated', 'blocked'], allocated: [], blocked: [] };

/** A run of addresses as numbers, both ends included. */
interface Run {
  first: bigint;
  last: bigint;
}

/** What a person does by dragging over a pool's map: one action on every address of a range, with a result for each. */
@Injectable()
export class RangeActions {
  constructor(
    private readonly work: UnitOfWork,
    private readonly audit: AuditTrail,
    private readonly allocations: AllocationsRepository,
    private readonly pools: PoolsService,
  ) {}

  /** What can be done is done; what cannot is refused address by address. Throws only when the range itself makes no sense. */
  async run(poolId: string, input: RangeAction): Promise<RangeActionReport> {
    return this.work.run(async () => {
      const pool = await this.pools.get(poolId);
      const range = rangeIn(pool, input);
      const free = (await this.allocations.freeRuns(poolId, input.first, input.last)).map(runOf);
      const holding = await this.allocations.holding(poolId, input.first, input.last);
      const results =
        input.action === 'release' ? await this.release(pool, range, holding) : await this.hold(pool, range, input, free, holding);
      const count = (outcome: string): number => results.filter((r) => r.outcome === outcome).length;
      const report = { action: input.action, done: count('done'), refused: count('refused'), results };
      await this.recordBatch(pool, input, report);
      return report;
    });
  }

  /** Each address has its own event; this one says that they were one act, and what of it was refused. */
  private async recordBatch(pool: PoolRow, { first, last }: RangeAction, { action, done, refused }: RangeActionReport): Promise<void> {
    if (done + refused === 0) return;
    await this.audit.record({
      action: 'allocation.range_completed',
      category: 'ipam',
      resource: { type: 'pool', id: pool.id, name: pool.name },
      detail: { action, first, last, done, refused },
    });
  }

  private async hold(pool: PoolRow, range: Run, input: RangeAction, free: Run[], holding: Allocation[]): Promise<RangeActionResult[]> {
    const status = BECOMES[input.action as keyof typeof BECOMES];
    const family = parseCidr(pool.network).family;
    const addresses = free.flatMap(({ first, last }) =>
      Array.from({ length: Number(last - first) + 1 }, (_, i) => formatIp({ family, value: first + BigInt(i) })),
    );
    const holder = {
      status,
      hostname: null,
      mac: null,
      owner: input.owner ?? null,
      purpose: input.purpose ?? null,
      description: input.description ?? '',
    };
    const made =
      addresses.length === 0
        ? []
        : await this.allocations.insert(
            pool.vrfId,
            pool.id,
            addresses.map((a) => [a, a] as const),
            holder,
            actorName(),
          );
    for (const row of made) await this.audit.record(createdEvent(row));
    const movable = holding.filter(
      (a) => within(a, range) && a.releasedAt === null && a.address === a.lastAddress && MOVES[a.status].includes(status),
    );
    const moved = await this.changed(movable, (ids) => this.allocations.setStatus(ids, status), updatedEvent);
    const done = new Map([...made, ...moved].map((row) => [row.address, row.id]));
    return perAddress(pool, range, holding, (address, holder) => {
      const id = done.get(address);
      if (id !== undefined) return { outcome: 'done', allocationId: id, code: null };
      if (!holder) return { outcome: 'refused', allocationId: null, code: whyNot(pool, address) };
      if (holder.releasedAt) return { outcome: 'refused', allocationId: holder.id, code: 'address_quarantined' };
      if (holder.status === status) return { outcome: 'unchanged', allocationId: holder.id, code: null };
      return {
        outcome: 'refused',
        allocationId: holder.id,
        code: holder.address === holder.lastAddress ? 'status_change_refused' : 'range_is_one',
      };
    });
  }

  private async release(pool: PoolRow, range: Run, holding: Allocation[]): Promise<RangeActionResult[]> {
    const live = holding.filter((a) => a.releasedAt === null && within(a, range));
    const released = await this.changed(live, (ids) => this.allocations.release(ids, actorName()), releasedEvent);
    const done = new Set(released.map((row) => row.id));
    return perAddress(pool, range, holding, (_address, holder) => {
      if (!holder || holder.releasedAt) return { outcome: 'unchanged', allocationId: holder?.id ?? null, code: null };
      if (done.has(holder.id)) return { outcome: 'done', allocationId: holder.id, code: null };
      return { outcome: 'refused', allocationId: holder.id, code: 'range_straddles' };
    });
  }

  private async changed(
    rows: Allocation[],
    change: (ids: string[]) => Promise<Allocation[]>,
    event: typeof updatedEvent,
  ): Promise<Allocation[]> {
    if (rows.length === 0) return [];
    const before = new Map(rows.map((row) => [row.id, row]));
    const after = await change([...before.keys()]);
    for (const row of after) await this.audit.record(event(before.get(row.id) ?? row, row));
    return after;
  }
}

function rangeIn(pool: PoolRow, { first, last }: RangeAction): Run {
  const from = parseIp(first);
  const to = parseIp(last);
  const network: Cidr = parseCidr(pool.network);
  if (from.family !== network.family || from.value < network.first || from.value > lastOf(network))
    throw AppError.field('/first', 'address_outside_pool', `${first} is not inside ${pool.network}.`);
  if (to.family !== network.family || to.value < network.first || to.value > lastOf(network))
    throw AppError.field('/last', 'address_outside_pool', `${last} is not inside ${pool.network}.`);
  if (to.value < from.value) throw AppError.field('/last', 'range_backwards', 'The last address must not lie before the first.');
  if (to.value - from.value >= MOST)
    throw AppError.field(
      '/last',
      'range_too_large',
      `At most ${MOST} addresses at once; reserve or block more as one range with address and lastAddress.`,
    );
  if (pool.kind === 'container')
    throw AppError.conflict('pool_holds_no_addresses', `${pool.network} is a container: it takes child pools, not addresses.`, {
      poolId: pool.id,
    });
  return { first: from.value, last: to.value };
}

function perAddress(
  pool: PoolRow,
  range: Run,
  holding: Allocation[],
  judge: (address: string, holder: Allocation | undefined) => Omit<RangeActionResult, 'address'>,
): RangeActionResult[] {
  const family = parseCidr(pool.network).family;
  const holders = holding.map((a) => ({ ...runOf({ first: a.address, last: a.lastAddress }), a }));
  let next = 0;
  return Array.from({ length: Number(range.last - range.first) + 1 }, (_, i) => {
    const value = range.first + BigInt(i);
    while ((holders[next]?.last ?? value) < value) next++;
    const here = holders[next];
    const address = formatIp({ family, value });
    return { address, ...judge(address, here && here.first <= value ? here.a : undefined) };
  });
}

/** An address that is neither free nor held by a row. */
function whyNot(pool: PoolRow, address: string): string {
  const network = parseCidr(pool.network);
  const { value } = parseIp(address);
  if (pool.gateway === address) return 'address_is_gateway';
  if (value === network.first) return 'address_is_network_address';
  if (network.family === 4 && value === lastOf(network)) return 'address_is_broadcast_address';
  return 'address_in_child_pool';
}

function within(a: Allocation, range: Run): boolean {
  return parseIp(a.address).value >= range.first && parseIp(a.lastAddress).value <= range.last;
}

function runOf({ first, last }: { first: string; last: string }): Run {
  return { first: parseIp(first).value, last: parseIp(last).value };
}
