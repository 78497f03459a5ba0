import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** VRFs, the tree of pools and its invariants. Free space and allocations follow in the next migration. */
export class CreateIpamPools1793000000300 implements MigrationInterface {
  name = 'CreateIpamPools1793000000300';

  async up(q: QueryRunner): Promise<void> {
    await q.query('CREATE EXTENSION IF NOT EXISTS btree_gist');
    await q.query('CREATE EXTENSION IF NOT EXISTS pg_trgm');

    // Addresses as whole numbers: numeric, because inet arithmetic errors at the top of the space and overflows bigint in IPv6.
    await q.query(`
      CREATE FUNCTION ipam_number(inet) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
      $$ SELECT ('0x' || encode(substring(inet_send($1) FROM 5), 'hex'))::numeric $$`);
    await q.query(`
      CREATE FUNCTION ipam_width(family int) RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
      $$ SELECT CASE family WHEN 4 THEN 32 ELSE 128 END $$`);
    await q.query(`
      CREATE FUNCTION ipam_inet(family int, n numeric) RETURNS inet LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
      $$ SELECT CASE family
           WHEN 4 THEN '0.0.0.0'::inet + n::bigint
           ELSE (SELECT string_agg(to_hex((div(n, 65536::numeric ^ (7 - i)) % 65536)::int), ':' ORDER BY i) FROM generate_series(0, 7) i)::inet
         END $$`);
    await q.query(`
      CREATE FUNCTION ipam_first(network cidr) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
      $$ SELECT ipam_number(host(network)::inet) $$`);
    await q.query(`
      CREATE FUNCTION ipam_last(network cidr) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
      $$ SELECT ipam_number(host(broadcast(network))::inet) $$`);
    await q.query(`
      CREATE FUNCTION ipam_span(network cidr) RETURNS numrange LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
      $$ SELECT numrange(ipam_first(network), ipam_last(network) + 1) $$`);
    // Every network that covers this one, itself included: what ancestors are probed with, on the btree.
    await q.query(`
      CREATE FUNCTION ipam_supernets(network inet) RETURNS cidr[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
      $$ SELECT array_agg(network(set_masklen(network, i))::cidr) FROM generate_series(0, masklen(network)) i $$`);

    await q.query(`
      CREATE TABLE vrfs (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        name text NOT NULL CONSTRAINT vrfs_name_length CHECK (length(name) BETWEEN 1 AND 100),
        rd text CONSTRAINT vrfs_rd_length CHECK (length(rd) BETWEEN 1 AND 50),
        description text NOT NULL DEFAULT '',
        is_default boolean NOT NULL DEFAULT false,
        version int NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL DEFAULT 'system',
        updated_at timestamptz NOT NULL DEFAULT now()
      )`);
    await q.query('CREATE UNIQUE INDEX vrfs_name_unique ON vrfs (lower(name))');
    await q.query('CREATE UNIQUE INDEX vrfs_rd_unique ON vrfs (rd)');
    await q.query('CREATE UNIQUE INDEX vrfs_one_default ON vrfs (is_default) WHERE is_default');

    // The temporal keys begin with the id: the planner takes them for a look-up by id too, and a GiST index is only narrow in its first column.
    await q.query(`
      CREATE TABLE pools (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        vrf_id uuid NOT NULL CONSTRAINT pools_vrf REFERENCES vrfs (id),
        parent_id uuid,
        kind text NOT NULL CONSTRAINT pools_kind CHECK (kind IN ('root', 'container', 'subnet')),
        name text NOT NULL CONSTRAINT pools_name_length CHECK (length(name) BETWEEN 1 AND 200),
        network cidr NOT NULL,
        family smallint NOT NULL GENERATED ALWAYS AS (family(network)) STORED,
        span numrange NOT NULL GENERATED ALWAYS AS (ipam_span(network)) STORED,
        gateway inet,
        vlan int CONSTRAINT pools_vlan CHECK (vlan BETWEEN 1 AND 4094),
        site text,
        environment text,
        tags text[] NOT NULL DEFAULT '{}',
        description text NOT NULL DEFAULT '',
        active boolean NOT NULL DEFAULT true,
        cooldown_seconds int NOT NULL DEFAULT 86400 CONSTRAINT pools_cooldown CHECK (cooldown_seconds BETWEEN 0 AND 31536000),
        version int NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL DEFAULT 'system',
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pools_root_has_no_parent CHECK ((kind = 'root') = (parent_id IS NULL)),
        CONSTRAINT pools_gateway_inside CHECK (gateway IS NULL OR (kind = 'subnet' AND gateway << network AND masklen(gateway) = ipam_width(family(network)))),
        CONSTRAINT pools_vrf_key UNIQUE (vrf_id, id),
        CONSTRAINT pools_key UNIQUE (id, vrf_id, family, span WITHOUT OVERLAPS),
        CONSTRAINT pools_no_overlap UNIQUE (parent_id, vrf_id, family, span WITHOUT OVERLAPS),
        CONSTRAINT pools_inside_parent FOREIGN KEY (parent_id, vrf_id, family, PERIOD span)
          REFERENCES pools (id, vrf_id, family, PERIOD span) DEFERRABLE INITIALLY DEFERRED
      )`);
    // One VRF is one address space; a network stands in it once. Ancestors are found here, by probing every supernet.
    await q.query(`CREATE UNIQUE INDEX pools_network_unique ON pools (vrf_id, network) WHERE kind <> 'root'`);
    await q.query(`CREATE UNIQUE INDEX pools_name_unique ON pools (vrf_id, lower(name)) WHERE kind <> 'root'`);
    await q.query(`CREATE UNIQUE INDEX pools_one_root ON pools (vrf_id, family) WHERE kind = 'root'`);
    // Children of a pool in order, from any address on.
    await q.query('CREATE INDEX pools_by_parent ON pools (parent_id, lower(span))');
    // Pools inside a network, in every VRF.
    await q.query('CREATE INDEX pools_by_network ON pools (network)');
    await q.query('CREATE INDEX pools_name_trigrams ON pools USING gin (name gin_trgm_ops)');
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP TABLE pools');
    await q.query('DROP TABLE vrfs');
    await q.query(
      'DROP FUNCTION ipam_supernets(inet), ipam_span(cidr), ipam_last(cidr), ipam_first(cidr), ipam_inet(int, numeric), ipam_width(int), ipam_number(inet)',
    );
    await q.query('DROP EXTENSION pg_trgm');
    await q.query('DROP EXTENSION btree_gist');
  }
}
