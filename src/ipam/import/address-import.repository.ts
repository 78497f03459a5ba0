import { Injectable } from '@nestjs/common';
import { actorName } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { withoutLoops } from './without-loops.js';

/** $1: the file, ranges or addresses. */
const PENDING = `r.outcome IS NULL AND r.file = $1`;
const REFUSE = `UPDATE import_rows r SET outcome = 'refused',`;

const REPEATED = `
  ${REFUSE} code = 'duplicate_in_file', detail = 'Line ' || d.first || ' has the same in the same VRF.'
    FROM (SELECT r.seq, first_value(r.line) OVER w AS first, row_number() OVER w AS n FROM import_rows r WHERE ${PENDING}
          WINDOW w AS (PARTITION BY r.vrf_id, r.address, r.last_address ORDER BY r.seq)) d
   WHERE d.seq = r.seq AND d.n > 1`;

/** Of ranges that overlap, the one that comes first stands: the table takes no second. */
const SPANS = `
  CREATE TEMPORARY TABLE import_spans (seq int PRIMARY KEY, vrf_id uuid, family int, span numrange,
    EXCLUDE USING gist (vrf_id WITH =, family WITH =, span WITH &&)) ON COMMIT DROP`;
const FIRST_SPANS = `
  INSERT INTO import_spans (seq, vrf_id, family, span)
  SELECT r.seq, r.vrf_id, family(r.address), numrange(ipam_number(r.address), ipam_number(r.last_address), '[]')
    FROM import_rows r WHERE ${PENDING} ORDER BY r.seq ON CONFLICT DO NOTHING`;
const OVERLAPPING = `
  ${REFUSE} code = 'overlaps_range', detail = 'An earlier line has a range that overlaps this one.'
   WHERE ${PENDING} AND NOT EXISTS (SELECT FROM import_spans s WHERE s.seq = r.seq)`;

/** The smallest pool around each address. Only the prefix lengths that occur are tried: one join instead of a probe for every length. */
const PLACE = `
  WITH lengths AS (
    SELECT DISTINCT p.vrf_id, p.family, masklen(p.network) AS length FROM pools p
     WHERE p.kind <> 'root' AND p.vrf_id IN (SELECT r.vrf_id FROM import_rows r WHERE ${PENDING})
  ), placed AS (
    SELECT DISTINCT ON (r.seq) r.seq, p.id
      FROM import_rows r JOIN lengths l ON l.vrf_id = r.vrf_id AND l.family = family(r.address)
      JOIN pools p ON p.vrf_id = r.vrf_id AND p.network = network(set_masklen(r.address, l.length)) AND p.kind <> 'root'
     WHERE ${PENDING} ORDER BY r.seq, l.length DESC
  )
  UPDATE import_rows r SET pool_id = placed.id FROM placed WHERE placed.seq = r.seq`;
const OUTSIDE = `
  ${REFUSE} code = 'outside_any_pool', detail = 'No pool of the VRF covers it.' WHERE ${PENDING} AND r.pool_id IS NULL`;

/** What no holder decides: containers, children, the ends of a subnet, its gateway. */
const NOT_USABLE = `
  ${REFUSE} code = bad.code, detail = bad.why
    FROM (SELECT r.seq, p.network, CASE
                   WHEN p.kind <> 'subnet' THEN 'pool_holds_no_addresses'
                   WHEN NOT r.last_address <<= p.network THEN 'range_leaves_pool'
                   WHEN c.network IS NOT NULL THEN 'address_in_child_pool'
                   WHEN r.address = host(p.network)::inet AND masklen(p.network) <= ipam_width(p.family) - 2 THEN 'address_is_network_address'
                   WHEN r.last_address = host(broadcast(p.network))::inet AND p.family = 4 AND masklen(p.network) <= 30 THEN 'address_is_broadcast_address'
                   WHEN p.gateway BETWEEN r.address AND r.last_address THEN 'address_is_gateway' END AS code,
                 CASE WHEN p.kind <> 'subnet' THEN p.network || ' is a container: it takes child pools, not addresses.'
                      WHEN NOT r.last_address <<= p.network THEN 'The range begins in ' || p.network || ' and ends outside of it.'
                      WHEN c.network IS NOT NULL THEN 'The range reaches into the child pool ' || c.network || '.'
                      WHEN p.gateway BETWEEN r.address AND r.last_address THEN host(p.gateway) || ' is the gateway of ' || p.network || '.'
                      ELSE 'It is, or includes, an end of ' || p.network || ', which no host can have.' END AS why
            FROM import_rows r JOIN pools p ON p.id = r.pool_id
            LEFT JOIN LATERAL (SELECT c.network FROM pools c WHERE r.address <> r.last_address AND c.vrf_id = p.vrf_id AND c.family = p.family
                AND c.parent_id = p.id AND c.span && numrange(ipam_number(r.address), ipam_number(r.last_address), '[]') LIMIT 1) c ON true
           WHERE ${PENDING}) bad
   WHERE bad.seq = r.seq AND bad.code IS NOT NULL`;

/** Everyone who wants space of these pools waits, so what follows stays true; quarantines that are over give theirs back first. */
const HOLD = `SELECT u.pool_id FROM pool_usage u WHERE u.pool_id IN (SELECT r.pool_id FROM import_rows r WHERE ${PENDING}) ORDER BY u.pool_id FOR NO KEY UPDATE`;
const RETURN_DUE = `SELECT ipam_return_due(h.id) FROM (SELECT DISTINCT r.pool_id AS id FROM import_rows r WHERE ${PENDING}) h`;

/**
 * What a pool holds is disjoint, so only the nearest below the end can be in the way.
 * $2: the columns the file has; what it does not say cannot differ.
 */
const STORED = `
  UPDATE import_rows r SET outcome = CASE WHEN NOT d.same THEN 'refused' WHEN d.fields = '{}' THEN 'unchanged' ELSE 'differs' END,
         code = CASE WHEN d.quarantined THEN 'address_quarantined' WHEN NOT d.same AND d.is_range THEN 'address_in_range' WHEN NOT d.same THEN 'address_taken'
                     WHEN d.fields <> '{}' THEN 'differs' END,
         detail = CASE WHEN d.quarantined THEN 'It was released and rests until ' || to_json(d.quarantined_until)::text || '.'
                       WHEN NOT d.same THEN d.holder || ' is ' || d.status || '.'
                       WHEN d.fields <> '{}' THEN 'The stored one has another ' || array_to_string(d.fields, ', ') || '; it stays.' END
    FROM (SELECT r.seq, a.released_at IS NOT NULL AS quarantined, a.quarantined_until, a.status, a.address <> a.last_address AS is_range,
                 a.released_at IS NULL AND a.address = r.address AND a.last_address = r.last_address AS same,
                 host(a.address) || CASE WHEN a.address <> a.last_address THEN '–' || host(a.last_address) ELSE '' END AS holder,
                 array_remove(ARRAY[
                   CASE WHEN 'status' = ANY ($2::text[]) AND a.status <> r.status THEN 'status' END,
                   CASE WHEN 'dns_name' = ANY ($2::text[]) AND a.hostname IS DISTINCT FROM r.hostname THEN 'host name' END,
                   CASE WHEN 'mac' = ANY ($2::text[]) AND a.mac IS DISTINCT FROM r.mac THEN 'MAC' END,
                   CASE WHEN 'tenant' = ANY ($2::text[]) AND a.owner IS DISTINCT FROM r.owner THEN 'owner' END,
                   CASE WHEN 'role' = ANY ($2::text[]) AND a.purpose IS DISTINCT FROM r.purpose THEN 'purpose' END,
                   CASE WHEN 'description' = ANY ($2::text[]) AND a.description <> r.description THEN 'description' END], NULL) AS fields
            FROM import_rows r CROSS JOIN LATERAL (
              SELECT a.* FROM allocations a WHERE a.pool_id = r.pool_id AND a.returned_at IS NULL AND a.address <= r.last_address
               ORDER BY a.address DESC LIMIT 1) a
           WHERE ${PENDING} AND a.last_address >= r.address) d
   WHERE d.seq = r.seq`;

/** Pools that get more new rows than a few, and not few beside what they hold, have their space made anew instead of carved run by run. */
const INSERT = (crowded: 'IN' | 'NOT IN'): string => `
  INSERT INTO allocations (id, vrf_id, pool_id, address, last_address, status, hostname, mac, owner, purpose, description, allocated_by)
  SELECT r.id, r.vrf_id, r.pool_id, r.address, r.last_address, r.status, r.hostname, r.mac, r.owner, r.purpose, r.description, $2
    FROM import_rows r
   WHERE ${PENDING} AND r.pool_id ${crowded} (
           SELECT u.pool_id FROM (SELECT r.pool_id, count(*) AS rows FROM import_rows r WHERE ${PENDING} GROUP BY r.pool_id) n
             JOIN pool_usage u ON u.pool_id = n.pool_id WHERE n.rows > 20 AND n.rows * 8 > u.allocated)`;
const DONE = `UPDATE import_rows r SET outcome = 'created' WHERE ${PENDING}`;

/** Many addresses or ranges at once: everything that could refuse one is asked of all of them first, so that the insert cannot fail. */
@Injectable()
export class AddressImportRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** Settles every staged range. The caller holds the table of pools. `columns`: those the file has. */
  async settleRanges(columns: readonly string[]): Promise<void> {
    await this.work.query(REPEATED, ['ranges']);
    await this.work.query(SPANS);
    await this.work.query(FIRST_SPANS, ['ranges']);
    await this.work.query(OVERLAPPING, ['ranges']);
    await this.settle('ranges', columns);
  }

  /** Settles every staged address, against the ranges too: they are stored by then. */
  async settleAddresses(columns: readonly string[]): Promise<void> {
    await this.work.query(REPEATED, ['addresses']);
    await this.settle('addresses', columns);
  }

  private async settle(file: 'ranges' | 'addresses', columns: readonly string[]): Promise<void> {
    await withoutLoops(this.work, PLACE, [file]);
    for (const question of [OUTSIDE, NOT_USABLE, HOLD, RETURN_DUE]) await this.work.query(question, [file]);
    await this.work.query('ANALYZE import_rows');
    await this.work.query(STORED, [file, columns]);
    await this.work.query(INSERT('NOT IN'), [file, actorName()]);
    await this.work.query(`SELECT set_config('cadastre.loading', pg_current_xact_id()::text, true)`);
    await this.work.query(INSERT('IN'), [file, actorName()]);
    await this.work.query(`SELECT set_config('cadastre.loading', '', true)`);
    await this.work.query(DONE, [file]);
  }
}
