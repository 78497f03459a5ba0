import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Accounts, roles, logins and their rotating refresh tokens. */
export class CreateIdentity1793000000200 implements MigrationInterface {
  name = 'CreateIdentity1793000000200';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`
      CREATE TABLE users (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        username text NOT NULL CONSTRAINT users_username_form CHECK (username ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
        email text CONSTRAINT users_email_length CHECK (length(email) BETWEEN 3 AND 254),
        display_name text NOT NULL DEFAULT '',
        password_hash text,
        must_change_password boolean NOT NULL DEFAULT false,
        active boolean NOT NULL DEFAULT true,
        last_login_at timestamptz,
        password_changed_at timestamptz,
        version int NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL DEFAULT 'system',
        updated_at timestamptz NOT NULL DEFAULT now()
      )`);
    await q.query('CREATE UNIQUE INDEX users_username_unique ON users (lower(username))');
    await q.query('CREATE UNIQUE INDEX users_email_unique ON users (lower(email))');
    await q.query(`
      CREATE TABLE roles (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        name text NOT NULL CONSTRAINT roles_name_unique UNIQUE,
        description text NOT NULL DEFAULT '',
        system boolean NOT NULL DEFAULT false
      )`);
    await q.query(`
      CREATE TABLE role_permissions (
        role_id uuid NOT NULL CONSTRAINT role_permissions_role REFERENCES roles (id) ON DELETE CASCADE,
        permission text NOT NULL,
        CONSTRAINT role_permissions_key PRIMARY KEY (role_id, permission)
      )`);
    await q.query(`
      CREATE TABLE user_roles (
        user_id uuid NOT NULL CONSTRAINT user_roles_user REFERENCES users (id) ON DELETE CASCADE,
        role_id uuid NOT NULL CONSTRAINT user_roles_role REFERENCES roles (id),
        assigned_by text NOT NULL,
        assigned_at timestamptz NOT NULL DEFAULT now(),
        source text NOT NULL DEFAULT 'manual' CONSTRAINT user_roles_source CHECK (source IN ('manual', 'identity_provider')),
        CONSTRAINT user_roles_key PRIMARY KEY (user_id, role_id)
      )`);
    await q.query('CREATE INDEX user_roles_role ON user_roles (role_id)');
    await q.query(`
      CREATE TABLE auth_sessions (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        user_id uuid NOT NULL CONSTRAINT auth_sessions_user REFERENCES users (id) ON DELETE CASCADE,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        ended_at timestamptz,
        end_reason text CONSTRAINT auth_sessions_end_reason CHECK (end_reason IN ('logout', 'password_changed', 'refresh_reused', 'revoked', 'expired')),
        client_ip inet,
        user_agent text,
        CONSTRAINT auth_sessions_ended CHECK ((ended_at IS NULL) = (end_reason IS NULL))
      )`);
    await q.query('CREATE INDEX auth_sessions_user ON auth_sessions (user_id) WHERE ended_at IS NULL');
    // The family of a refresh token is its session. A used token keeps its successor, sealed under a key made of the token itself, so that a
    // retry inside the grace gets the same successor and a thief with the database gets nothing.
    await q.query(`
      CREATE TABLE refresh_tokens (
        token_hash bytea PRIMARY KEY CONSTRAINT refresh_tokens_hash_size CHECK (octet_length(token_hash) = 32),
        session_id uuid NOT NULL CONSTRAINT refresh_tokens_session REFERENCES auth_sessions (id) ON DELETE CASCADE,
        issued_at timestamptz NOT NULL DEFAULT now(),
        used_at timestamptz,
        sealed_successor bytea,
        CONSTRAINT refresh_tokens_used CHECK ((used_at IS NULL) = (sealed_successor IS NULL))
      )`);
    await q.query('CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id)');
    await q.query('CREATE UNIQUE INDEX refresh_tokens_one_live ON refresh_tokens (session_id) WHERE used_at IS NULL');
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP TABLE refresh_tokens, auth_sessions, user_roles, role_permissions, roles, users');
  }
}
