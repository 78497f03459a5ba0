import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { actorName } from '../../platform/context/request-context.js';
import { explainConstraint } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { staleVersion } from '../../platform/http/etag.js';
import { contains, lastOf, parseCidr, parseIp, widthOf } from '../domain/ip.js';
import { VrfsService } from '../vrfs/vrfs.service.js';
import { type CreatePool, type NextPools, type PatchPool, type PoolFilter, type ReplacePool } from './pool.dto.js';
import { type PoolAttributes, type PoolRow, PoolsRepository } from './pools.repository.js';

explainConstraint('pools_network_unique', () => AppError.conflict('pool_network_taken', 'This network is already a pool of the VRF.'));
explainConstraint('pools_name_unique', () => AppError.conflict('pool_name_taken', 'Another pool of the VRF has this name.'));
explainConstraint('pools_no_overlap', () => AppError.conflict('pool_overlaps', 'This network overlaps another pool of the VRF.'));
explainConstraint('pools_inside_parent', () => AppError.conflict('pool_outside_parent', 'A pool must lie inside its parent.'));
explainConstraint('pools_gateway_inside', () =>
  AppError.field('/gateway', 'gateway_outside', 'Only a subnet has a gateway, and it lies inside its network.'),
);

const DEFAULTS = {
  gateway: null,
  vlan: null,
  site: null,
  environment: null,
  tags: [],
  description: '',
  active: true,
  cooldownSeconds: 86_400,
};

@Injectable()
export class PoolsService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly audit: AuditTrail,
    private readonly pools: PoolsRepository,
    private readonly vrfs: VrfsService,
  ) {}

  list(filter: PoolFilter): Promise<{ items: PoolRow[]; total: number }> {
    return this.pools.list(filter);
  }

  /** Throws `pool_not_found`. */
  async get(id: string): Promise<PoolRow> {
    const pool = await this.pools.byId(id);
    if (!pool) throw AppError.notFound('pool', id);
    return pool;
  }

  /** Throws `pool_network_taken`, `pool_name_taken`, `pool_overlaps`, `pool_cuts_range`, `pool_holds_addresses` and what checkGateway throws. */
  async create({ vrfId, ...input }: CreatePool): Promise<PoolRow> {
    return this.work.run(async () => this.insert(await this.vrfs.idOrDefault(vrfId), { ...DEFAULTS, ...stated(input) }));
  }

  /** Carves the lowest free pools of a length out of a pool, all or none. Throws `pool_exhausted`. */
  async createNext(id: string, { length, count = 1, name, kind = 'subnet', ...fields }: NextPools): Promise<PoolRow[]> {
    return this.work.run(async () => {
      const parent = await this.get(id);
      const { family, length: parentLength } = parseCidr(parent.network);
      if (length <= parentLength || length > widthOf(family))
        throw AppError.field(
          '/length',
          'length_out_of_range',
          `The length must be from ${parentLength + 1} to ${widthOf(family)} inside ${parent.network}.`,
        );
      const made: PoolRow[] = [];
      for (let i = 1; i <= count; i++) {
        const network = await this.pools.nextBlock(id, length);
        if (network === undefined)
          throw AppError.conflict(
            'pool_exhausted',
            `${parent.network} has no room for ${count === 1 ? 'a' : `${count} pools of`} /${length}.`,
            { poolId: id, possible: made.length },
          );
        const own = name === undefined ? network : count === 1 ? name : `${name}-${i}`;
        made.push(await this.insert(parent.vrfId, { ...DEFAULTS, ...stated(fields), kind, name: own, network }));
      }
      return made;
    });
  }

  async replace(id: string, input: ReplacePool, expected: number | undefined): Promise<PoolRow> {
    return this.change(id, expected, () => ({ ...DEFAULTS, ...stated(input) }));
  }

  async patch(id: string, input: PatchPool, expected: number | undefined): Promise<PoolRow> {
    return this.change(id, expected, (before) => ({ ...attributesOf(before), ...stated(input) }));
  }

  /** Refuses while addresses are live, or while there are child pools, unless these shall move to the parent. */
  async delete(id: string, expected: number | undefined, liftChildren: boolean): Promise<void> {
    await this.work.run(async () => {
      const before = await this.locked(id, expected);
      await this.pools.delete(id, liftChildren);
      await this.audit.record({
        action: 'pool.deleted',
        category: 'ipam',
        severity: 'low',
        resource: resourceOf(before),
        before: attributesOf(before),
      });
    });
  }

  private async insert(vrfId: string, pool: PoolAttributes): Promise<PoolRow> {
    checkGateway(pool);
    const namesake = await this.pools.withName(vrfId, pool.name);
    if (namesake) throw nameTaken(pool.name, namesake);
    const id = uuidv7();
    const moved = await this.pools.insert(id, vrfId, pool, actorName());
    await this.audit.record({
      action: 'pool.created',
      category: 'ipam',
      resource: { type: 'pool', id, name: pool.network },
      after: { ...pool, vrfId },
      ...(moved.movedPools + moved.movedAllocations > 0 ? { detail: moved } : {}),
    });
    return this.get(id);
  }

  private async change(id: string, expected: number | undefined, next: (before: PoolRow) => PoolAttributes): Promise<PoolRow> {
    return this.work.run(async () => {
      const before = await this.locked(id, expected);
      const was = attributesOf(before);
      const will = next(before);
      if (JSON.stringify(was) === JSON.stringify(ordered(will))) return before;
      checkGateway(will);
      if (will.name.toLowerCase() !== was.name.toLowerCase()) {
        const namesake = await this.pools.withName(before.vrfId, will.name, id);
        if (namesake) throw nameTaken(will.name, namesake);
      }
      if (will.network !== was.network) {
        if (was.gateway !== null) await this.pools.update(id, { ...was, gateway: null });
        await this.pools.resize(id, before.vrfId, will.network);
      }
      await this.pools.update(id, will);
      const after = await this.get(id);
      await this.audit.record({
        action: 'pool.updated',
        category: 'ipam',
        resource: resourceOf(after),
        before: was,
        after: attributesOf(after),
      });
      return after;
    });
  }

  private async locked(id: string, expected: number | undefined): Promise<PoolRow> {
    const pool = await this.pools.byIdLocked(id);
    if (!pool) throw AppError.notFound('pool', id);
    if (expected !== undefined && expected !== pool.version) throw staleVersion(pool.version);
    return pool;
  }
}

function attributesOf(row: PoolRow): PoolAttributes {
  return ordered(row);
}

/** The attributes alone, always in the same order, so that two can be compared. */
function ordered(p: PoolAttributes): PoolAttributes {
  const { kind, name, network, gateway, vlan, site, environment, tags, description, active, cooldownSeconds } = p;
  return { kind, name, network, gateway, vlan, site, environment, tags, description, active, cooldownSeconds };
}

/** Without the members that are absent: they must not cover a default or what is there. */
function stated<T extends object>(input: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

function resourceOf(pool: PoolRow): { type: string; id: string; name: string } {
  return { type: 'pool', id: pool.id, name: pool.network };
}

function nameTaken(name: string, other: { id: string; network: string }): AppError {
  return AppError.conflict('pool_name_taken', `The pool ${other.network} already has the name ${name}.`, {
    poolId: other.id,
    network: other.network,
  });
}

/** A gateway is an address of its subnet that hosts could have: not the network's, not the broadcast address. */
function checkGateway(pool: Pick<PoolAttributes, 'kind' | 'network' | 'gateway'>): void {
  if (pool.gateway === null) return;
  if (pool.kind !== 'subnet') throw AppError.field('/gateway', 'gateway_of_container', 'Only a subnet has a gateway.');
  const network = parseCidr(pool.network);
  const gateway = parseIp(pool.gateway);
  const width = widthOf(network.family);
  const host = { family: gateway.family, first: gateway.value, length: widthOf(gateway.family) };
  if (!contains(network, host))
    throw AppError.field('/gateway', 'gateway_outside', `The gateway ${pool.gateway} is not inside ${pool.network}.`);
  if (network.length > width - 2) return;
  if (gateway.value === network.first)
    throw AppError.field('/gateway', 'gateway_is_network_address', `${pool.gateway} is the network address of ${pool.network}.`);
  if (network.family === 4 && gateway.value === lastOf(network))
    throw AppError.field('/gateway', 'gateway_is_broadcast_address', `${pool.gateway} is the broadcast address of ${pool.network}.`);
}
