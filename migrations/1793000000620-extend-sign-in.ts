import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** What signing in keeps: failures, one-time tokens, second factors, and which roles ask for one. */
export class ExtendSignIn1793000000620 implements MigrationInterface {
  name = 'ExtendSignIn1793000000620';

  async up(q: QueryRunner): Promise<void> {
    // Names are kept as an HMAC: what people type there may be their password. A row without an outcome is an attempt under way.
    await q.query(`
      CREATE TABLE login_attempts (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        name_digest bytea NOT NULL CONSTRAINT login_attempts_digest_size CHECK (octet_length(name_digest) = 32),
        network cidr NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        failed boolean NOT NULL DEFAULT false
      )`);
    // How often a name failed of late, from wherever; and a network, under whatever name.
    await q.query('CREATE INDEX login_attempts_name ON login_attempts (name_digest, at)');
    await q.query('CREATE INDEX login_attempts_network ON login_attempts (network, at) WHERE failed');
    // The nightly clean-up.
    await q.query('CREATE INDEX login_attempts_age ON login_attempts (at)');
    await q.query(`
      CREATE TABLE login_networks (
        name_digest bytea NOT NULL CONSTRAINT login_networks_digest_size CHECK (octet_length(name_digest) = 32),
        network cidr NOT NULL,
        failures int NOT NULL DEFAULT 0,
        locks int NOT NULL DEFAULT 0,
        locked_until timestamptz,
        last_failure_at timestamptz,
        last_success_at timestamptz,
        CONSTRAINT login_networks_key PRIMARY KEY (name_digest, network)
      )`);

    // Reset links, sign-ins that wait for a second factor, challenges of passkeys: good once, known by their hash.
    await q.query(`
      CREATE TABLE one_time_tokens (
        token_hash bytea PRIMARY KEY CONSTRAINT one_time_tokens_hash_size CHECK (octet_length(token_hash) = 32),
        purpose text NOT NULL CONSTRAINT one_time_tokens_purpose CHECK (purpose IN ('password_reset', 'second_factor', 'passkey_enrolment', 'passkey_proof')),
        user_id uuid CONSTRAINT one_time_tokens_user REFERENCES users (id) ON DELETE CASCADE,
        detail jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL
      )`);
    // What a newer token of the same purpose voids.
    await q.query('CREATE INDEX one_time_tokens_user ON one_time_tokens (user_id, purpose)');
    await q.query('CREATE INDEX one_time_tokens_expiry ON one_time_tokens (expires_at)');

    await q.query(`
      CREATE TABLE totp_secrets (
        user_id uuid PRIMARY KEY CONSTRAINT totp_secrets_user REFERENCES users (id) ON DELETE CASCADE,
        sealed_secret bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        confirmed_at timestamptz,
        last_step bigint NOT NULL DEFAULT 0,
        last_used_at timestamptz
      )`);
    await q.query(`
      CREATE TABLE recovery_codes (
        user_id uuid NOT NULL CONSTRAINT recovery_codes_user REFERENCES users (id) ON DELETE CASCADE,
        code_hash bytea NOT NULL CONSTRAINT recovery_codes_hash_size CHECK (octet_length(code_hash) = 32),
        used_at timestamptz,
        CONSTRAINT recovery_codes_key PRIMARY KEY (user_id, code_hash)
      )`);
    await q.query(`
      CREATE TABLE passkeys (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        user_id uuid NOT NULL CONSTRAINT passkeys_user REFERENCES users (id) ON DELETE CASCADE,
        credential_id text NOT NULL CONSTRAINT passkeys_credential_unique UNIQUE,
        public_key bytea NOT NULL,
        sign_count bigint NOT NULL,
        transports text[] NOT NULL DEFAULT '{}',
        name text NOT NULL CONSTRAINT passkeys_name_length CHECK (length(name) BETWEEN 1 AND 100),
        backed_up boolean NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        last_used_at timestamptz
      )`);
    await q.query('CREATE INDEX passkeys_user ON passkeys (user_id)');

    await q.query('ALTER TABLE roles ADD COLUMN second_factor_required boolean NOT NULL DEFAULT false');
    // The clean-up of sessions that ended long ago.
    await q.query('CREATE INDEX auth_sessions_ended ON auth_sessions (ended_at) WHERE ended_at IS NOT NULL');
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP INDEX auth_sessions_ended');
    await q.query('ALTER TABLE roles DROP COLUMN second_factor_required');
    await q.query('DROP TABLE passkeys, recovery_codes, totp_secrets, one_time_tokens, login_networks, login_attempts');
  }
}
