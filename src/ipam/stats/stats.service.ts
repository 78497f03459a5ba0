import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { formatCidr, formatIp, parseCidr, widthOf } from '../domain/ip.js';
import { PoolsService } from '../pools/pools.service.js';
import {
  type AddressTotals,
  type Alert,
  type AlertFilter,
  type GroupTotals,
  type PoolAnalytics,
  type Stats,
  type TopPool,
} from './stats.dto.js';

// A subnet's own addresses: what child pools carve out of it is counted in them.
const TOTALS = `
  count(*)::int AS subnets, coalesce(sum(u.usable - u.pools), 0)::text AS usable, coalesce(sum(u.allocated), 0)::text AS allocated,
  coalesce(sum(u.reserved), 0)::text AS reserved, coalesce(sum(u.blocked), 0)::text AS blocked,
  coalesce(sum(u.quarantined), 0)::text AS quarantined, coalesce(sum(u.free), 0)::text AS free,
  round(sum(u.usable - u.pools - u.free) * 100 / nullif(sum(u.usable - u.pools), 0), 2)::float8 AS utilization`;
const FROM = `FROM pools p JOIN pool_usage u ON u.pool_id = p.id WHERE p.kind = 'subnet' AND ($1::uuid IS NULL OR p.vrf_id = $1)`;

@Injectable()
export class StatsService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly pools: PoolsService,
  ) {}

  async overall(vrfId: string | undefined): Promise<Stats> {
    const of = [vrfId ?? null];
    const [counts] = await this.work.query<{ vrfs: number; containers: number }>(
      `SELECT (SELECT count(*)::int FROM vrfs WHERE $1::uuid IS NULL OR id = $1) AS vrfs,
              (SELECT count(*)::int FROM pools p WHERE p.kind = 'container' AND ($1::uuid IS NULL OR p.vrf_id = $1)) AS containers`,
      of,
    );
    const [total] = await this.work.query<AddressTotals & object>(`SELECT ${TOTALS} ${FROM}`, of);
    const group = (column: 'site' | 'environment'): Promise<(GroupTotals & object)[]> =>
      this.work.query<GroupTotals & object>(
        `SELECT p.${column} AS name, ${TOTALS} ${FROM} GROUP BY p.${column} ORDER BY p.${column} NULLS LAST`,
        of,
      );
    const topUsed = await this.work.query<TopPool & object>(
      `SELECT p.id, p.vrf_id AS "vrfId", p.name, p.network, round((u.usable - u.free) * 100 / u.usable, 2)::float8 AS utilization, u.free::text
         ${FROM} ORDER BY (u.usable - u.free) / u.usable DESC, p.network, p.id LIMIT 10`,
      of,
    );
    if (!counts || !total) throw new Error('an aggregate without rows');
    return { ...counts, total, bySite: await group('site'), byEnvironment: await group('environment'), topUsed };
  }

  async analytics(poolId: string): Promise<PoolAnalytics> {
    const pool = await this.pools.get(poolId);
    const blocks = await this.work.query<{ length: number; extents: number }>(
      'SELECT fit::int AS length, count(*)::int AS extents FROM extents WHERE pool_id = $1 GROUP BY fit ORDER BY fit',
      [poolId],
    );
    const [largest] = await this.work.query<{ size: string | null; lo: string | null }>(
      `SELECT (SELECT max(hi - lo + 1)::text FROM extents WHERE pool_id = $1) AS size,
              (SELECT lo::text FROM extents WHERE pool_id = $1 ORDER BY fit, hi LIMIT 1) AS lo`,
      [poolId],
    );
    const [trend] = await this.work.query<{ slope: number | null }>(
      `SELECT regr_slope(used::float8, day - date '2000-01-01') AS slope FROM (SELECT * FROM pool_usage_samples WHERE pool_id = $1 ORDER BY day DESC LIMIT 30) s`,
      [poolId],
    );
    const free = BigInt(pool.free);
    const best = blocks[0];
    const growth = trend?.slope ?? null;
    return {
      poolId,
      network: pool.network,
      free: pool.free,
      extents: blocks.reduce((sum, { extents }) => sum + extents, 0),
      largestBlock: best && largest?.lo != null ? blockFrom(pool.network, BigInt(largest.lo), best.length) : null,
      blocks,
      fragmentation: free === 0n || largest?.size == null ? null : Math.round((1 - Number(largest.size) / Number(free)) * 10_000) / 10_000,
      growthPerDay: growth === null ? null : Math.round(growth * 1000) / 1000,
      daysToExhaustion: growth !== null && growth > 0 ? Math.floor(Number(free) / growth) : null,
    };
  }

  async alerts(filter: AlertFilter): Promise<{ items: Alert[]; total: number }> {
    const where = filter.open === undefined ? 'true' : filter.open ? 'a.cleared_at IS NULL' : 'a.cleared_at IS NOT NULL';
    const [count] = await this.work.query<{ total: number }>(`SELECT count(*)::int AS total FROM pool_alerts a WHERE ${where}`);
    const items = await this.work.query<Alert & object>(
      `SELECT a.id, a.pool_id AS "poolId", p.network, a.threshold, a.utilization::float8, to_json(a.raised_at) #>> '{}' AS "raisedAt",
              to_json(a.cleared_at) #>> '{}' AS "clearedAt"
         FROM pool_alerts a JOIN pools p ON p.id = a.pool_id WHERE ${where} ORDER BY a.raised_at DESC, a.id DESC LIMIT $1 OFFSET $2`,
      [filter.limit, filter.offset],
    );
    return { items, total: count?.total ?? 0 };
  }

  /** Notes today's use of every pool, once a day, for the trend. Returns how many pools were noted. */
  async sample(): Promise<number> {
    const noted = await this.work.query(
      `INSERT INTO pool_usage_samples (pool_id, day, used)
       SELECT u.pool_id, (now() AT TIME ZONE 'UTC')::date, u.usable - u.free FROM pool_usage u JOIN pools p ON p.id = u.pool_id WHERE p.kind <> 'root'
       ON CONFLICT (pool_id, day) DO UPDATE SET used = excluded.used RETURNING pool_id`,
    );
    return noted.length;
  }
}

/** The lowest aligned block of a length at or above a number. */
function blockFrom(network: string, lo: bigint, length: number): string {
  const { family } = parseCidr(network);
  const size = 1n << BigInt(widthOf(family) - length);
  const first = ((lo + size - 1n) / size) * size;
  return length === widthOf(family) ? `${formatIp({ family, value: first })}/${length}` : formatCidr({ family, first, length });
}
