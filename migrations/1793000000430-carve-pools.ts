import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Pools carve the space of their parent in triggers, as allocations do, and every VRF gets the hidden roots of its two families. */
export class CarvePools1793000000430 implements MigrationInterface {
  name = 'CarvePools1793000000430';

  async up(q: QueryRunner): Promise<void> {
    // What a pool's space is made of, from the rows themselves; ipam_build and the drift check both start here.
    await q.query(`
      CREATE FUNCTION ipam_claims(p pools) RETURNS TABLE (class text, lo numeric, hi numeric) LANGUAGE sql STABLE AS $$
        SELECT 'pools', greatest(lower(c.span), u.lo), least(upper(c.span) - 1, u.hi)
          FROM pools c, ipam_usable(p.kind, p.network) u
         WHERE c.parent_id = p.id AND greatest(lower(c.span), u.lo) <= least(upper(c.span) - 1, u.hi)
        UNION ALL
        SELECT ipam_class(a), ipam_number(a.address), ipam_number(a.last_address)
          FROM allocations a WHERE a.pool_id = p.id AND a.returned_at IS NULL
        UNION ALL
        SELECT 'reserved', ipam_number(p.gateway), ipam_number(p.gateway) WHERE p.gateway IS NOT NULL $$`);
    await q.query(`
      CREATE FUNCTION ipam_gaps(p pools) RETURNS TABLE (lo numeric, hi numeric) LANGUAGE sql STABLE AS $$
        WITH claims AS MATERIALIZED (SELECT c.lo, c.hi FROM ipam_claims(p) c), usable AS (SELECT u.lo, u.hi FROM ipam_usable(p.kind, p.network) u)
        SELECT g.lo, g.hi FROM (
          SELECT lag(c.hi, 1, (SELECT usable.lo - 1 FROM usable)) OVER (ORDER BY c.lo) + 1 AS lo, c.lo - 1 AS hi FROM claims c
          UNION ALL
          SELECT coalesce((SELECT max(c.hi) + 1 FROM claims c), usable.lo), usable.hi FROM usable
        ) g WHERE g.lo <= g.hi $$`);
    // Makes a pool's extents and counters anew. Claims that overlap or leave the usable space are refused by name.
    await q.query(`
      CREATE FUNCTION ipam_build(the_pool uuid) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        p pools;
        bad record;
      BEGIN
        SELECT * INTO p FROM pools WHERE id = the_pool;
        SELECT c.* INTO bad FROM (
          SELECT c.class, c.lo, c.hi, lag(c.hi) OVER (ORDER BY c.lo, c.hi) AS previous, u.lo AS usable_lo, u.hi AS usable_hi
            FROM ipam_claims(p) c, ipam_usable(p.kind, p.network) u) c
         WHERE c.lo <= c.previous OR c.lo < c.usable_lo OR c.hi > c.usable_hi LIMIT 1;
        IF FOUND THEN
          PERFORM ipam_refuse(p, bad.lo, bad.hi);
        END IF;
        IF p.kind = 'container' AND EXISTS (SELECT FROM allocations a WHERE a.pool_id = p.id AND a.returned_at IS NULL) THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'pool_holds_addresses', DETAIL = p.network || ' holds addresses, so it cannot be a container.',
            HINT = json_build_object('poolId', p.id);
        END IF;
        DELETE FROM extents e WHERE e.pool_id = p.id;
        INSERT INTO extents SELECT p.id, g.lo, g.hi, ipam_fit(ipam_width(p.family), g.lo, g.hi) FROM ipam_gaps(p) g;
        INSERT INTO pool_usage (pool_id, usable, free, pools, allocated, reserved, blocked, quarantined)
        SELECT p.id, u.hi - u.lo + 1, u.hi - u.lo + 1 - coalesce(sum(c.hi - c.lo + 1), 0),
               coalesce(sum(c.hi - c.lo + 1) FILTER (WHERE c.class = 'pools'), 0),
               coalesce(sum(c.hi - c.lo + 1) FILTER (WHERE c.class = 'allocated'), 0),
               coalesce(sum(c.hi - c.lo + 1) FILTER (WHERE c.class = 'reserved'), 0),
               coalesce(sum(c.hi - c.lo + 1) FILTER (WHERE c.class = 'blocked'), 0),
               coalesce(sum(c.hi - c.lo + 1) FILTER (WHERE c.class = 'quarantined'), 0)
          FROM ipam_usable(p.kind, p.network) u LEFT JOIN ipam_claims(p) c ON true GROUP BY u.lo, u.hi
        -- Not deleted and made anew: whoever waits for the row shall get it.
        ON CONFLICT (pool_id) DO UPDATE SET usable = excluded.usable, free = excluded.free, pools = excluded.pools,
          allocated = excluded.allocated, reserved = excluded.reserved, blocked = excluded.blocked, quarantined = excluded.quarantined;
      END $$`);

    // A child's space as its parent counts it: the part of its span that the parent could have given out.
    await q.query(`
      CREATE FUNCTION ipam_carve(parent uuid, child_span numrange, taking boolean) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        p pools;
        u record;
        a_lo numeric;
        a_hi numeric;
      BEGIN
        IF ipam_lock(parent) IS NULL THEN
          RETURN;
        END IF;
        SELECT * INTO p FROM pools WHERE id = parent;
        SELECT x.lo, x.hi INTO u FROM ipam_usable(p.kind, p.network) x;
        a_lo := greatest(lower(child_span), u.lo);
        a_hi := least(upper(child_span) - 1, u.hi);
        IF a_lo > a_hi THEN
          RETURN;
        END IF;
        IF taking THEN
          PERFORM ipam_take(p, a_lo, a_hi);
          PERFORM ipam_count(parent, 'free', 'pools', a_hi - a_lo + 1);
        ELSE
          PERFORM ipam_give(p, a_lo, a_hi);
          PERFORM ipam_count(parent, 'pools', 'free', a_hi - a_lo + 1);
        END IF;
      END $$`);
    await q.query(`
      CREATE FUNCTION pools_change_space() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        p pools;
      BEGIN
        IF TG_OP = 'INSERT' THEN
          IF NEW.parent_id IS NOT NULL THEN
            PERFORM ipam_carve(NEW.parent_id, NEW.span, true);
          END IF;
          PERFORM ipam_build(NEW.id);
        ELSIF TG_OP = 'DELETE' THEN
          IF OLD.parent_id IS NOT NULL THEN
            PERFORM ipam_carve(OLD.parent_id, OLD.span, false);
          END IF;
        ELSE
          IF OLD.vrf_id <> NEW.vrf_id OR OLD.family <> NEW.family OR (OLD.kind = 'root') <> (NEW.kind = 'root') THEN
            RAISE SQLSTATE 'CD409' USING MESSAGE = 'pool_vrf_is_fixed', DETAIL = 'A pool stays in its VRF and address family.';
          END IF;
          IF OLD.parent_id IS DISTINCT FROM NEW.parent_id OR OLD.span <> NEW.span THEN
            PERFORM ipam_carve(OLD.parent_id, OLD.span, false);
            PERFORM ipam_carve(NEW.parent_id, NEW.span, true);
          END IF;
          IF OLD.kind <> NEW.kind OR OLD.span <> NEW.span THEN
            PERFORM ipam_lock(NEW.id);
            PERFORM ipam_build(NEW.id);
          ELSIF OLD.gateway IS DISTINCT FROM NEW.gateway THEN
            PERFORM ipam_lock(NEW.id);
            -- The row as it was, without either gateway: a refusal must not blame the address on itself.
            p := NEW;
            p.gateway := NULL;
            IF OLD.gateway IS NOT NULL THEN
              PERFORM ipam_give(p, ipam_number(OLD.gateway), ipam_number(OLD.gateway));
              PERFORM ipam_count(NEW.id, 'reserved', 'free', 1);
            END IF;
            IF NEW.gateway IS NOT NULL THEN
              PERFORM ipam_take(p, ipam_number(NEW.gateway), ipam_number(NEW.gateway));
              PERFORM ipam_count(NEW.id, 'free', 'reserved', 1);
            END IF;
          END IF;
        END IF;
        RETURN NULL;
      END $$`);
    await q.query('CREATE TRIGGER pools_take_space AFTER INSERT ON pools FOR EACH ROW EXECUTE FUNCTION pools_change_space()');
    await q.query('CREATE TRIGGER pools_give_space AFTER DELETE ON pools FOR EACH ROW EXECUTE FUNCTION pools_change_space()');
    await q.query(`
      CREATE TRIGGER pools_change_space AFTER UPDATE ON pools FOR EACH ROW
      WHEN (OLD.parent_id IS DISTINCT FROM NEW.parent_id OR OLD.network <> NEW.network OR OLD.kind <> NEW.kind
         OR OLD.gateway IS DISTINCT FROM NEW.gateway OR OLD.vrf_id <> NEW.vrf_id)
      EXECUTE FUNCTION pools_change_space()`);
    await q.query(`
      CREATE FUNCTION pools_guard_delete() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        n bigint;
      BEGIN
        PERFORM ipam_lock(OLD.parent_id);
        PERFORM ipam_lock(OLD.id);
        SELECT count(*) INTO n FROM allocations a WHERE a.pool_id = OLD.id AND a.released_at IS NULL;
        IF n > 0 THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'pool_has_allocations', DETAIL = OLD.network || ' still has ' || n || ' live allocations.',
            HINT = json_build_object('allocations', n);
        END IF;
        UPDATE allocations a SET returned_at = now() WHERE a.pool_id = OLD.id AND a.returned_at IS NULL;
        RETURN OLD;
      END $$`);
    await q.query('CREATE TRIGGER pools_guard_delete BEFORE DELETE ON pools FOR EACH ROW EXECUTE FUNCTION pools_guard_delete()');
    await q.query(`
      CREATE FUNCTION vrfs_make_roots() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO pools (vrf_id, kind, name, network) VALUES (NEW.id, 'root', 'IPv4', '0.0.0.0/0'), (NEW.id, 'root', 'IPv6', '::/0');
        RETURN NULL;
      END $$`);
    await q.query('CREATE TRIGGER vrfs_make_roots AFTER INSERT ON vrfs FOR EACH ROW EXECUTE FUNCTION vrfs_make_roots()');
    await q.query(`
      CREATE FUNCTION vrfs_drop_roots() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        n bigint;
      BEGIN
        PERFORM ipam_lock(r.id) FROM pools r WHERE r.vrf_id = OLD.id AND r.kind = 'root';
        SELECT count(*) INTO n FROM pools p WHERE p.vrf_id = OLD.id AND p.kind <> 'root';
        IF n > 0 THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'vrf_has_pools', DETAIL = OLD.name || ' still has ' || n || ' pools.', HINT = json_build_object('pools', n);
        END IF;
        DELETE FROM pools r WHERE r.vrf_id = OLD.id;
        RETURN OLD;
      END $$`);
    await q.query('CREATE TRIGGER vrfs_drop_roots BEFORE DELETE ON vrfs FOR EACH ROW EXECUTE FUNCTION vrfs_drop_roots()');
    await q.query(`INSERT INTO vrfs (name, description, is_default) VALUES ('default', 'The global table.', true)`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP TRIGGER vrfs_make_roots ON vrfs');
    await q.query('DROP TRIGGER vrfs_drop_roots ON vrfs');
    await q.query('DROP TRIGGER pools_take_space ON pools');
    await q.query('DROP TRIGGER pools_give_space ON pools');
    await q.query('DROP TRIGGER pools_change_space ON pools');
    await q.query('DROP TRIGGER pools_guard_delete ON pools');
    await q.query(
      'DROP FUNCTION vrfs_make_roots(), vrfs_drop_roots(), pools_guard_delete(), pools_change_space(), ipam_carve(uuid, numrange, boolean)',
    );
    await q.query('DROP FUNCTION ipam_build(uuid), ipam_gaps(pools), ipam_claims(pools)');
    await q.query('DELETE FROM pools');
    await q.query('DELETE FROM vrfs');
  }
}
