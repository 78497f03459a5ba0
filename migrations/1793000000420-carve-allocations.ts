import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Allocations carve the space they hold in triggers, so that a row written past the application is refused or counted like any other. */
export class CarveAllocations1793000000420 implements MigrationInterface {
  name = 'CarveAllocations1793000000420';

  async up(q: QueryRunner): Promise<void> {
    // Takes a run of addresses of one pool for new holders, so many of each status.
    await q.query(`
      CREATE FUNCTION ipam_claim(the_pool uuid, the_family int, a_lo numeric, a_hi numeric, n_allocated numeric, n_reserved numeric, n_blocked numeric)
      RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        p pools;
      BEGIN
        PERFORM ipam_lock(the_pool);
        SELECT * INTO p FROM pools WHERE id = the_pool;
        IF p.kind IS DISTINCT FROM 'subnet' THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'pool_holds_no_addresses', DETAIL = p.network || ' is a container: it takes child pools, not addresses.',
            HINT = json_build_object('poolId', p.id);
        END IF;
        IF p.family <> the_family THEN
          RAISE SQLSTATE 'CD422' USING MESSAGE = 'address_outside_pool', DETAIL = host(ipam_inet(the_family, a_lo)) || ' is not inside ' || p.network || '.',
            HINT = json_build_object('pointer', '/address', 'network', p.network);
        END IF;
        PERFORM ipam_take(p, a_lo, a_hi);
        UPDATE pool_usage SET free = free - (a_hi - a_lo + 1), allocated = allocated + n_allocated, reserved = reserved + n_reserved, blocked = blocked + n_blocked
         WHERE pool_id = the_pool;
      END $$`);
    // Runs of adjacent addresses are taken as one, so that a thousand new addresses cost one change of one extent. A single row, the usual
    // case, is spared the search for runs.
    await q.query(`
      CREATE FUNCTION allocations_take_space() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF (SELECT count(*) FROM inserted) = 1 THEN
          PERFORM ipam_claim(n.pool_id, family(n.address), ipam_number(n.address), ipam_number(n.last_address),
                             CASE n.status WHEN 'allocated' THEN 1 ELSE 0 END,
                             CASE n.status WHEN 'reserved' THEN ipam_number(n.last_address) - ipam_number(n.address) + 1 ELSE 0 END,
                             CASE n.status WHEN 'blocked' THEN ipam_number(n.last_address) - ipam_number(n.address) + 1 ELSE 0 END)
             FROM inserted n WHERE n.returned_at IS NULL AND n.released_at IS NULL;
          RETURN NULL;
        END IF;
        PERFORM ipam_claim(r.pool_id, r.family, r.lo, r.hi, r.allocated, r.reserved, r.blocked) FROM (
          WITH claimed AS (
            SELECT n.pool_id, n.status, ipam_number(n.address) AS lo, ipam_number(n.last_address) AS hi, family(n.address) AS family
              FROM inserted n WHERE n.returned_at IS NULL AND n.released_at IS NULL
          ), marked AS (
            SELECT c.*, CASE WHEN c.lo = lag(c.hi) OVER (PARTITION BY c.pool_id ORDER BY c.lo) + 1 THEN 0 ELSE 1 END AS begins FROM claimed c
          ), numbered AS (
            SELECT m.*, sum(m.begins) OVER (PARTITION BY m.pool_id ORDER BY m.lo) AS island FROM marked m
          )
          SELECT pool_id, min(family) AS family, min(lo) AS lo, max(hi) AS hi,
                 coalesce(sum(hi - lo + 1) FILTER (WHERE status = 'allocated'), 0) AS allocated,
                 coalesce(sum(hi - lo + 1) FILTER (WHERE status = 'reserved'), 0) AS reserved,
                 coalesce(sum(hi - lo + 1) FILTER (WHERE status = 'blocked'), 0) AS blocked
            FROM numbered GROUP BY pool_id, island ORDER BY pool_id, min(lo)
        ) r;
        RETURN NULL;
      END $$`);
    await q.query(`
      CREATE TRIGGER allocations_take_space AFTER INSERT ON allocations REFERENCING NEW TABLE AS inserted
      FOR EACH STATEMENT EXECUTE FUNCTION allocations_take_space()`);

    await q.query(`
      CREATE FUNCTION ipam_class(a allocations) RETURNS text LANGUAGE sql IMMUTABLE AS $$
        SELECT CASE WHEN a.returned_at IS NOT NULL THEN 'free' WHEN a.released_at IS NOT NULL THEN 'quarantined' ELSE a.status END $$`);
    await q.query(`
      CREATE FUNCTION allocations_change_space() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        before text := ipam_class(OLD);
        after text := ipam_class(NEW);
        lo numeric := ipam_number(NEW.address);
        hi numeric := ipam_number(NEW.last_address);
        p pools;
      BEGIN
        IF NEW.address <> OLD.address OR NEW.last_address <> OLD.last_address OR NEW.vrf_id <> OLD.vrf_id THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'address_is_fixed', DETAIL = 'An allocation keeps its address: release it and allocate the other one.';
        END IF;
        IF before = 'free' THEN
          IF after <> 'free' THEN
            RAISE SQLSTATE 'CD409' USING MESSAGE = 'allocation_released', DETAIL = 'A released allocation is history and does not come back.';
          END IF;
          RETURN NULL;
        END IF;
        IF before <> after AND after <> 'free' AND NOT (before, after) IN (('reserved', 'allocated'), ('reserved', 'blocked'), ('allocated', 'quarantined')) THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'status_change_refused', DETAIL = 'An address that is ' || before || ' cannot become ' || after || '.',
            HINT = json_build_object('from', before, 'to', after);
        END IF;
        IF NEW.pool_id IS NOT DISTINCT FROM OLD.pool_id THEN
          PERFORM ipam_lock(OLD.pool_id);
          IF after = 'free' THEN
            SELECT * INTO p FROM pools WHERE id = OLD.pool_id;
            PERFORM ipam_give(p, lo, hi);
          END IF;
          PERFORM ipam_count(OLD.pool_id, before, after, hi - lo + 1);
          RETURN NULL;
        END IF;
        IF ipam_lock(OLD.pool_id) THEN
          SELECT * INTO p FROM pools WHERE id = OLD.pool_id;
          PERFORM ipam_give(p, lo, hi);
          PERFORM ipam_count(OLD.pool_id, before, 'free', hi - lo + 1);
        END IF;
        -- A pool that is being made has no usage row yet; it finds what moved into it when it is built.
        IF after <> 'free' AND ipam_lock(NEW.pool_id) THEN
          SELECT * INTO p FROM pools WHERE id = NEW.pool_id;
          PERFORM ipam_take(p, lo, hi);
          PERFORM ipam_count(NEW.pool_id, 'free', after, hi - lo + 1);
        END IF;
        RETURN NULL;
      END $$`);
    await q.query(`
      CREATE TRIGGER allocations_change_space AFTER UPDATE ON allocations FOR EACH ROW
      WHEN (OLD.pool_id IS DISTINCT FROM NEW.pool_id OR OLD.status <> NEW.status OR OLD.released_at IS DISTINCT FROM NEW.released_at
         OR OLD.returned_at IS DISTINCT FROM NEW.returned_at OR OLD.address <> NEW.address OR OLD.last_address <> NEW.last_address OR OLD.vrf_id <> NEW.vrf_id)
      EXECUTE FUNCTION allocations_change_space()`);
    await q.query(`
      CREATE FUNCTION allocations_keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE SQLSTATE 'CD409' USING MESSAGE = 'history_is_kept', DETAIL = 'Allocations are never deleted: they are the history of their address.';
      END $$`);
    await q.query(
      'CREATE TRIGGER allocations_keep_history BEFORE DELETE ON allocations FOR EACH ROW EXECUTE FUNCTION allocations_keep_history()',
    );
    await q.query(
      'CREATE TRIGGER allocations_keep_all_history BEFORE TRUNCATE ON allocations FOR EACH STATEMENT EXECUTE FUNCTION allocations_keep_history()',
    );
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP TRIGGER allocations_take_space ON allocations');
    await q.query('DROP TRIGGER allocations_change_space ON allocations');
    await q.query('DROP TRIGGER allocations_keep_history ON allocations');
    await q.query('DROP TRIGGER allocations_keep_all_history ON allocations');
    await q.query(
      'DROP FUNCTION allocations_take_space(), ipam_claim(uuid, int, numeric, numeric, numeric, numeric, numeric), allocations_change_space(), allocations_keep_history()',
    );
    await q.query('DROP FUNCTION ipam_class(allocations)');
  }
}
