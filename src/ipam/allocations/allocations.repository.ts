import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Allocation, type AllocationStatus } from './allocation.entity.js';

/** What is recorded of a holder. */
export interface Holder {
  status: AllocationStatus;
  hostname: string | null;
  mac: string | null;
  owner: string | null;
  purpose: string | null;
  description: string;
}

export const ALLOCATION_COLUMNS = `
  a.id, a.vrf_id AS "vrfId", a.pool_id AS "poolId", host(a.address) AS address, host(a.last_address) AS "lastAddress", a.status, a.hostname,
  a.mac, a.owner, a.purpose, a.description, a.version, a.allocated_at AS "allocatedAt", a.allocated_by AS "allocatedBy",
  a.updated_at AS "updatedAt", a.released_at AS "releasedAt", a.released_by AS "releasedBy", a.quarantined_until AS "quarantinedUntil",
  a.returned_at AS "returnedAt"`;

export const BY_ID = `SELECT ${ALLOCATION_COLUMNS} FROM allocations a WHERE a.id = $1`;
const BY_ID_LOCKED = `${BY_ID} FOR NO KEY UPDATE`;

// One statement finds, takes and records: the pool's space is held from ipam_next_free to the end of the transaction.
export const NEXT = `
  INSERT INTO allocations AS a (vrf_id, pool_id, address, last_address, status, hostname, mac, owner, purpose, description, allocated_by)
  SELECT p.vrf_id, p.id, n.address, n.address, r.status, r.hostname, r.mac, r.owner, r.purpose, r.description, r.by
    FROM pools p
   CROSS JOIN LATERAL ipam_next_free(p.id, $2, $3) WITH ORDINALITY AS n (address, place)
    JOIN unnest($4::int[], $5::text[], $6::text[], $7::macaddr[], $8::text[], $9::text[], $10::text[], $11::text[])
         AS r (last_place, status, hostname, mac, owner, purpose, description, by)
      ON n.place <= r.last_place AND n.place > r.last_place - $12::int
   WHERE p.id = $1
   ORDER BY n.place
  RETURNING ${ALLOCATION_COLUMNS}`;

const INSERT = `
  INSERT INTO allocations AS a (vrf_id, pool_id, address, last_address, status, hostname, mac, owner, purpose, description, allocated_by)
  SELECT $1, $2, n.first, n.last, $5, $6, $7, $8, $9, $10, $11 FROM unnest($3::inet[], $4::inet[]) AS n (first, last)
  RETURNING ${ALLOCATION_COLUMNS}`;

export const PAGE = `
  SELECT ${ALLOCATION_COLUMNS} FROM allocations a
   WHERE a.pool_id = $1 AND a.returned_at IS NULL AND a.address > $2::inet
     AND CASE $3::text WHEN 'live' THEN a.released_at IS NULL WHEN 'held' THEN true WHEN 'quarantined' THEN a.released_at IS NOT NULL
              ELSE a.released_at IS NULL AND a.status = $3 END
   ORDER BY a.address LIMIT $4`;

const HISTORY = `
  SELECT ${ALLOCATION_COLUMNS} FROM allocations a
   WHERE a.vrf_id = $1 AND a.address = $2::inet AND ($3::timestamptz IS NULL OR (a.allocated_at <= $3 AND (a.released_at IS NULL OR a.released_at > $3)))
  UNION ALL
  SELECT ${ALLOCATION_COLUMNS} FROM allocations a
   WHERE a.vrf_id = $1 AND a.address <> a.last_address AND a.address < $2::inet AND a.last_address >= $2::inet
     AND ($3::timestamptz IS NULL OR (a.allocated_at <= $3 AND (a.released_at IS NULL OR a.released_at > $3)))
   ORDER BY "allocatedAt" DESC, id DESC LIMIT 1000`;

@Injectable()
export class AllocationsRepository {
  constructor(private readonly work: UnitOfWork) {}

  async byId(id: string): Promise<Allocation | undefined> {
    return (await this.work.query<Allocation & object>(BY_ID, [id]))[0];
  }

  async byIdLocked(id: string): Promise<Allocation | undefined> {
    return (await this.work.query<Allocation & object>(BY_ID_LOCKED, [id]))[0];
  }

  /**
   * Free addresses of one pool for holders that want `count` each, in order; fewer rows come back when there is no room. One round trip:
   * an unknown pool, or one that holds no addresses, has no free address either.
   */
  async insertNext(poolId: string, holders: readonly (Holder & { by: string })[], count: number, anywhere: boolean): Promise<Allocation[]> {
    return this.work.query<Allocation & object>(NEXT, [
      poolId,
      count * holders.length,
      anywhere,
      holders.map((_, i) => (i + 1) * count),
      holders.map((h) => h.status),
      holders.map((h) => h.hostname),
      holders.map((h) => h.mac),
      holders.map((h) => h.owner),
      holders.map((h) => h.purpose),
      holders.map((h) => h.description),
      holders.map((h) => h.by),
      count,
    ]);
  }

  /** Named addresses or ranges, `[first, last]` each, all for one holder. The database refuses those that are not free. */
  async insert(
    vrfId: string,
    poolId: string,
    ranges: readonly (readonly [string, string])[],
    holder: Holder,
    by: string,
  ): Promise<Allocation[]> {
    return this.work.query<Allocation & object>(INSERT, [
      vrfId,
      poolId,
      ranges.map(([first]) => first),
      ranges.map(([, last]) => last),
      holder.status,
      holder.hostname,
      holder.mac,
      holder.owner,
      holder.purpose,
      holder.description,
      by,
    ]);
  }

  /** A pool's addresses after one, in order. `which`: a status, `live`, `quarantined`, or `held` for both. */
  async page(poolId: string, after: string, which: string, limit: number): Promise<Allocation[]> {
    return this.work.query<Allocation & object>(PAGE, [poolId, after, which, limit]);
  }

  /** Every holder an address ever had, newest first; only the one at a time when `at` is given. */
  async history(vrfId: string, ip: string, at: Date | undefined): Promise<Allocation[]> {
    return this.work.query<Allocation & object>(HISTORY, [vrfId, ip, at ?? null]);
  }

  /** What holds space of a pool between two addresses, in order: live ranges are disjoint, so only the nearest below can reach in. */
  async holding(poolId: string, first: string, last: string): Promise<Allocation[]> {
    return this.work.query<Allocation & object>(
      `SELECT ${ALLOCATION_COLUMNS} FROM (
         (SELECT * FROM allocations b WHERE b.pool_id = $1 AND b.returned_at IS NULL AND b.address < $2::inet ORDER BY b.address DESC LIMIT 1)
         UNION ALL
         (SELECT * FROM allocations b WHERE b.pool_id = $1 AND b.returned_at IS NULL AND b.address BETWEEN $2::inet AND $3::inet)
       ) a WHERE a.last_address >= $2::inet ORDER BY a.address`,
      [poolId, first, last],
    );
  }

  /** The free runs of a pool between two addresses, clipped to them. Holds the pool's space until the transaction ends. */
  async freeRuns(poolId: string, first: string, last: string): Promise<{ first: string; last: string }[]> {
    await this.work.query('SELECT ipam_lock($1), ipam_return_due($1)', [poolId]);
    return this.work.query<{ first: string; last: string }>(
      `SELECT host(ipam_inet(p.family, greatest(e.lo, ipam_number($2)))) AS first, host(ipam_inet(p.family, least(e.hi, ipam_number($3)))) AS last
         FROM pools p JOIN extents e ON e.pool_id = p.id
        WHERE p.id = $1 AND e.hi >= ipam_number($2) AND e.lo <= ipam_number($3) ORDER BY e.hi`,
      [poolId, first, last],
    );
  }

  /** Holds a pool's space until the transaction ends, and refuses with the reason when a range of it is not free. */
  async requireFree(poolId: string, first: string, last: string): Promise<void> {
    await this.work.query('SELECT ipam_require_free($1, $2::inet, $3::inet)', [poolId, first, last]);
  }

  /** Pools that keep addresses whose rest is over. */
  async poolsWithRested(limit: number): Promise<string[]> {
    const rows = await this.work.query<{ pool_id: string }>(
      `SELECT DISTINCT pool_id FROM (
         SELECT pool_id FROM allocations WHERE returned_at IS NULL AND quarantined_until <= now() ORDER BY quarantined_until LIMIT $1
       ) rested`,
      [limit],
    );
    return rows.map(({ pool_id }) => pool_id);
  }

  /** Gives back what has rested long enough in a pool. */
  async returnRested(poolId: string): Promise<void> {
    await this.work.run(() => this.work.query('SELECT ipam_lock($1), ipam_return_due($1)', [poolId]));
  }

  async update(id: string, holder: Holder): Promise<void> {
    await this.work.query(
      `UPDATE allocations SET status = $2, hostname = $3, mac = $4, owner = $5, purpose = $6, description = $7, version = version + 1, updated_at = now()
        WHERE id = $1`,
      [id, holder.status, holder.hostname, holder.mac, holder.owner, holder.purpose, holder.description],
    );
  }

  async setStatus(ids: readonly string[], status: AllocationStatus): Promise<Allocation[]> {
    return this.work.query<Allocation & object>(
      `UPDATE allocations a SET status = $2, version = version + 1, updated_at = now() WHERE a.id = ANY ($1) RETURNING ${ALLOCATION_COLUMNS}`,
      [ids, status],
    );
  }

  /** Ends allocations. An address that was in use rests for its pool's cooldown; a reservation or block ends at once. */
  async release(ids: readonly string[], by: string): Promise<Allocation[]> {
    return this.work.query<Allocation & object>(
      `UPDATE allocations a SET released_at = now(), released_by = $2, version = a.version + 1, updated_at = now(),
              quarantined_until = CASE WHEN a.status = 'allocated' AND p.cooldown_seconds > 0 THEN now() + make_interval(secs => p.cooldown_seconds) END,
              returned_at = CASE WHEN a.status = 'allocated' AND p.cooldown_seconds > 0 THEN NULL ELSE now() END
         FROM pools p WHERE a.id = ANY ($1) AND p.id = a.pool_id RETURNING ${ALLOCATION_COLUMNS}`,
      [ids, by],
    );
  }
}
