import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Addresses, free space and the counters. Everything that carves or returns space does so in triggers, so that a row written past the
 * application is refused or counted like any other. Free space is a set of extents: disjoint, maximal, each with the prefix length of the
 * largest aligned block it holds. All changes to a pool's space hold its pool_usage row.
 */
export class CreateIpamSpace1793000000400 implements MigrationInterface {
  name = 'CreateIpamSpace1793000000400';

  async up(q: QueryRunner): Promise<void> {
    await this.tables(q);
    await this.extents(q);
    await this.allocations(q);
    await this.pools(q);
    await this.questions(q);
  }

  private async tables(q: QueryRunner): Promise<void> {
    await q.query(`
      CREATE TABLE pool_usage (
        pool_id uuid PRIMARY KEY CONSTRAINT pool_usage_pool REFERENCES pools (id) ON DELETE CASCADE,
        usable numeric(39) NOT NULL,
        free numeric(39) NOT NULL CONSTRAINT pool_usage_free_not_negative CHECK (free >= 0),
        pools numeric(39) NOT NULL DEFAULT 0,
        allocated numeric(39) NOT NULL DEFAULT 0,
        reserved numeric(39) NOT NULL DEFAULT 0,
        blocked numeric(39) NOT NULL DEFAULT 0,
        quarantined numeric(39) NOT NULL DEFAULT 0,
        level smallint NOT NULL GENERATED ALWAYS AS (CASE
          WHEN (usable - free) * 100 >= usable * 95 THEN 95
          WHEN (usable - free) * 100 >= usable * 80 THEN 80
          ELSE 0 END) STORED,
        CONSTRAINT pool_usage_adds_up CHECK (usable = free + pools + allocated + reserved + blocked + quarantined)
      ) WITH (fillfactor = 40)`);
    // The key is (pool, hi): taking from the low end of an extent then changes no indexed column, so the hottest update stays in its page.
    await q.query(`
      CREATE TABLE extents (
        pool_id uuid NOT NULL CONSTRAINT extents_pool REFERENCES pools (id) ON DELETE CASCADE,
        lo numeric(39) NOT NULL,
        hi numeric(39) NOT NULL,
        fit smallint NOT NULL,
        CONSTRAINT extents_key PRIMARY KEY (pool_id, hi),
        CONSTRAINT extents_order CHECK (lo <= hi)
      ) WITH (fillfactor = 70)`);
    // Next free block of a length: the lowest extent of each fit is one probe.
    await q.query('CREATE INDEX extents_by_fit ON extents (pool_id, fit, hi)');

    await q.query(`
      CREATE TABLE allocations (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        vrf_id uuid NOT NULL CONSTRAINT allocations_vrf REFERENCES vrfs (id),
        pool_id uuid,
        address inet NOT NULL,
        last_address inet NOT NULL,
        status text NOT NULL CONSTRAINT allocations_status CHECK (status IN ('allocated', 'reserved', 'blocked')),
        hostname text,
        mac macaddr,
        owner text,
        purpose text,
        description text NOT NULL DEFAULT '',
        version int NOT NULL DEFAULT 1,
        allocated_at timestamptz NOT NULL DEFAULT now(),
        allocated_by text NOT NULL DEFAULT 'system',
        updated_at timestamptz NOT NULL DEFAULT now(),
        released_at timestamptz,
        released_by text,
        quarantined_until timestamptz,
        returned_at timestamptz,
        CONSTRAINT allocations_pool FOREIGN KEY (vrf_id, pool_id) REFERENCES pools (vrf_id, id) ON DELETE SET NULL (pool_id)
          DEFERRABLE INITIALLY DEFERRED,
        CONSTRAINT allocations_host_addresses CHECK (
          family(address) = family(last_address) AND address <= last_address
          AND masklen(address) = ipam_width(family(address)) AND masklen(last_address) = ipam_width(family(address))),
        CONSTRAINT allocations_single_holder CHECK (status <> 'allocated' OR address = last_address),
        CONSTRAINT allocations_live_in_a_pool CHECK (pool_id IS NOT NULL OR returned_at IS NOT NULL),
        CONSTRAINT allocations_release_order CHECK (
          (returned_at IS NULL OR released_at IS NOT NULL) AND (quarantined_until IS NULL OR released_at IS NOT NULL)
          AND (released_at IS NULL OR returned_at IS NOT NULL OR quarantined_until IS NOT NULL)),
        CONSTRAINT allocations_hostname_form CHECK (hostname = lower(hostname) AND length(hostname) BETWEEN 1 AND 253)
      )`);
    // The heart: an address has one holder, and a resting one has none but its last.
    await q.query('CREATE UNIQUE INDEX allocations_one_holder ON allocations (vrf_id, address) WHERE returned_at IS NULL');
    // A pool's addresses in order: list, map, moves between pools.
    await q.query('CREATE INDEX allocations_by_pool ON allocations (pool_id, address) WHERE returned_at IS NULL');
    // Who held this address, in any VRF, ever; search by address and by CIDR.
    await q.query('CREATE INDEX allocations_history ON allocations (address, vrf_id, allocated_at DESC)');
    // Ranges that begin before a searched network and reach into it.
    await q.query('CREATE INDEX allocations_ranges ON allocations (vrf_id, address, last_address) WHERE address <> last_address');
    // The one range that may reach across an address: live ranges of a pool are disjoint, so it is the nearest below.
    await q.query(
      'CREATE INDEX allocations_live_ranges ON allocations (pool_id, address) WHERE address <> last_address AND returned_at IS NULL',
    );
    // Quarantines that are over.
    await q.query(
      'CREATE INDEX allocations_resting ON allocations (pool_id, quarantined_until) WHERE returned_at IS NULL AND quarantined_until IS NOT NULL',
    );
    // Search by host name: exact and prefix on the btree, any part on the trigrams.
    await q.query(
      'CREATE INDEX allocations_hostname ON allocations (hostname text_pattern_ops) WHERE hostname IS NOT NULL AND released_at IS NULL',
    );
    await q.query(
      'CREATE INDEX allocations_hostname_trigrams ON allocations USING gin (hostname gin_trgm_ops) WHERE hostname IS NOT NULL AND released_at IS NULL',
    );
    await q.query('CREATE INDEX allocations_mac ON allocations (mac) WHERE mac IS NOT NULL AND released_at IS NULL');
    await q.query(
      'CREATE INDEX allocations_owner ON allocations (lower(owner) text_pattern_ops) WHERE owner IS NOT NULL AND released_at IS NULL',
    );

    await q.query(`
      CREATE TABLE pool_alerts (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        pool_id uuid NOT NULL CONSTRAINT pool_alerts_pool REFERENCES pools (id) ON DELETE CASCADE,
        threshold smallint NOT NULL CONSTRAINT pool_alerts_threshold CHECK (threshold IN (80, 95)),
        utilization numeric(5, 2) NOT NULL,
        raised_at timestamptz NOT NULL DEFAULT now(),
        cleared_at timestamptz,
        announced_at timestamptz
      )`);
    await q.query('CREATE UNIQUE INDEX pool_alerts_one_open ON pool_alerts (pool_id, threshold) WHERE cleared_at IS NULL');
    await q.query('CREATE INDEX pool_alerts_unannounced ON pool_alerts (raised_at) WHERE announced_at IS NULL');
    await q.query(`
      CREATE TABLE pool_usage_samples (
        pool_id uuid NOT NULL CONSTRAINT pool_usage_samples_pool REFERENCES pools (id) ON DELETE CASCADE,
        day date NOT NULL,
        used numeric(39) NOT NULL,
        CONSTRAINT pool_usage_samples_key PRIMARY KEY (pool_id, day)
      )`);
  }

  private async extents(q: QueryRunner): Promise<void> {
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
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'address_quarantined', DETAIL = host(holder.address) || ' was released and rests until ' || to_json(holder.quarantined_until)::text || '.',
            HINT = json_build_object('allocationId', holder.id, 'quarantinedUntil', holder.quarantined_until);
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
    await q.query(`
      CREATE FUNCTION ipam_lock(the_pool uuid) RETURNS boolean LANGUAGE sql AS
      $$ SELECT true FROM pool_usage WHERE pool_id = the_pool FOR NO KEY UPDATE $$`);

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

  private async allocations(q: QueryRunner): Promise<void> {
    // Takes a run of addresses of one pool for new holders, so many of each status.
    await q.query(`
      CREATE FUNCTION ipam_claim(the_pool uuid, the_family int, a_lo numeric, a_hi numeric, n_allocated numeric, n_reserved numeric, n_blocked numeric)
      RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        p pools;
      BEGIN
        PERFORM FROM pool_usage WHERE pool_id = the_pool FOR NO KEY UPDATE;
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

  private async pools(q: QueryRunner): Promise<void> {
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
        DELETE FROM pool_usage u WHERE u.pool_id = p.id;
        INSERT INTO extents SELECT p.id, g.lo, g.hi, ipam_fit(ipam_width(p.family), g.lo, g.hi) FROM ipam_gaps(p) g;
        INSERT INTO pool_usage (pool_id, usable, free, pools, allocated, reserved, blocked, quarantined)
        SELECT p.id, u.hi - u.lo + 1, u.hi - u.lo + 1 - coalesce(sum(c.hi - c.lo + 1), 0),
               coalesce(sum(c.hi - c.lo + 1) FILTER (WHERE c.class = 'pools'), 0),
               coalesce(sum(c.hi - c.lo + 1) FILTER (WHERE c.class = 'allocated'), 0),
               coalesce(sum(c.hi - c.lo + 1) FILTER (WHERE c.class = 'reserved'), 0),
               coalesce(sum(c.hi - c.lo + 1) FILTER (WHERE c.class = 'blocked'), 0),
               coalesce(sum(c.hi - c.lo + 1) FILTER (WHERE c.class = 'quarantined'), 0)
          FROM ipam_usable(p.kind, p.network) u LEFT JOIN ipam_claims(p) c ON true GROUP BY u.lo, u.hi;
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
  }

  private async questions(q: QueryRunner): Promise<void> {
    // Locks and returns the smallest pool that covers a network, the VRF's root when nothing else does. Asks again after waiting for the
    // lock: the one who held it may have put a pool in between.
    await q.query(`
      CREATE FUNCTION ipam_parent(the_vrf uuid, the_network cidr) RETURNS pools LANGUAGE plpgsql AS $$
      DECLARE
        p pools;
        locked uuid;
      BEGIN
        LOOP
          SELECT x.* INTO p FROM (
            SELECT o.* FROM pools o WHERE o.vrf_id = the_vrf AND o.kind <> 'root' AND o.network = ANY (ipam_supernets(the_network))
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
        UPDATE pools c SET parent_id = new_id WHERE c.parent_id = parent.id AND c.network << the_network AND c.kind <> 'root';
        GET DIAGNOSTICS moved_pools = ROW_COUNT;
        UPDATE allocations a SET pool_id = new_id
         WHERE a.pool_id = parent.id AND a.returned_at IS NULL AND a.address <<= the_network;
        GET DIAGNOSTICS moved_allocations = ROW_COUNT;
        parent_id := parent.id;
      END $$`);
    // Gives a pool another network around or inside its old one. What it covers then moves into it; what would fall out of it refuses.
    await q.query(`
      CREATE FUNCTION ipam_resize(the_pool uuid, the_network cidr) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        p pools;
        parent pools;
        left_pools bigint;
        left_allocations bigint;
      BEGIN
        SELECT * INTO p FROM pools WHERE id = the_pool;
        IF family(the_network) <> p.family THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'pool_vrf_is_fixed', DETAIL = 'A pool stays in its VRF and address family.';
        END IF;
        SELECT x.* INTO parent FROM (
          SELECT o.* FROM pools o WHERE o.vrf_id = p.vrf_id AND o.kind <> 'root' AND o.network = ANY (ipam_supernets(the_network))
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
        UPDATE pools c SET parent_id = p.id WHERE c.parent_id = parent.id AND c.id <> p.id AND c.network << the_network AND c.kind <> 'root';
        UPDATE allocations a SET pool_id = p.id WHERE a.pool_id = parent.id AND a.returned_at IS NULL AND a.address <<= the_network;
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
        PERFORM FROM pool_usage WHERE pool_id = the_pool FOR NO KEY UPDATE;
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
      'DROP FUNCTION ipam_require_free(uuid, inet, inet), ipam_drift(uuid), ipam_next_block(uuid, int), ipam_next_free(uuid, int, boolean), ipam_return_due(uuid)',
    );
    await q.query(
      'DROP FUNCTION ipam_delete(uuid, boolean), ipam_resize(uuid, cidr), ipam_make_room(uuid, cidr, uuid), ipam_refuse_cut(pools, cidr), ipam_parent(uuid, cidr)',
    );
    await q.query(
      'DROP FUNCTION vrfs_make_roots(), vrfs_drop_roots(), pools_guard_delete(), pools_change_space(), ipam_carve(uuid, numrange, boolean)',
    );
    await q.query('DROP FUNCTION ipam_build(uuid), ipam_gaps(pools), ipam_claims(pools)');
    await q.query('DROP TABLE pool_usage_samples, pool_alerts');
    await q.query('DROP FUNCTION ipam_class(allocations)');
    await q.query('DROP TABLE allocations');
    await q.query(
      'DROP FUNCTION allocations_take_space(), ipam_claim(uuid, int, numeric, numeric, numeric, numeric, numeric), allocations_change_space(), allocations_keep_history()',
    );
    await q.query(
      'DROP FUNCTION ipam_take(pools, numeric, numeric), ipam_give(pools, numeric, numeric), ipam_refuse(pools, numeric, numeric)',
    );
    await q.query('DROP FUNCTION ipam_count(uuid, text, text, numeric), ipam_lock(uuid)');
    await q.query('DROP TABLE extents');
    await q.query('DROP TABLE pool_usage');
    await q.query('DROP FUNCTION pool_usage_alert(), ipam_usable(text, cidr), ipam_fit(int, numeric, numeric, int)');
    await q.query('DELETE FROM pools');
    await q.query('DELETE FROM vrfs');
  }
}
