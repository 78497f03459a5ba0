import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** What the application asks of the space: the place of a pool, the next free address or block, and whether the books are right. */
export class CreateIpamQuestions1793000000440 implements MigrationInterface {
  name = 'CreateIpamQuestions1793000000440';

  async up(q: QueryRunner): Promise<void> {
    // Locks and returns the smallest pool that covers a network, the VRF's root when nothing else does. Asks again after waiting for the
    // lock: the one who held it may have put a pool in between.
    await q.query(`
      CREATE FUNCTION ipam_parent(the_vrf uuid, the_network cidr) RETURNS pools LANGUAGE plpgsql AS $$
      DECLARE
        p pools;
        locked uuid;
        -- Once, not once a row: a plan made while the table was small would.
        supernets cidr[] := ipam_supernets(the_network);
      BEGIN
        LOOP
          SELECT x.* INTO p FROM (
            SELECT o.* FROM pools o WHERE o.vrf_id = the_vrf AND o.kind <> 'root' AND o.network = ANY (supernets)
            UNION ALL
            SELECT o.* FROM pools o WHERE o.vrf_id = the_vrf AND o.kind = 'root' AND o.family = family(the_network)
          ) x ORDER BY masklen(x.network) DESC, (x.kind = 'root') LIMIT 1;
          EXIT WHEN NOT FOUND OR p.id = locked;
          PERFORM ipam_lock(p.id);
          locked := p.id;
        END LOOP;
        RETURN p;
      END $$`);
    // A range lies in one pool: a network that would cut one is refused.
    await q.query(`
      CREATE FUNCTION ipam_refuse_cut(parent pools, the_network cidr) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        cut record;
      BEGIN
        SELECT x.* INTO cut FROM (
          (SELECT a.* FROM allocations a WHERE a.pool_id = parent.id AND a.returned_at IS NULL AND a.address <> a.last_address
              AND a.address < host(the_network)::inet ORDER BY a.address DESC LIMIT 1)
          UNION ALL
          (SELECT a.* FROM allocations a WHERE a.pool_id = parent.id AND a.returned_at IS NULL AND a.address <> a.last_address
              AND a.address <= host(broadcast(the_network))::inet ORDER BY a.address DESC LIMIT 1)
        ) x WHERE x.last_address >= host(the_network)::inet AND NOT (x.address <<= the_network AND x.last_address <<= the_network) LIMIT 1;
        IF FOUND THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'pool_cuts_range', DETAIL = the_network || ' would cut the ' || cut.status || ' range ' || host(cut.address) || '–' || host(cut.last_address) || '.',
            HINT = json_build_object('allocationId', cut.id);
        END IF;
      END $$`);
    // Prepares the place for a new pool: finds and locks its parent, and moves what the new pool will cover under its id, which the deferred
    // key allows. Returns the parent's id.
    await q.query(`
      CREATE FUNCTION ipam_make_room(the_vrf uuid, the_network cidr, new_id uuid, OUT parent_id uuid, OUT moved_pools int, OUT moved_allocations int)
      LANGUAGE plpgsql AS $$
      DECLARE
        parent pools := ipam_parent(the_vrf, the_network);
      BEGIN
        IF parent.id IS NULL THEN
          RAISE SQLSTATE 'CD404' USING MESSAGE = 'vrf_not_found', DETAIL = 'There is no VRF ' || the_vrf || '.';
        END IF;
        IF parent.network = the_network AND parent.kind <> 'root' THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'pool_network_taken', DETAIL = the_network || ' is already the pool ' || parent.name || '.',
            HINT = json_build_object('poolId', parent.id, 'name', parent.name);
        END IF;
        PERFORM ipam_refuse_cut(parent, the_network);
        UPDATE pools c SET parent_id = new_id WHERE c.parent_id = parent.id AND c.network << the_network AND c.kind <> 'root'
           AND lower(c.span) BETWEEN ipam_first(the_network) AND ipam_last(the_network);
        GET DIAGNOSTICS moved_pools = ROW_COUNT;
        UPDATE allocations a SET pool_id = new_id
         WHERE a.pool_id = parent.id AND a.returned_at IS NULL
           AND a.address BETWEEN host(the_network)::inet AND host(broadcast(the_network))::inet;
        GET DIAGNOSTICS moved_allocations = ROW_COUNT;
        parent_id := parent.id;
      END $$`);
    // Gives a pool another network around or inside its old one. What it covers then moves into it; what would fall out of it refuses.
    await q.query(`
      CREATE FUNCTION ipam_resize(the_pool uuid, the_network cidr) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        p pools;
        parent pools;
        supernets cidr[] := ipam_supernets(the_network);
        left_pools bigint;
        left_allocations bigint;
      BEGIN
        SELECT * INTO p FROM pools WHERE id = the_pool;
        IF family(the_network) <> p.family THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'pool_vrf_is_fixed', DETAIL = 'A pool stays in its VRF and address family.';
        END IF;
        SELECT x.* INTO parent FROM (
          SELECT o.* FROM pools o WHERE o.vrf_id = p.vrf_id AND o.kind <> 'root' AND o.network = ANY (supernets)
             AND o.id <> p.id AND NOT o.network << p.network
          UNION ALL
          SELECT o.* FROM pools o WHERE o.vrf_id = p.vrf_id AND o.kind = 'root' AND o.family = p.family
        ) x ORDER BY masklen(x.network) DESC, (x.kind = 'root') LIMIT 1;
        -- The same order as everywhere: parents before children.
        PERFORM ipam_lock(u.id) FROM (SELECT parent.id UNION SELECT p.parent_id ORDER BY 1) u(id);
        PERFORM ipam_lock(the_pool);
        IF parent.network = the_network AND parent.kind <> 'root' THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'pool_network_taken', DETAIL = the_network || ' is already the pool ' || parent.name || '.',
            HINT = json_build_object('poolId', parent.id, 'name', parent.name);
        END IF;
        IF EXISTS (SELECT FROM pools x WHERE x.id = p.parent_id AND x.kind <> 'root' AND x.network <<= the_network) THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'pool_would_cover_parent', DETAIL = the_network || ' covers the pool that ' || p.network || ' lies in.',
            HINT = json_build_object('poolId', p.parent_id);
        END IF;
        SELECT count(*) INTO left_pools FROM pools c WHERE c.parent_id = p.id AND NOT c.network << the_network;
        SELECT count(*) INTO left_allocations FROM allocations a
         WHERE a.pool_id = p.id AND a.returned_at IS NULL AND NOT (a.address <<= the_network AND a.last_address <<= the_network);
        IF left_pools + left_allocations > 0 THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'pool_would_lose_contents',
            DETAIL = the_network || ' leaves out ' || left_pools || ' child pools and ' || left_allocations || ' allocations of ' || p.network || '.',
            HINT = json_build_object('pools', left_pools, 'allocations', left_allocations);
        END IF;
        PERFORM ipam_refuse_cut(parent, the_network);
        -- Without its usage row the pool is as one being made: what moves into it is found when it is built anew.
        DELETE FROM pool_usage u WHERE u.pool_id = p.id;
        UPDATE pools c SET parent_id = p.id WHERE c.parent_id = parent.id AND c.id <> p.id AND c.network << the_network AND c.kind <> 'root'
           AND lower(c.span) BETWEEN ipam_first(the_network) AND ipam_last(the_network);
        UPDATE allocations a SET pool_id = p.id WHERE a.pool_id = parent.id AND a.returned_at IS NULL
           AND a.address BETWEEN host(the_network)::inet AND host(broadcast(the_network))::inet;
        UPDATE pools SET network = the_network, parent_id = parent.id WHERE id = p.id;
      END $$`);
    // Deletes a pool; its child pools refuse, or move up to its parent. In this order: siblings never overlap, and the key of children to
    // their parent is only checked at the end.
    await q.query(`
      CREATE FUNCTION ipam_delete(the_pool uuid, lift boolean) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        p pools;
        n bigint;
      BEGIN
        SELECT * INTO p FROM pools WHERE id = the_pool;
        PERFORM ipam_lock(p.parent_id);
        PERFORM ipam_lock(p.id);
        SELECT count(*) INTO n FROM pools c WHERE c.parent_id = p.id;
        IF n > 0 AND NOT lift THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'pool_has_pools', DETAIL = p.network || ' still has ' || n || ' child pools.',
            HINT = json_build_object('pools', n);
        END IF;
        DELETE FROM pools WHERE id = p.id;
        UPDATE pools SET parent_id = p.parent_id WHERE parent_id = p.id;
      END $$`);
    // Quarantines that are over give their address back before anything is refused or offered.
    await q.query(`
      CREATE FUNCTION ipam_return_due(the_pool uuid) RETURNS void LANGUAGE sql AS $$
        UPDATE allocations SET returned_at = now()
         WHERE pool_id = the_pool AND returned_at IS NULL AND quarantined_until <= now() $$`);
    // Holds a pool and makes sure that [first, last] of it is free, or says by whom it is not.
    await q.query(`
      CREATE FUNCTION ipam_require_free(the_pool uuid, first inet, last inet) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        p pools;
      BEGIN
        PERFORM ipam_lock(the_pool);
        PERFORM ipam_return_due(the_pool);
        SELECT * INTO p FROM pools WHERE id = the_pool;
        IF p.kind <> 'subnet' THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'pool_holds_no_addresses', DETAIL = p.network || ' is a container: it takes child pools, not addresses.',
            HINT = json_build_object('poolId', p.id);
        END IF;
        IF family(first) <> p.family THEN
          RAISE SQLSTATE 'CD422' USING MESSAGE = 'address_outside_pool', DETAIL = host(first) || ' is not inside ' || p.network || '.',
            HINT = json_build_object('pointer', '/address', 'network', p.network);
        END IF;
        IF NOT EXISTS (
          SELECT FROM (SELECT e.lo, e.hi FROM extents e WHERE e.pool_id = p.id AND e.hi >= ipam_number(first) ORDER BY e.hi LIMIT 1) e
           WHERE e.lo <= ipam_number(first) AND e.hi >= ipam_number(last)
        ) THEN
          PERFORM ipam_refuse(p, ipam_number(first), ipam_number(last));
        END IF;
      END $$`);
    // The next n free addresses of a pool, fewer when it runs out: the lowest, or anywhere. Holds the pool until the transaction ends; the
    // caller inserts them in the same transaction, else nothing happened.
    await q.query(`
      CREATE FUNCTION ipam_next_free(the_pool uuid, n int, anywhere boolean) RETURNS SETOF inet LANGUAGE plpgsql ROWS 1 AS $$
      DECLARE
        p pools;
        e record;
        base numeric;
        wanted int := n;
        take int;
      BEGIN
        PERFORM ipam_lock(the_pool);
        SELECT * INTO p FROM pools WHERE id = the_pool;
        IF p.kind IS DISTINCT FROM 'subnet' THEN
          RETURN;
        END IF;
        PERFORM ipam_return_due(the_pool);
        IF anywhere THEN
          SELECT floor(u.lo + (u.hi - u.lo + 1) * (('0x' || replace(gen_random_uuid()::text, '-', ''))::numeric / 2::numeric ^ 128)) INTO base
            FROM ipam_usable(p.kind, p.network) u;
        ELSIF n = 1 THEN
          SELECT x.lo INTO base FROM extents x WHERE x.pool_id = the_pool ORDER BY x.hi LIMIT 1;
          IF FOUND THEN
            RETURN NEXT CASE p.family WHEN 4 THEN '0.0.0.0'::inet + base::bigint ELSE ipam_inet(6, base) END;
          END IF;
          RETURN;
        END IF;
        -- From the random place to the end, then from the beginning to it.
        FOR e IN SELECT greatest(x.lo, coalesce(base, x.lo)) AS lo, x.hi FROM extents x WHERE x.pool_id = the_pool AND x.hi >= coalesce(base, 0) ORDER BY x.hi LOOP
          take := least(wanted, e.hi - e.lo + 1);
          RETURN QUERY SELECT ipam_inet(p.family, e.lo + i) FROM generate_series(0, take - 1) i;
          wanted := wanted - take;
          EXIT WHEN wanted = 0;
        END LOOP;
        IF wanted = 0 OR NOT anywhere THEN
          RETURN;
        END IF;
        FOR e IN SELECT x.lo, least(x.hi, base - 1) AS hi FROM extents x WHERE x.pool_id = the_pool AND x.lo < base ORDER BY x.hi LOOP
          take := least(wanted, e.hi - e.lo + 1);
          RETURN QUERY SELECT ipam_inet(p.family, e.lo + i) FROM generate_series(0, take - 1) i;
          wanted := wanted - take;
          EXIT WHEN wanted = 0;
        END LOOP;
      END $$`);
    // First address of the lowest free aligned block of a length, or null. Holds the pool.
    await q.query(`
      CREATE FUNCTION ipam_next_block(the_pool uuid, length int) RETURNS cidr LANGUAGE plpgsql AS $$
      DECLARE
        p pools;
        size numeric;
        found_lo numeric;
      BEGIN
        PERFORM ipam_lock(the_pool);
        PERFORM ipam_return_due(the_pool);
        SELECT * INTO p FROM pools WHERE id = the_pool;
        size := 2::numeric ^ (ipam_width(p.family) - length);
        SELECT x.lo INTO found_lo
          FROM generate_series(0, length) m
         CROSS JOIN LATERAL (SELECT e.lo, e.hi FROM extents e WHERE e.pool_id = the_pool AND e.fit = m ORDER BY e.hi LIMIT 1) x
         ORDER BY x.hi LIMIT 1;
        RETURN set_masklen(ipam_inet(p.family, div(found_lo + size - 1, size) * size), length)::cidr;
      END $$`);
    // Every difference between what is counted and what is there; none is the only good answer.
    await q.query(`
      CREATE FUNCTION ipam_drift(only_pool uuid DEFAULT NULL) RETURNS TABLE (pool_id uuid, network cidr, problem text) LANGUAGE sql STABLE AS $$
        SELECT p.id, p.network, 'free space differs: ' || count(*) || ' extents'
          FROM pools p CROSS JOIN LATERAL (
            (SELECT g.lo, g.hi, ipam_fit(ipam_width(p.family), g.lo, g.hi) FROM ipam_gaps(p) g EXCEPT SELECT e.lo, e.hi, e.fit FROM extents e WHERE e.pool_id = p.id)
            UNION ALL
            (SELECT e.lo, e.hi, e.fit FROM extents e WHERE e.pool_id = p.id EXCEPT SELECT g.lo, g.hi, ipam_fit(ipam_width(p.family), g.lo, g.hi) FROM ipam_gaps(p) g)
          ) d WHERE only_pool IS NULL OR p.id = only_pool GROUP BY p.id, p.network
        UNION ALL
        SELECT p.id, p.network, 'counters differ'
          FROM pools p LEFT JOIN pool_usage u ON u.pool_id = p.id CROSS JOIN LATERAL (
            SELECT coalesce(sum(c.hi - c.lo + 1) FILTER (WHERE c.class = 'pools'), 0) AS pools,
                   coalesce(sum(c.hi - c.lo + 1) FILTER (WHERE c.class = 'allocated'), 0) AS allocated,
                   coalesce(sum(c.hi - c.lo + 1) FILTER (WHERE c.class = 'reserved'), 0) AS reserved,
                   coalesce(sum(c.hi - c.lo + 1) FILTER (WHERE c.class = 'blocked'), 0) AS blocked,
                   coalesce(sum(c.hi - c.lo + 1) FILTER (WHERE c.class = 'quarantined'), 0) AS quarantined
              FROM ipam_claims(p) c) t CROSS JOIN LATERAL ipam_usable(p.kind, p.network) s
         WHERE (only_pool IS NULL OR p.id = only_pool)
           AND (u.usable, u.pools, u.allocated, u.reserved, u.blocked, u.quarantined, u.free)
               IS DISTINCT FROM (s.hi - s.lo + 1, t.pools, t.allocated, t.reserved, t.blocked, t.quarantined,
                                 s.hi - s.lo + 1 - t.pools - t.allocated - t.reserved - t.blocked - t.quarantined)
        UNION ALL
        SELECT p.id, p.network, 'claims overlap at ' || host(ipam_inet(p.family, c.lo))
          FROM pools p CROSS JOIN LATERAL (SELECT x.lo, lag(x.hi) OVER (ORDER BY x.lo, x.hi) AS previous FROM ipam_claims(p) x) c
         WHERE c.lo <= c.previous AND (only_pool IS NULL OR p.id = only_pool)
        UNION ALL
        SELECT p.id, p.network, 'holds an address outside of it: ' || host(a.address)
          FROM pools p JOIN allocations a ON a.pool_id = p.id AND a.returned_at IS NULL
         WHERE NOT (a.address <<= p.network AND a.last_address <<= p.network) AND (only_pool IS NULL OR p.id = only_pool) $$`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(
      'DROP FUNCTION ipam_require_free(uuid, inet, inet), ipam_drift(uuid), ipam_next_block(uuid, int), ipam_next_free(uuid, int, boolean), ipam_return_due(uuid)',
    );
    await q.query(
      'DROP FUNCTION ipam_delete(uuid, boolean), ipam_resize(uuid, cidr), ipam_make_room(uuid, cidr, uuid), ipam_refuse_cut(pools, cidr), ipam_parent(uuid, cidr)',
    );
  }
}
