import { Injectable } from '@nestjs/common';
import { actorName } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { withoutLoops } from './without-loops.js';

const PENDING = `r.outcome IS NULL AND r.file = 'prefixes'`;
const REFUSE = `UPDATE import_rows r SET outcome = 'refused',`;

const REPEATED = `
  ${REFUSE} code = 'duplicate_in_file', detail = 'Line ' || d.first || ' has the same network in the same VRF.'
    FROM (SELECT r.seq, first_value(r.line) OVER w AS first, row_number() OVER w AS n FROM import_rows r WHERE ${PENDING}
          WINDOW w AS (PARTITION BY r.vrf_id, r.network ORDER BY r.seq)) d
   WHERE d.seq = r.seq AND d.n > 1`;

/** $1: the columns the file has; what it does not say cannot differ. */
const STORED = `
  UPDATE import_rows r SET outcome = CASE WHEN d.fields = '{}' THEN 'unchanged' ELSE 'differs' END,
         code = CASE WHEN d.fields <> '{}' THEN 'differs' END,
         detail = CASE WHEN d.fields <> '{}' THEN 'The stored pool has another ' || array_to_string(d.fields, ', ') || '; it stays.' END
    FROM (SELECT r.seq, array_remove(ARRAY[
                   CASE WHEN 'status' = ANY ($1::text[]) AND p.kind <> r.kind THEN 'kind' END,
                   CASE WHEN 'name' = ANY ($1::text[]) AND p.name <> r.name THEN 'name' END,
                   CASE WHEN 'gateway' = ANY ($1::text[]) AND p.gateway IS DISTINCT FROM r.gateway THEN 'gateway' END,
                   CASE WHEN 'vlan' = ANY ($1::text[]) AND p.vlan IS DISTINCT FROM r.vlan THEN 'vlan' END,
                   CASE WHEN 'site' = ANY ($1::text[]) AND p.site IS DISTINCT FROM r.site THEN 'site' END,
                   CASE WHEN 'environment' = ANY ($1::text[]) AND p.environment IS DISTINCT FROM r.environment THEN 'environment' END,
                   CASE WHEN $1::text[] && '{tags,role,tenant}' AND NOT (p.tags @> r.tags AND p.tags <@ r.tags) THEN 'tags' END,
                   CASE WHEN 'description' = ANY ($1::text[]) AND p.description <> r.description THEN 'description' END,
                   CASE WHEN 'active' = ANY ($1::text[]) AND p.active <> r.active THEN 'active' END,
                   CASE WHEN 'cooldown_seconds' = ANY ($1::text[]) AND p.cooldown_seconds <> r.cooldown_seconds THEN 'cooldown' END], NULL) AS fields
            FROM import_rows r JOIN pools p ON p.vrf_id = r.vrf_id AND p.network = r.network AND p.kind <> 'root' WHERE ${PENDING}) d
   WHERE d.seq = r.seq`;

const NAME_TAKEN = `
  ${REFUSE} code = 'pool_name_taken', detail = 'The pool ' || d.owner || ' has the name ' || r.name || '.'
    FROM (SELECT p.seq, p.owner FROM (
            SELECT r.seq, coalesce(s.network, first_value(r.network) OVER w) AS owner, row_number() OVER w AS n, s.id AS stored
              FROM import_rows r LEFT JOIN pools s ON s.vrf_id = r.vrf_id AND lower(s.name) = lower(r.name) AND s.kind <> 'root'
             WHERE ${PENDING} WINDOW w AS (PARTITION BY r.vrf_id, lower(r.name) ORDER BY r.seq)) p
           WHERE p.stored IS NOT NULL OR p.n > 1) d
   WHERE d.seq = r.seq`;

/** The smallest stored pool around each new one, its VRF's root where there is no other. */
const PLACE = `
  WITH lengths AS (
    SELECT DISTINCT p.vrf_id, p.family, masklen(p.network) AS length FROM pools p
     WHERE p.kind <> 'root' AND p.vrf_id IN (SELECT r.vrf_id FROM import_rows r WHERE ${PENDING})
  ), around AS (
    SELECT DISTINCT ON (r.seq) r.seq, p.id
      FROM import_rows r JOIN lengths l ON l.vrf_id = r.vrf_id AND l.family = family(r.network) AND l.length < masklen(r.network)
      JOIN pools p ON p.vrf_id = r.vrf_id AND p.network = set_masklen(r.network, l.length) AND p.kind <> 'root'
     WHERE ${PENDING} ORDER BY r.seq, l.length DESC
  )
  UPDATE import_rows r SET held_by = coalesce(around.id, root.id)
    FROM import_rows self JOIN pools root ON root.vrf_id = self.vrf_id AND root.family = family(self.network) AND root.kind = 'root'
    LEFT JOIN around ON around.seq = self.seq
   WHERE self.seq = r.seq AND ${PENDING}`;

/** Everyone who wants space of these pools waits; quarantines that are over give it back first. */
const HOLD = `SELECT u.pool_id FROM pool_usage u WHERE u.pool_id IN (SELECT r.held_by FROM import_rows r WHERE ${PENDING}) ORDER BY u.pool_id FOR NO KEY UPDATE`;
const RETURN_DUE = `
  SELECT ipam_return_due(p.id) FROM pools p WHERE p.kind = 'subnet' AND p.id IN (SELECT r.held_by FROM import_rows r WHERE ${PENDING})`;

/** A range lies in one pool: those of a pool are disjoint, so only the nearest below either end of a network can be cut by it. */
const CUTS_RANGE = `
  ${REFUSE} code = 'pool_cuts_range', detail = r.network || ' would cut the ' || a.status || ' range ' || host(a.address) || '–' || host(a.last_address) || '.'
    FROM (SELECT r.seq, cut.status, cut.address, cut.last_address
            FROM import_rows r JOIN pools h ON h.id = r.held_by AND h.kind = 'subnet' CROSS JOIN LATERAL (
              SELECT x.* FROM (
                (SELECT a.* FROM allocations a WHERE a.pool_id = h.id AND a.address <> a.last_address AND a.returned_at IS NULL
                    AND a.address < host(r.network)::inet ORDER BY a.address DESC LIMIT 1)
                UNION ALL
                (SELECT a.* FROM allocations a WHERE a.pool_id = h.id AND a.address <> a.last_address AND a.returned_at IS NULL
                    AND a.address <= host(broadcast(r.network))::inet ORDER BY a.address DESC LIMIT 1)) x
               WHERE x.last_address >= host(r.network)::inet AND NOT (x.address <<= r.network AND x.last_address <<= r.network) LIMIT 1) cut
           WHERE ${PENDING}) a
   WHERE a.seq = r.seq`;

/** A gateway belongs to its pool: no child may lie over it. */
const OVER_GATEWAY = `
  ${REFUSE} code = 'address_is_gateway', detail = host(g.gateway) || ' is the gateway of ' || g.network || '.'
    FROM (SELECT r.seq, p.gateway, p.network FROM import_rows r JOIN pools p ON p.id = r.held_by AND p.gateway <<= r.network WHERE ${PENDING}
          UNION ALL
          SELECT r.seq, g.gateway, g.network FROM import_rows r
            JOIN import_rows g ON g.outcome IS NULL AND g.file = 'prefixes' AND g.vrf_id = r.vrf_id AND g.gateway <<= r.network AND r.network << g.network
           WHERE ${PENDING} AND EXISTS (SELECT FROM import_rows x WHERE x.gateway IS NOT NULL)) g
   WHERE g.seq = r.seq`;
const GATEWAY_TAKEN = `
  ${REFUSE} code = t.code, detail = host(r.gateway) || t.why
    FROM (SELECT r.seq, CASE WHEN c.id IS NULL THEN 'address_taken' ELSE 'address_in_child_pool' END AS code,
                 coalesce(' lies in the pool ' || c.network || '.', ' is ' || a.status || '.') AS why
            FROM import_rows r
            LEFT JOIN LATERAL (SELECT p.id, p.network FROM pools p WHERE p.vrf_id = r.vrf_id AND p.kind <> 'root'
                                AND p.network = ANY (ipam_supernets(r.gateway)) AND p.network << r.network LIMIT 1) c ON true
            LEFT JOIN LATERAL (SELECT a.status FROM allocations a WHERE a.pool_id = r.held_by AND a.returned_at IS NULL AND a.address <= r.gateway
                                AND a.last_address >= r.gateway LIMIT 1) a ON true
           WHERE ${PENDING} AND r.gateway IS NOT NULL AND (c.id IS NOT NULL OR a.status IS NOT NULL)) t
   WHERE t.seq = r.seq`;

/** Addresses that would fall to a new pool which cannot have them. One refusal lets them fall to the next pool around, so this is asked until it finds none. */
const CANNOT_HOLD = `
  WITH fall AS (
    SELECT DISTINCT ON (a.id) a.id, a.address, a.last_address, r.seq, r.kind, r.network
      FROM import_rows r JOIN pools p ON p.id = r.held_by AND p.kind = 'subnet'
      JOIN allocations a ON a.pool_id = p.id AND a.returned_at IS NULL AND a.address BETWEEN host(r.network)::inet AND host(broadcast(r.network))::inet
     WHERE ${PENDING} ORDER BY a.id, masklen(r.network) DESC
  ), bad AS (
    SELECT DISTINCT ON (f.seq) f.seq, CASE
             WHEN f.kind = 'container' THEN 'pool_holds_addresses'
             WHEN f.address = host(f.network)::inet THEN 'address_is_network_address'
             ELSE 'address_is_broadcast_address' END AS code,
           CASE WHEN f.kind = 'container' THEN f.network || ' covers addresses that are held, so it cannot be a container.'
                ELSE host(CASE WHEN f.address = host(f.network)::inet THEN f.address ELSE f.last_address END) || ' is held, and would be an end of ' || f.network || '.' END AS why
      FROM fall f
     WHERE f.kind = 'container'
        OR (masklen(f.network) <= ipam_width(family(f.network)) - 2 AND f.address = host(f.network)::inet)
        OR (family(f.network) = 4 AND masklen(f.network) <= 30 AND f.last_address = host(broadcast(f.network))::inet)
     ORDER BY f.seq, f.address
  )
  ${REFUSE} code = bad.code, detail = bad.why FROM bad WHERE bad.seq = r.seq RETURNING r.seq`;

/** The parent of each new pool: the smallest new one around it, else the stored one. */
const PARENTS = `
  WITH lengths AS (SELECT DISTINCT r.vrf_id, family(r.network) AS family, masklen(r.network) AS length FROM import_rows r WHERE ${PENDING}),
  around AS (
    SELECT DISTINCT ON (r.seq) r.seq, n.id
      FROM import_rows r
      JOIN pools held ON held.id = r.held_by
      JOIN lengths l ON l.vrf_id = r.vrf_id AND l.family = family(r.network) AND l.length < masklen(r.network)
                    AND l.length > CASE held.kind WHEN 'root' THEN -1 ELSE masklen(held.network) END
      JOIN import_rows n ON n.outcome IS NULL AND n.file = 'prefixes' AND n.vrf_id = r.vrf_id AND n.network = set_masklen(r.network, l.length)
     WHERE ${PENDING} ORDER BY r.seq, l.length DESC
  )
  UPDATE import_rows r SET parent_id = coalesce(p.id, r.held_by)
    FROM import_rows self LEFT JOIN around p ON p.seq = self.seq WHERE self.seq = r.seq AND ${PENDING}`;

/**
 * What the new pools will cover moves under them first, which the deferred keys allow. Without its usage row a pool is as one being made: what
 * enters or leaves it is found when it is built anew, once, at the end.
 */
const UNBUILD = `DELETE FROM pool_usage u WHERE u.pool_id IN (SELECT r.held_by FROM import_rows r WHERE ${PENDING})`;
const MOVE_POOLS = `
  UPDATE pools c SET parent_id = m.parent_id
    FROM (SELECT DISTINCT ON (c.id) c.id, r.id AS parent_id
            FROM import_rows r JOIN pools c ON c.parent_id = r.held_by AND c.kind <> 'root' AND c.network << r.network
                               AND lower(c.span) BETWEEN ipam_first(r.network) AND ipam_last(r.network)
           WHERE ${PENDING} ORDER BY c.id, masklen(r.network) DESC) m
   WHERE m.id = c.id`;
const MOVE_ADDRESSES = `
  UPDATE allocations a SET pool_id = m.pool_id
    FROM (SELECT DISTINCT ON (a.id) a.id, r.id AS pool_id
            FROM import_rows r JOIN pools p ON p.id = r.held_by AND p.kind = 'subnet'
            JOIN allocations a ON a.pool_id = p.id AND a.returned_at IS NULL AND a.address BETWEEN host(r.network)::inet AND host(broadcast(r.network))::inet
           WHERE ${PENDING} ORDER BY a.id, masklen(r.network) DESC) m
   WHERE m.id = a.id`;
/** Longest first: the row triggers fire in this order, so every pool is built after its children and before its parent. */
const INSERT = `
  INSERT INTO pools (id, vrf_id, parent_id, kind, name, network, gateway, vlan, site, environment, tags, description, active, cooldown_seconds, created_by)
  SELECT r.id, r.vrf_id, r.parent_id, r.kind, r.name, r.network, r.gateway, r.vlan, r.site, r.environment, r.tags, r.description, r.active,
         r.cooldown_seconds, $1
    FROM import_rows r WHERE ${PENDING} ORDER BY masklen(r.network) DESC, r.seq`;
const REBUILD = `SELECT ipam_build(h.id) FROM (SELECT DISTINCT r.held_by AS id FROM import_rows r WHERE ${PENDING}) h`;
const DONE = `UPDATE import_rows r SET outcome = 'created' WHERE ${PENDING}`;

/** Many pools at once, set by set: a thousand inserts one by one would carve the same parent a thousand times. */
@Injectable()
export class PoolImportRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** Settles every staged pool; the caller holds the table of pools. `columns`: those its file has. */
  async settle(columns: readonly string[]): Promise<void> {
    await this.work.query(REPEATED);
    await this.work.query(STORED, [columns]);
    await this.work.query(NAME_TAKEN);
    await withoutLoops(this.work, PLACE);
    await this.work.query(HOLD);
    for (const question of [RETURN_DUE, CUTS_RANGE, OVER_GATEWAY, GATEWAY_TAKEN]) await this.work.query(question);
    while ((await this.work.query(CANNOT_HOLD)).length > 0);
    await this.work.query('ANALYZE import_rows');
    await withoutLoops(this.work, PARENTS);
    for (const change of [UNBUILD, MOVE_POOLS, MOVE_ADDRESSES]) await this.work.query(change);
    await this.work.query(INSERT, [actorName()]);
    await this.work.query(REBUILD);
    await this.work.query(DONE);
  }
}
