import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** How space is taken, given back and counted. Every change of a pool's space ends up in these functions. */
export class CreateIpamExtents1793000000410 implements MigrationInterface {
  name = 'CreateIpamExtents1793000000410';

  async up(q: QueryRunner): Promise<void> {
    // Prefix length of the largest aligned block inside [lo, hi]. At least: what the caller knows the answer cannot be shorter than.
    // div, never /: numeric division rounds to some twenty digits, and IPv6 has thirty-nine.
    await q.query(`
      CREATE FUNCTION ipam_fit(width int, lo numeric, hi numeric, at_least int DEFAULT 0) RETURNS smallint LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
      DECLARE
        size numeric;
        len int := at_least;
      BEGIN
        IF len = 0 AND hi - lo + 1 < 2::numeric ^ width THEN
          len := greatest(0, width - 1 - floor(log(2::numeric, hi - lo + 1))::int);
        END IF;
        size := 2::numeric ^ (width - len);
        LOOP
          EXIT WHEN div(lo + size - 1, size) * size + size - 1 <= hi;
          len := len + 1;
          size := div(size, 2);
        END LOOP;
        RETURN len;
      END $$`);
    // The addresses of a pool that can be given out: a subnet keeps its network and broadcast address (RFC 950; not in a /31, RFC 3021),
    // in IPv6 its subnet-router anycast address (RFC 4291 §2.6.1; not in a /127, RFC 6164). Containers give out networks, so all of it.
    await q.query(`
      CREATE FUNCTION ipam_usable(kind text, network cidr, OUT lo numeric, OUT hi numeric) LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT ipam_first(network) + CASE WHEN kind = 'subnet' AND masklen(network) <= ipam_width(family(network)) - 2 THEN 1 ELSE 0 END,
               ipam_last(network) - CASE WHEN kind = 'subnet' AND family(network) = 4 AND masklen(network) <= 30 THEN 1 ELSE 0 END $$`);

    // Says why [a_lo, a_hi] of a pool is not free. Only called when it is not.
    await q.query(`
      CREATE FUNCTION ipam_refuse(p pools, a_lo numeric, a_hi numeric) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        first inet := ipam_inet(p.family, a_lo);
        last inet := ipam_inet(p.family, a_hi);
        text_of text := host(first) || CASE WHEN a_lo = a_hi THEN '' ELSE '–' || host(last) END;
        usable record;
        holder record;
        until text;
      BEGIN
        IF a_lo < ipam_first(p.network) OR a_hi > ipam_last(p.network) THEN
          RAISE SQLSTATE 'CD422' USING MESSAGE = 'address_outside_pool', DETAIL = text_of || ' is not inside ' || p.network || '.',
            HINT = json_build_object('pointer', '/address', 'network', p.network);
        END IF;
        SELECT c.id, c.network, c.name INTO holder FROM pools c
         WHERE c.vrf_id = p.vrf_id AND c.family = p.family AND c.parent_id = p.id AND c.span && numrange(a_lo, a_hi + 1) LIMIT 1;
        IF FOUND THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'address_in_child_pool', DETAIL = text_of || ' lies in the child pool ' || holder.network || '.',
            HINT = json_build_object('poolId', holder.id, 'network', holder.network);
        END IF;
        SELECT u.lo, u.hi INTO usable FROM ipam_usable(p.kind, p.network) u;
        IF a_lo < usable.lo THEN
          RAISE SQLSTATE 'CD422' USING MESSAGE = 'address_is_network_address', DETAIL = text_of || ' includes the network address of ' || p.network || '.',
            HINT = json_build_object('pointer', '/address', 'network', p.network);
        END IF;
        IF a_hi > usable.hi THEN
          RAISE SQLSTATE 'CD422' USING MESSAGE = 'address_is_broadcast_address', DETAIL = text_of || ' includes the broadcast address of ' || p.network || '.',
            HINT = json_build_object('pointer', '/address', 'network', p.network);
        END IF;
        IF ipam_number(p.gateway) BETWEEN a_lo AND a_hi THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'address_is_gateway', DETAIL = host(p.gateway) || ' is the gateway of ' || p.network || '.',
            HINT = json_build_object('poolId', p.id, 'network', p.network);
        END IF;
        -- What a pool holds is disjoint, so only the nearest below the end can reach in.
        SELECT x.* INTO holder FROM (
          SELECT a.* FROM allocations a WHERE a.pool_id = p.id AND a.returned_at IS NULL AND a.address <= last ORDER BY a.address DESC LIMIT 1
        ) x WHERE x.last_address >= first;
        IF FOUND AND holder.released_at IS NOT NULL THEN
          until := to_char(holder.quarantined_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'address_quarantined', DETAIL = host(holder.address) || ' was released and rests until ' || until || '.',
            HINT = json_build_object('allocationId', holder.id, 'quarantinedUntil', until);
        END IF;
        IF FOUND THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'address_taken', DETAIL = host(holder.address) || CASE WHEN holder.address = holder.last_address THEN '' ELSE '–' || host(holder.last_address) END || ' is ' || holder.status || '.',
            HINT = json_build_object('allocationId', holder.id, 'holderStatus', holder.status);
        END IF;
        RAISE EXCEPTION 'drift in pool %: % is neither free nor held', p.id, text_of;
      END $$`);

    // Takes [a_lo, a_hi], which must be free. The caller holds the pool's usage row.
    await q.query(`
      CREATE FUNCTION ipam_take(p pools, a_lo numeric, a_hi numeric) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        e extents;
        width int := ipam_width(p.family);
      BEGIN
        SELECT * INTO e FROM extents x WHERE x.pool_id = p.id AND x.hi >= a_lo ORDER BY x.hi LIMIT 1;
        IF NOT FOUND OR e.lo > a_lo OR e.hi < a_hi THEN
          PERFORM ipam_refuse(p, a_lo, a_hi);
        END IF;
        IF e.hi = a_hi THEN
          DELETE FROM extents x WHERE x.pool_id = p.id AND x.hi = e.hi;
        ELSE
          UPDATE extents x SET lo = a_hi + 1, fit = ipam_fit(width, a_hi + 1, e.hi, e.fit) WHERE x.pool_id = p.id AND x.hi = e.hi;
        END IF;
        IF e.lo < a_lo THEN
          INSERT INTO extents VALUES (p.id, e.lo, a_lo - 1, ipam_fit(width, e.lo, a_lo - 1, e.fit));
        END IF;
      END $$`);
    // Gives [a_lo, a_hi] back and joins it with its neighbours.
    await q.query(`
      CREATE FUNCTION ipam_give(p pools, a_lo numeric, a_hi numeric) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        below extents;
        above extents;
        width int := ipam_width(p.family);
      BEGIN
        SELECT * INTO above FROM extents x WHERE x.pool_id = p.id AND x.hi >= a_lo ORDER BY x.hi LIMIT 1;
        IF above.lo <= a_hi THEN
          RAISE EXCEPTION 'drift in pool %: % is already free', p.id, ipam_inet(p.family, a_lo);
        END IF;
        DELETE FROM extents x WHERE x.pool_id = p.id AND x.hi = a_lo - 1 RETURNING * INTO below;
        IF above.lo = a_hi + 1 THEN
          UPDATE extents x SET lo = coalesce(below.lo, a_lo), fit = ipam_fit(width, coalesce(below.lo, a_lo), above.hi)
           WHERE x.pool_id = p.id AND x.hi = above.hi;
        ELSE
          INSERT INTO extents VALUES (p.id, coalesce(below.lo, a_lo), a_hi, ipam_fit(width, coalesce(below.lo, a_lo), a_hi));
        END IF;
      END $$`);
    // Moves addresses between the classes of a pool's counters.
    await q.query(`
      CREATE FUNCTION ipam_count(the_pool uuid, from_class text, to_class text, n numeric) RETURNS void LANGUAGE sql AS $$
        UPDATE pool_usage SET
          free = free + CASE WHEN to_class = 'free' THEN n ELSE 0 END - CASE WHEN from_class = 'free' THEN n ELSE 0 END,
          pools = pools + CASE WHEN to_class = 'pools' THEN n ELSE 0 END - CASE WHEN from_class = 'pools' THEN n ELSE 0 END,
          allocated = allocated + CASE WHEN to_class = 'allocated' THEN n ELSE 0 END - CASE WHEN from_class = 'allocated' THEN n ELSE 0 END,
          reserved = reserved + CASE WHEN to_class = 'reserved' THEN n ELSE 0 END - CASE WHEN from_class = 'reserved' THEN n ELSE 0 END,
          blocked = blocked + CASE WHEN to_class = 'blocked' THEN n ELSE 0 END - CASE WHEN from_class = 'blocked' THEN n ELSE 0 END,
          quarantined = quarantined + CASE WHEN to_class = 'quarantined' THEN n ELSE 0 END - CASE WHEN from_class = 'quarantined' THEN n ELSE 0 END
        WHERE pool_id = the_pool AND from_class <> to_class $$`);
    // Holds a pool's space until the transaction ends; null when there is no such pool. A resize replaces the row: who waited for the old one
    // looks again, with the next statement's snapshot.
    await q.query(`
      CREATE FUNCTION ipam_lock(the_pool uuid) RETURNS boolean LANGUAGE plpgsql AS $$
      BEGIN
        LOOP
          PERFORM FROM pool_usage WHERE pool_id = the_pool FOR NO KEY UPDATE;
          IF FOUND THEN
            RETURN true;
          END IF;
          IF NOT EXISTS (SELECT FROM pool_usage WHERE pool_id = the_pool) THEN
            RETURN NULL;
          END IF;
        END LOOP;
      END $$`);
    // One alert for each threshold crossed upward; it closes when use drops below, and only then can the next one open.
    await q.query(`
      CREATE FUNCTION pool_usage_alert() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        UPDATE pool_alerts SET cleared_at = now() WHERE pool_id = NEW.pool_id AND cleared_at IS NULL AND threshold > NEW.level;
        INSERT INTO pool_alerts (pool_id, threshold, utilization)
        SELECT NEW.pool_id, t, round((NEW.usable - NEW.free) * 100 / NEW.usable, 2)
          FROM unnest(ARRAY[80, 95]) t
         WHERE t <= NEW.level AND EXISTS (SELECT FROM pools p WHERE p.id = NEW.pool_id AND p.kind <> 'root')
        ON CONFLICT DO NOTHING;
        IF FOUND THEN
          INSERT INTO jobs (name) VALUES ('ipam.announce-alerts');
        END IF;
        RETURN NULL;
      END $$`);
    await q.query(`
      CREATE TRIGGER pool_usage_level_changed AFTER UPDATE ON pool_usage FOR EACH ROW
      WHEN (OLD.level IS DISTINCT FROM NEW.level) EXECUTE FUNCTION pool_usage_alert()`);
    await q.query('CREATE TRIGGER pool_usage_level_set AFTER INSERT ON pool_usage FOR EACH ROW EXECUTE FUNCTION pool_usage_alert()');
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP TRIGGER pool_usage_level_set ON pool_usage');
    await q.query('DROP TRIGGER pool_usage_level_changed ON pool_usage');
    await q.query('DROP FUNCTION pool_usage_alert()');
    await q.query(
      'DROP FUNCTION ipam_take(pools, numeric, numeric), ipam_give(pools, numeric, numeric), ipam_refuse(pools, numeric, numeric)',
    );
    await q.query('DROP FUNCTION ipam_count(uuid, text, text, numeric), ipam_lock(uuid)');
    await q.query('DROP FUNCTION ipam_usable(text, cidr), ipam_fit(int, numeric, numeric, int)');
  }
}
