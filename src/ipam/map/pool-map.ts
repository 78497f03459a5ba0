import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { cursorOf, keyOf } from '../../platform/http/cursor.js';
import { type Cidr, contains, formatCidr, formatIp, lastOf, parseCidr, sizeOf, widthOf } from '../domain/ip.js';
import { cidrParameter } from '../ip-validators.js';
import { PoolsService } from '../pools/pools.service.js';
import { type MapCell, type MapFilter, type MapStatus, type PoolMap } from './map.dto.js';

interface RunRow {
  lo: string;
  hi: string;
  status: MapStatus;
  id: string | null;
}

// Everything that fills a pool from one number on, in order: what is free, who holds, what is carved, and the addresses that are never given
// out. Each branch walks its own index and stops at the limit, so a page costs its own length whatever the pool's size.
const RUNS = `
  WITH p AS (SELECT p.*, u.lo AS usable_lo, u.hi AS usable_hi FROM pools p, ipam_usable(p.kind, p.network) u WHERE p.id = $1)
  SELECT r.lo::text, r.hi::text, r.status, r.id FROM (
    (SELECT e.lo, e.hi, 'free' AS status, NULL::uuid AS id FROM extents e
      WHERE e.pool_id = $1 AND e.hi >= $2 AND e.lo <= $3 ORDER BY e.hi LIMIT $4)
    UNION ALL
    (SELECT ipam_number(a.address), ipam_number(a.last_address), CASE WHEN a.released_at IS NULL THEN a.status ELSE 'quarantined' END, a.id
       FROM allocations a, p
      WHERE a.pool_id = $1 AND a.returned_at IS NULL AND a.address >= ipam_inet(p.family, $2) AND a.address <= ipam_inet(p.family, $3)
      ORDER BY a.address LIMIT $4)
    UNION ALL
    (SELECT x.lo, x.hi, x.status, x.id FROM (
       SELECT ipam_number(a.address) AS lo, ipam_number(a.last_address) AS hi, CASE WHEN a.released_at IS NULL THEN a.status ELSE 'quarantined' END AS status, a.id
         FROM allocations a, p
        WHERE a.pool_id = $1 AND a.returned_at IS NULL AND a.address <> a.last_address AND a.address < ipam_inet(p.family, $2)
        ORDER BY a.address DESC LIMIT 1) x WHERE x.hi >= $2)
    UNION ALL
    (SELECT lower(c.span), upper(c.span) - 1, 'pool', c.id FROM pools c
      WHERE c.parent_id = $1 AND lower(c.span) BETWEEN $2 AND $3 ORDER BY lower(c.span) LIMIT $4)
    UNION ALL
    (SELECT x.lo, x.hi, 'pool', x.id FROM (
       SELECT lower(c.span) AS lo, upper(c.span) - 1 AS hi, c.id FROM pools c WHERE c.parent_id = $1 AND lower(c.span) < $2 ORDER BY lower(c.span) DESC LIMIT 1
     ) x WHERE x.hi >= $2)
    UNION ALL
    (SELECT ipam_number(p.gateway), ipam_number(p.gateway), 'gateway', NULL FROM p WHERE p.gateway IS NOT NULL AND ipam_number(p.gateway) BETWEEN $2 AND $3)
    UNION ALL
    (SELECT lower(p.span), lower(p.span), 'network', NULL FROM p WHERE p.usable_lo > lower(p.span) AND lower(p.span) >= $2
        AND NOT EXISTS (SELECT FROM pools c WHERE c.parent_id = p.id AND c.span @> lower(p.span)))
    UNION ALL
    (SELECT upper(p.span) - 1, upper(p.span) - 1, 'broadcast', NULL FROM p WHERE p.usable_hi < upper(p.span) - 1 AND upper(p.span) - 1 <= $3
        AND NOT EXISTS (SELECT FROM pools c WHERE c.parent_id = p.id AND c.span @> (upper(p.span) - 1)))
  ) r ORDER BY r.lo LIMIT $4`;

/** Which addresses of a pool are what, for a /30 and a /64 alike. */
@Injectable()
export class PoolMaps {
  constructor(
    private readonly work: UnitOfWork,
    private readonly pools: PoolsService,
  ) {}

  async of(poolId: string, filter: MapFilter): Promise<PoolMap> {
    const pool = await this.pools.get(poolId);
    const network = parseCidr(pool.network);
    return filter.view === 'runs' ? this.runs(poolId, network, filter) : this.cells(poolId, network, filter);
  }

  private async runs(poolId: string, network: Cidr, filter: MapFilter): Promise<PoolMap> {
    const limit = filter.limit ?? 1000;
    const from = filter.after === undefined ? network.first : numberKey(filter.after);
    const rows = await this.work.query<RunRow>(RUNS, [poolId, from.toString(), lastOf(network).toString(), limit + 1]);
    const shown = rows.slice(0, limit);
    const next = rows.length > limit ? rows[limit] : undefined;
    return {
      network: formatCidr(network),
      cells: shown.map((row) =>
        cellOf(
          network,
          BigInt(row.lo),
          BigInt(row.hi),
          row.status,
          row.status === 'free' ? BigInt(row.hi) - BigInt(row.lo) + 1n : 0n,
          row.id,
        ),
      ),
      next: next ? cursorOf([next.lo]) : null,
    };
  }

  /** Equal parts. A part of one address has its status; a larger one is free, mixed, or what fills it. */
  private async cells(poolId: string, pool: Cidr, filter: MapFilter): Promise<PoolMap> {
    const window = filter.network === undefined ? pool : cidrParameter('network', filter.network);
    if (!contains(pool, window))
      throw new AppError('unparsable', 'invalid_query', `network must lie inside ${formatCidr(pool)}.`, {
        errors: [{ pointer: '?network', code: 'outside_pool', detail: `must lie inside ${formatCidr(pool)}` }],
      });
    const bits = Math.min(Math.log2(filter.cells ?? 256), widthOf(window.family) - window.length);
    const step = sizeOf(window) >> BigInt(bits);
    if (step > 1n) return { network: formatCidr(window), cells: await this.parts(poolId, window, step, 1 << bits), next: null };
    const rows = await this.work.query<RunRow>(RUNS, [poolId, window.first.toString(), lastOf(window).toString(), 2 * (1 << bits)]);
    const cells = rows.flatMap((row) => {
      const lo = max(BigInt(row.lo), window.first);
      const hi = min(BigInt(row.hi), lastOf(window));
      return Array.from({ length: Number(hi - lo) + 1 }, (_, i) =>
        cellOf(window, lo + BigInt(i), lo + BigInt(i), row.status, row.status === 'free' ? 1n : 0n, row.id),
      );
    });
    return { network: formatCidr(window), cells, next: null };
  }

  private async parts(poolId: string, window: Cidr, step: bigint, count: number): Promise<MapCell[]> {
    const free = await this.work.query<{ part: number; free: string }>(
      `SELECT g.part, sum(least(e.hi, $2::numeric + (g.part + 1) * $3::numeric - 1) - greatest(e.lo, $2 + g.part * $3) + 1)::text AS free
         FROM extents e
        CROSS JOIN LATERAL generate_series(div(greatest(e.lo, $2) - $2, $3)::int, div(least(e.hi, $4) - $2, $3)::int) AS g (part)
        WHERE e.pool_id = $1 AND e.hi >= $2 AND e.lo <= $4
        GROUP BY g.part`,
      [poolId, window.first.toString(), step.toString(), lastOf(window).toString()],
    );
    const children = await this.work.query<{ id: string; network: string }>(
      `SELECT id, network FROM pools WHERE parent_id = $1 AND network >>= ANY ($2::cidr[])`,
      [
        poolId,
        Array.from({ length: count }, (_, i) =>
          formatCidr({ family: window.family, first: window.first + BigInt(i) * step, length: window.length + Math.log2(count) }),
        ),
      ],
    );
    const byPart = new Map(free.map((row) => [row.part, BigInt(row.free)]));
    const carved = children.map((child) => ({ id: child.id, network: parseCidr(child.network) }));
    return Array.from({ length: count }, (_, i) => {
      const first = window.first + BigInt(i) * step;
      const inFree = byPart.get(i) ?? 0n;
      const child = carved.find(({ network }) => network.first <= first && lastOf(network) >= first + step - 1n);
      const status = inFree === step ? 'free' : child ? 'pool' : inFree === 0n ? 'full' : 'mixed';
      return cellOf(window, first, first + step - 1n, status, inFree, child?.id ?? null);
    });
  }
}

function cellOf(network: Cidr, lo: bigint, hi: bigint, status: MapStatus, free: bigint, id: string | null): MapCell {
  const text = (value: bigint): string => formatIp({ family: network.family, value });
  return { first: text(lo), last: text(hi), size: (hi - lo + 1n).toString(), status, free: free.toString(), id };
}

function numberKey(cursor: string): bigint {
  const [key = ''] = keyOf(cursor, 1);
  return /^\d{1,39}$/.test(key) ? BigInt(key) : BigInt(keyOf('', 1)[0] ?? 0);
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
