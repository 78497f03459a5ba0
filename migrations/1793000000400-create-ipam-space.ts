import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Addresses, free space and the counters. Free space is a set of extents: disjoint, maximal, each with the prefix length of the
 * largest aligned block it holds. All changes to a pool's space hold its pool_usage row. */
export class CreateIpamSpace1793000000400 implements MigrationInterface {
  name = 'CreateIpamSpace1793000000400';

  async up(q: QueryRunner): Promise<void> {
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
    // Quarantines that are over: in one pool when it is asked for an address, in all when the clock comes by.
    await q.query(
      'CREATE INDEX allocations_rested ON allocations (quarantined_until) WHERE returned_at IS NULL AND quarantined_until IS NOT NULL',
    );
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

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP TABLE pool_usage_samples, pool_alerts, allocations, extents, pool_usage');
  }
}
