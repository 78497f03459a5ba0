import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Assignments limited to networks, in time and by their source; sessions that know how they were opened and when they were last used. */
export class LimitRights1793000000600 implements MigrationInterface {
  name = 'LimitRights1793000000600';

  async up(q: QueryRunner): Promise<void> {
    // Short locks: a user has a handful of assignments, and sessions live hours.
    await q.query(`
      ALTER TABLE user_roles
        ADD COLUMN id uuid NOT NULL DEFAULT uuidv7(),
        ADD COLUMN provider_id uuid,
        ADD COLUMN vrf_ids uuid[],
        ADD COLUMN networks cidr[],
        ADD COLUMN expires_at timestamptz,
        DROP CONSTRAINT user_roles_key,
        ADD CONSTRAINT user_roles_key PRIMARY KEY (id),
        ADD CONSTRAINT user_roles_once UNIQUE NULLS NOT DISTINCT (user_id, role_id, provider_id),
        ADD CONSTRAINT user_roles_provider CHECK ((source = 'manual') = (provider_id IS NULL)),
        ADD CONSTRAINT user_roles_vrfs_limit CHECK (cardinality(vrf_ids) BETWEEN 1 AND 100),
        ADD CONSTRAINT user_roles_networks_limit CHECK (cardinality(networks) BETWEEN 1 AND 100)`);
    await q.query(`
      ALTER TABLE auth_sessions
        ADD COLUMN kind text NOT NULL DEFAULT 'token' CONSTRAINT auth_sessions_kind CHECK (kind IN ('token', 'console')),
        ADD COLUMN secret_hash bytea CONSTRAINT auth_sessions_secret_size CHECK (octet_length(secret_hash) = 32),
        ADD COLUMN last_seen_at timestamptz NOT NULL DEFAULT now(),
        ADD COLUMN authenticated_at timestamptz NOT NULL DEFAULT now(),
        ADD COLUMN methods text[] NOT NULL DEFAULT '{pwd}' CONSTRAINT auth_sessions_methods CHECK (cardinality(methods) > 0),
        ADD COLUMN provider_id uuid,
        ADD COLUMN provider_session text,
        DROP CONSTRAINT auth_sessions_end_reason,
        ADD CONSTRAINT auth_sessions_end_reason CHECK (end_reason IN ('logout', 'password_changed', 'refresh_reused', 'revoked', 'expired', 'idle',
          'limit', 'replaced', 'deactivated', 'provider_logout')),
        ADD CONSTRAINT auth_sessions_console_secret CHECK ((kind = 'console') = (secret_hash IS NOT NULL))`);
    // A console's request, by its cookie.
    await q.query('CREATE UNIQUE INDEX auth_sessions_secret ON auth_sessions (secret_hash)');
    // A provider's back-channel logout.
    await q.query('CREATE INDEX auth_sessions_provider ON auth_sessions (provider_id, provider_session) WHERE ended_at IS NULL');
    // The sweeper: live sessions by when they were last used.
    await q.query('CREATE INDEX auth_sessions_last_seen ON auth_sessions (last_seen_at) WHERE ended_at IS NULL');
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP INDEX auth_sessions_secret, auth_sessions_provider, auth_sessions_last_seen');
    await q.query(
      `DELETE FROM auth_sessions WHERE kind = 'console' OR end_reason IN ('idle', 'limit', 'replaced', 'deactivated', 'provider_logout')`,
    );
    await q.query(`
      ALTER TABLE auth_sessions
        DROP CONSTRAINT auth_sessions_console_secret,
        DROP COLUMN kind, DROP COLUMN secret_hash, DROP COLUMN last_seen_at, DROP COLUMN authenticated_at, DROP COLUMN methods,
        DROP COLUMN provider_id, DROP COLUMN provider_session,
        DROP CONSTRAINT auth_sessions_end_reason,
        ADD CONSTRAINT auth_sessions_end_reason CHECK (end_reason IN ('logout', 'password_changed', 'refresh_reused', 'revoked', 'expired'))`);
    // Only whole assignments made by hand are known to what comes before; a limited one must not become an unlimited one.
    await q.query(
      `DELETE FROM user_roles WHERE source <> 'manual' OR vrf_ids IS NOT NULL OR networks IS NOT NULL OR expires_at IS NOT NULL`,
    );
    await q.query(`
      ALTER TABLE user_roles
        DROP CONSTRAINT user_roles_once,
        DROP COLUMN id, DROP COLUMN provider_id, DROP COLUMN vrf_ids, DROP COLUMN networks, DROP COLUMN expires_at,
        ADD CONSTRAINT user_roles_key PRIMARY KEY (user_id, role_id)`);
  }
}
