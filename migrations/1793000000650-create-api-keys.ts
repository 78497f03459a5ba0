import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Projects, API keys, their use and what was odd about it. */
export class CreateApiKeys1793000000650 implements MigrationInterface {
  name = 'CreateApiKeys1793000000650';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`
      CREATE TABLE projects (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        name text NOT NULL CONSTRAINT projects_name_length CHECK (length(name) BETWEEN 1 AND 100),
        description text NOT NULL DEFAULT '',
        archived_at timestamptz,
        version int NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL DEFAULT 'system',
        updated_at timestamptz NOT NULL DEFAULT now()
      )`);
    await q.query('CREATE UNIQUE INDEX projects_name_unique ON projects (lower(name))');
    await q.query(`
      CREATE TABLE project_members (
        project_id uuid NOT NULL CONSTRAINT project_members_project REFERENCES projects (id) ON DELETE CASCADE,
        user_id uuid NOT NULL CONSTRAINT project_members_user REFERENCES users (id) ON DELETE RESTRICT,
        role text NOT NULL CONSTRAINT project_members_role CHECK (role IN ('owner', 'member')),
        added_by text NOT NULL,
        added_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT project_members_key PRIMARY KEY (project_id, user_id)
      )`);
    // The projects somebody is a member of.
    await q.query('CREATE INDEX project_members_user ON project_members (user_id)');
    await q.query(`
      CREATE TABLE project_pools (
        pool_id uuid CONSTRAINT project_pools_once PRIMARY KEY CONSTRAINT project_pools_pool REFERENCES pools (id) ON DELETE CASCADE,
        project_id uuid NOT NULL CONSTRAINT project_pools_project REFERENCES projects (id) ON DELETE CASCADE
      )`);
    // The pools of a project: asked whenever one of its keys is looked up.
    await q.query('CREATE INDEX project_pools_project ON project_pools (project_id)');

    // A row without issued_at is a rotation that waits for its owner to collect it: there is no secret yet. What has ended loses its digest
    // after a while; the row stays, for who made what, and what came of it.
    await q.query(`
      CREATE TABLE api_keys (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        handle text NOT NULL CONSTRAINT api_keys_handle_unique UNIQUE CONSTRAINT api_keys_handle_form CHECK (handle ~ '^[0-9A-Za-z]{12}$'),
        kind text NOT NULL CONSTRAINT api_keys_kind CHECK (kind IN ('owner', 'admin', 'tenant', 'public')),
        name text NOT NULL CONSTRAINT api_keys_name_length CHECK (length(name) BETWEEN 1 AND 100),
        owner_id uuid NOT NULL CONSTRAINT api_keys_owner REFERENCES users (id) ON DELETE RESTRICT,
        project_id uuid CONSTRAINT api_keys_project REFERENCES projects (id) ON DELETE RESTRICT,
        pepper_kid text,
        digest bytea CONSTRAINT api_keys_digest_size CHECK (octet_length(digest) = 32),
        last4 text CONSTRAINT api_keys_last4_form CHECK (last4 ~ '^[0-9A-Za-z]{4}$'),
        permissions text[] NOT NULL CONSTRAINT api_keys_permissions_limit CHECK (cardinality(permissions) BETWEEN 1 AND 100),
        vrf_ids uuid[] CONSTRAINT api_keys_vrfs_limit CHECK (cardinality(vrf_ids) BETWEEN 1 AND 100),
        networks cidr[] CONSTRAINT api_keys_networks_limit CHECK (cardinality(networks) BETWEEN 1 AND 100),
        address_ranges cidr[] CONSTRAINT api_keys_ranges_limit CHECK (cardinality(address_ranges) BETWEEN 1 AND 100),
        allowed_origins text[] CONSTRAINT api_keys_origins_limit CHECK (cardinality(allowed_origins) BETWEEN 1 AND 100),
        rotation_days int CONSTRAINT api_keys_rotation_period CHECK (rotation_days BETWEEN 1 AND 365),
        issued_at timestamptz,
        expires_at timestamptz NOT NULL,
        revoked_at timestamptz,
        revoke_reason text CONSTRAINT api_keys_revoke_reason CHECK (revoke_reason IN ('revoked', 'project_archived', 'not_collected')),
        replaces uuid CONSTRAINT api_keys_replaces REFERENCES api_keys (id),
        replaced_by uuid CONSTRAINT api_keys_replaced_by REFERENCES api_keys (id),
        grace_until timestamptz,
        last_used_at timestamptz,
        last_used_address inet,
        version int NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL DEFAULT 'system',
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT api_keys_digest_complete CHECK ((digest IS NULL) = (pepper_kid IS NULL)),
        CONSTRAINT api_keys_pending_has_no_secret CHECK (issued_at IS NOT NULL OR (digest IS NULL AND last4 IS NULL)),
        CONSTRAINT api_keys_revoked CHECK ((revoked_at IS NULL) = (revoke_reason IS NULL)),
        CONSTRAINT api_keys_replaced CHECK ((replaced_by IS NULL) = (grace_until IS NULL)),
        CONSTRAINT api_keys_tenant_limited CHECK (kind <> 'tenant' OR vrf_ids IS NOT NULL OR networks IS NOT NULL),
        CONSTRAINT api_keys_public_reads CHECK (kind <> 'public' OR permissions <@ '{vrf:read,pool:read,allocation:read,search:read}'),
        CONSTRAINT api_keys_public_confined CHECK (kind <> 'public' OR address_ranges IS NOT NULL OR allowed_origins IS NOT NULL)
      )`);
    await q.query('CREATE INDEX api_keys_owner ON api_keys (owner_id)');
    await q.query('CREATE INDEX api_keys_project ON api_keys (project_id)');
    // One successor a key, however many instances rotate it at once.
    await q.query('CREATE UNIQUE INDEX api_keys_one_successor ON api_keys (replaces) WHERE revoked_at IS NULL');
    // The nightly care: what is live, by its end.
    await q.query('CREATE INDEX api_keys_live ON api_keys (expires_at) WHERE revoked_at IS NULL');

    await q.query(`
      CREATE TABLE tenant_tokens (
        id uuid PRIMARY KEY,
        key_id uuid NOT NULL CONSTRAINT tenant_tokens_parent REFERENCES api_keys (id),
        issued_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        revoked_at timestamptz
      )`);
    // The revoked tokens of a key, asked whenever it is looked up.
    await q.query('CREATE INDEX tenant_tokens_revoked ON tenant_tokens (key_id) WHERE revoked_at IS NOT NULL');
    // Forgetting what has expired.
    await q.query('CREATE INDEX tenant_tokens_expiry ON tenant_tokens (expires_at)');

    await q.query(`
      CREATE TABLE api_key_usage (
        key_id uuid NOT NULL CONSTRAINT api_key_usage_of REFERENCES api_keys (id),
        hour timestamptz NOT NULL,
        route text NOT NULL,
        status_class smallint NOT NULL CONSTRAINT api_key_usage_status CHECK (status_class BETWEEN 1 AND 5),
        address_prefix cidr NOT NULL,
        n bigint NOT NULL,
        ms_sum float8 NOT NULL,
        ms_max float8 NOT NULL,
        buckets bigint[] NOT NULL,
        CONSTRAINT api_key_usage_key PRIMARY KEY (key_id, hour, route, status_class, address_prefix)
      )`);
    // Whether a key came from a network before.
    await q.query('CREATE INDEX api_key_usage_prefix ON api_key_usage (key_id, address_prefix)');
    // Forgetting old hours.
    await q.query('CREATE INDEX api_key_usage_hour ON api_key_usage USING brin (hour)');
    await q.query(`
      CREATE TABLE api_key_denials (
        key_id uuid NOT NULL CONSTRAINT api_key_denials_of REFERENCES api_keys (id),
        kind text NOT NULL CONSTRAINT api_key_denials_kind CHECK (kind IN ('permission', 'secret')),
        minute timestamptz NOT NULL,
        n bigint NOT NULL,
        CONSTRAINT api_key_denials_key PRIMARY KEY (key_id, kind, minute)
      )`);

    // One event for a rule, a key and a window: whoever else notices the same finds it taken.
    await q.query(`
      CREATE TABLE security_events (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        rule text NOT NULL CONSTRAINT security_events_rule CHECK (rule IN ('volume', 'spike', 'dormant_use', 'revoked_use', 'expired_use',
          'address_denied', 'permission_burst', 'failure_burst', 'checksum_flood', 'new_network', 'expiring')),
        severity text NOT NULL CONSTRAINT security_events_severity CHECK (severity IN ('info', 'low', 'medium', 'high', 'critical')),
        key_id uuid CONSTRAINT security_events_of REFERENCES api_keys (id),
        window_start timestamptz NOT NULL,
        detail jsonb NOT NULL,
        raised_at timestamptz NOT NULL DEFAULT now(),
        state text NOT NULL DEFAULT 'open' CONSTRAINT security_events_state CHECK (state IN ('open', 'acknowledged', 'resolved')),
        note text NOT NULL DEFAULT '',
        acknowledged_at timestamptz,
        acknowledged_by text,
        resolved_at timestamptz,
        resolved_by text,
        version int NOT NULL DEFAULT 1,
        CONSTRAINT security_events_acknowledged CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL)),
        CONSTRAINT security_events_resolved CHECK ((resolved_at IS NULL) = (resolved_by IS NULL) AND (state = 'resolved') = (resolved_at IS NOT NULL)),
        CONSTRAINT security_events_once UNIQUE NULLS NOT DISTINCT (rule, key_id, window_start)
      )`);
    // A key's open events, for its health.
    await q.query(`CREATE INDEX security_events_open ON security_events (key_id) WHERE state <> 'resolved'`);
    await q.query(`
      CREATE FUNCTION security_events_keep() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'UPDATE' AND ROW (new.id, new.rule, new.severity, new.key_id, new.window_start, new.detail, new.raised_at)
            IS NOT DISTINCT FROM ROW (old.id, old.rule, old.severity, old.key_id, old.window_start, old.detail, old.raised_at) THEN
          RETURN new;
        END IF;
        RAISE EXCEPTION 'security events stay as they were raised' USING ERRCODE = 'restrict_violation';
      END $$`);
    await q.query(`
      CREATE TRIGGER security_events_keep BEFORE UPDATE OR DELETE ON security_events
        FOR EACH ROW EXECUTE FUNCTION security_events_keep()`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP TABLE security_events, api_key_denials, api_key_usage, tenant_tokens, api_keys');
    await q.query('DROP TABLE project_pools, project_members, projects');
    await q.query('DROP FUNCTION security_events_keep()');
  }
}
