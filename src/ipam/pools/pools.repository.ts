import { Injectable } from '@nestjs/common';
import { currentContext } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type PoolFilter } from './pool.dto.js';
import { type PoolKind } from './pool.entity.js';

/** What a pool is made of, apart from its place. */
export interface PoolAttributes {
  kind: PoolKind;
  name: string;
  network: string;
  gateway: string | null;
  vlan: number | null;
  site: string | null;
  environment: string | null;
  tags: string[];
  description: string;
  active: boolean;
  cooldownSeconds: number;
}

/** A pool with its counters; numerics as text. */
export interface PoolRow extends PoolAttributes {
  id: string;
  vrfId: string;
  parentId: string | null;
  family: number;
  version: number;
  createdAt: Date;
  createdBy: string;
  updatedAt: Date;
  size: string;
  usable: string;
  free: string;
  allocated: string;
  reserved: string;
  blocked: string;
  quarantined: string;
  pools: string;
  utilization: number;
}

const SELECT_POOL = `
  SELECT p.id, p.vrf_id AS "vrfId", CASE WHEN r.kind <> 'root' THEN p.parent_id END AS "parentId", p.kind, p.name, p.network, p.family,
         host(p.gateway) AS gateway, p.vlan, p.site, p.environment, p.tags, p.description, p.active, p.cooldown_seconds AS "cooldownSeconds",
         p.version, p.created_at AS "createdAt", p.created_by AS "createdBy", p.updated_at AS "updatedAt",
         (upper(p.span) - lower(p.span))::text AS size, u.usable::text, u.free::text, u.allocated::text, u.reserved::text, u.blocked::text,
         u.quarantined::text, u.pools::text, round((u.usable - u.free) * 100 / u.usable, 2)::float8 AS utilization
    FROM pools p
    LEFT JOIN pools r ON r.id = p.parent_id
    JOIN pool_usage u ON u.pool_id = p.id`;
const BY_ID = `${SELECT_POOL} WHERE p.id = $1`;
const BY_ID_LOCKED = `${SELECT_POOL} WHERE p.id = $1 FOR NO KEY UPDATE OF p`;

const ORDER: Record<NonNullable<PoolFilter['sort']>, string> = {
  network: 'p.network, p.id',
  '-network': 'p.network DESC, p.id DESC',
  name: 'lower(p.name), p.id',
  '-name': 'lower(p.name) DESC, p.id DESC',
  createdAt: 'p.created_at, p.id',
  '-createdAt': 'p.created_at DESC, p.id DESC',
  utilization: '(u.usable - u.free) / u.usable, p.id',
  '-utilization': '(u.usable - u.free) / u.usable DESC, p.id',
};

@Injectable()
export class PoolsRepository {
  constructor(private readonly work: UnitOfWork) {}

  async byId(id: string): Promise<PoolRow | undefined> {
    return (await this.work.query<PoolRow>(BY_ID, [id]))[0];
  }

  /** Holds the pool's row, not its space, until the transaction ends. */
  async byIdLocked(id: string): Promise<PoolRow | undefined> {
    return (await this.work.query<PoolRow>(BY_ID_LOCKED, [id]))[0];
  }

  async list(filter: PoolFilter): Promise<{ items: PoolRow[]; total: number }> {
    const parameters: unknown[] = [];
    const bind = (value: unknown): string => `$${parameters.push(value)}`;
    const where = [`p.kind <> 'root'`];
    if (filter.vrfId !== undefined) where.push(`p.vrf_id = ${bind(filter.vrfId)}`);
    if (filter.kind !== undefined) where.push(`p.kind = ${bind(filter.kind)}`);
    if (filter.family !== undefined) where.push(`p.family = ${bind(filter.family)}`);
    if (filter.parentId !== undefined) where.push(`p.parent_id = ${bind(filter.parentId)}`);
    if (filter.site !== undefined) where.push(`p.site = ${bind(filter.site)}`);
    if (filter.environment !== undefined) where.push(`p.environment = ${bind(filter.environment)}`);
    if (filter.tag !== undefined) where.push(`p.tags @> ARRAY[${bind(filter.tag)}]`);
    if (filter.active !== undefined) where.push(`p.active = ${bind(filter.active)}`);
    if (filter.within !== undefined) where.push(`p.network <<= ${bind(filter.within)}::cidr`);
    if (filter.contains !== undefined) where.push(`p.network = ANY ((SELECT ipam_supernets(${bind(filter.contains)}::inet))::cidr[])`);
    if (filter.q !== undefined)
      where.push(`(p.name ILIKE ${bind(`%${likeText(filter.q)}%`)} OR p.description ILIKE $${parameters.length})`);
    const conditions = where.join(' AND ');
    const [count] = await this.work.query<{ total: string }>(`SELECT count(*) AS total FROM pools p WHERE ${conditions}`, parameters);
    const items = await this.work.query<PoolRow>(
      `${SELECT_POOL} WHERE ${conditions} ORDER BY ${ORDER[filter.sort ?? 'network']} LIMIT ${bind(filter.limit)} OFFSET ${bind(filter.offset)}`,
      parameters,
    );
    return { items, total: Number(count?.total ?? 0) };
  }

  /** The other pool with this name in the VRF, so that a conflict can name it. */
  async withName(vrfId: string, name: string, except?: string): Promise<{ id: string; network: string } | undefined> {
    const rows = await this.work.query<{ id: string; network: string }>(
      `SELECT id, network FROM pools WHERE vrf_id = $1 AND lower(name) = lower($2) AND kind <> 'root' AND id IS DISTINCT FROM $3`,
      [vrfId, name, except ?? null],
    );
    return rows[0];
  }

  /** Finds the place of a new pool, moves what it will cover, and inserts it. The database refuses what does not fit. */
  async insert(
    id: string,
    vrfId: string,
    pool: PoolAttributes,
    createdBy: string,
  ): Promise<{ movedPools: number; movedAllocations: number }> {
    await this.requireInside(vrfId, pool.network);
    const [room] = await this.work.query<{ parent_id: string; moved_pools: number; moved_allocations: number }>(
      'SELECT * FROM ipam_make_room($1, $2, $3)',
      [vrfId, pool.network, id],
    );
    await this.work.query(
      `INSERT INTO pools (id, vrf_id, parent_id, kind, name, network, gateway, vlan, site, environment, tags, description, active, cooldown_seconds, created_by)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
      [id, vrfId, room?.parent_id, ...values(pool), createdBy],
    );
    return { movedPools: room?.moved_pools ?? 0, movedAllocations: room?.moved_allocations ?? 0 };
  }

  async resize(id: string, vrfId: string, network: string): Promise<void> {
    await this.requireInside(vrfId, network);
    await this.work.query('SELECT ipam_resize($1, $2)', [id, network]);
  }

  async update(id: string, pool: PoolAttributes): Promise<void> {
    await this.work.query(
      `UPDATE pools SET kind = $2, name = $3, network = $4, gateway = $5, vlan = $6, site = $7, environment = $8, tags = $9, description = $10,
              active = $11, cooldown_seconds = $12, version = version + 1, updated_at = now()
        WHERE id = $1`,
      [id, ...values(pool)],
    );
  }

  /** Before anything else is said of a network: what stands beyond the caller's limits is none of their business. Throws `outside_networks`. */
  private async requireInside(vrfId: string, network: string): Promise<void> {
    if (currentContext()?.scope) await this.work.query('SELECT scoped.require_inside($1, $2)', [vrfId, network]);
  }

  /** Its child pools refuse, or move to its parent when `lift`. */
  async delete(id: string, lift: boolean): Promise<void> {
    await this.work.query('SELECT ipam_delete($1, $2)', [id, lift]);
  }

  /** The lowest free aligned block of a length; undefined when there is none. Holds the pool's space until the transaction ends. */
  async nextBlock(id: string, length: number): Promise<string | undefined> {
    const [row] = await this.work.query<{ network: string | null }>('SELECT ipam_next_block($1, $2) AS network', [id, length]);
    return row?.network ?? undefined;
  }
}

function values(pool: PoolAttributes): unknown[] {
  const { kind, name, network, gateway, vlan, site, environment, tags, description, active, cooldownSeconds } = pool;
  return [kind, name, network, gateway, vlan, site, environment, tags, description, active, cooldownSeconds];
}

/** The text with LIKE's own characters made literal. */
export function likeText(text: string): string {
  return text.replaceAll(/[\\%_]/g, String.raw`\$&`);
}
