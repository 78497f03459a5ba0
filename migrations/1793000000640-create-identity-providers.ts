import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Identity providers, whom they vouched for, and sign-ins that are under way. */
export class CreateIdentityProviders1793000000640 implements MigrationInterface {
  name = 'CreateIdentityProviders1793000000640';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`
      CREATE TABLE identity_providers (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        slug text NOT NULL
          CONSTRAINT identity_providers_slug_unique UNIQUE
          CONSTRAINT identity_providers_slug_form CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
        kind text NOT NULL CONSTRAINT identity_providers_kind CHECK (kind IN ('ldap', 'oidc', 'saml')),
        name text NOT NULL CONSTRAINT identity_providers_name_length CHECK (length(name) BETWEEN 1 AND 100),
        enabled boolean NOT NULL DEFAULT true,
        config jsonb NOT NULL CONSTRAINT identity_providers_config_kind CHECK (config ->> 'kind' = kind),
        secrets bytea,
        creates_accounts boolean NOT NULL DEFAULT false,
        may_grant_superuser boolean NOT NULL DEFAULT false,
        version int NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL DEFAULT 'system',
        updated_at timestamptz NOT NULL DEFAULT now()
      )`);
    // By role, not by its name: a role made later under an old name is not granted by what was meant for the old one.
    await q.query(`
      CREATE TABLE identity_provider_roles (
        provider_id uuid NOT NULL CONSTRAINT identity_provider_roles_provider REFERENCES identity_providers (id) ON DELETE CASCADE,
        external_group text,
        role_id uuid NOT NULL CONSTRAINT identity_provider_roles_role REFERENCES roles (id) ON DELETE CASCADE,
        CONSTRAINT identity_provider_roles_once UNIQUE NULLS NOT DISTINCT (provider_id, external_group, role_id)
      )`);
    await q.query(
      `COMMENT ON COLUMN identity_provider_roles.external_group IS 'Whose members hold the role; null: given by hand, once, to every account the provider makes.'`,
    );
    await q.query('CREATE INDEX identity_provider_roles_role ON identity_provider_roles (role_id)');
    await q.query(`
      CREATE TABLE user_identities (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        provider_id uuid NOT NULL CONSTRAINT user_identities_provider REFERENCES identity_providers (id),
        external_id text NOT NULL CONSTRAINT user_identities_external_id_length CHECK (length(external_id) BETWEEN 1 AND 1000),
        user_id uuid NOT NULL CONSTRAINT user_identities_user REFERENCES users (id) ON DELETE CASCADE,
        name text NOT NULL DEFAULT '',
        posix jsonb,
        created_at timestamptz NOT NULL DEFAULT now(),
        last_login_at timestamptz,
        CONSTRAINT user_identities_external_id_unique UNIQUE (provider_id, external_id),
        CONSTRAINT user_identities_one_each UNIQUE (user_id, provider_id)
      )`);
    // A sign-in that left for its provider. Taken by DELETE, so its state is good for one return.
    await q.query(`
      CREATE TABLE sign_in_redirects (
        state_hash bytea PRIMARY KEY CONSTRAINT sign_in_redirects_state_size CHECK (octet_length(state_hash) = 32),
        provider_id uuid NOT NULL CONSTRAINT sign_in_redirects_provider REFERENCES identity_providers (id) ON DELETE CASCADE,
        user_id uuid CONSTRAINT sign_in_redirects_user REFERENCES users (id) ON DELETE CASCADE,
        binding_hash bytea NOT NULL CONSTRAINT sign_in_redirects_binding_size CHECK (octet_length(binding_hash) = 32),
        sealed bytea NOT NULL,
        return_to text NOT NULL,
        expires_at timestamptz NOT NULL DEFAULT now() + interval '10 minutes'
      )`);
    await q.query(`COMMENT ON COLUMN sign_in_redirects.user_id IS 'Who links an identity to their account; null: a sign-in.'`);
    // The sweeper.
    await q.query('CREATE INDEX sign_in_redirects_expiry ON sign_in_redirects (expires_at)');
    // A sign-in that came back, until its browser collects the tokens. Taken by DELETE.
    await q.query(`
      CREATE TABLE sign_in_codes (
        code_hash bytea PRIMARY KEY CONSTRAINT sign_in_codes_code_size CHECK (octet_length(code_hash) = 32),
        provider_id uuid NOT NULL CONSTRAINT sign_in_codes_provider REFERENCES identity_providers (id) ON DELETE CASCADE,
        user_id uuid CONSTRAINT sign_in_codes_user REFERENCES users (id) ON DELETE CASCADE,
        binding_hash bytea NOT NULL CONSTRAINT sign_in_codes_binding_size CHECK (octet_length(binding_hash) = 32),
        sealed bytea NOT NULL,
        expires_at timestamptz NOT NULL DEFAULT now() + interval '60 seconds'
      )`);
    // The sweeper.
    await q.query('CREATE INDEX sign_in_codes_expiry ON sign_in_codes (expires_at)');
    // What providers were asked and what they said, by its id, shared by all instances: SAML requests that wait for an answer, assertions and
    // logout tokens that must not come twice.
    await q.query(`
      CREATE TABLE provider_messages (
        provider_id uuid NOT NULL CONSTRAINT provider_messages_provider REFERENCES identity_providers (id) ON DELETE CASCADE,
        id text NOT NULL CONSTRAINT provider_messages_id_length CHECK (length(id) BETWEEN 1 AND 1000),
        value text NOT NULL DEFAULT '',
        expires_at timestamptz NOT NULL,
        CONSTRAINT provider_messages_key PRIMARY KEY (provider_id, id)
      )`);
    // The sweeper.
    await q.query('CREATE INDEX provider_messages_expiry ON provider_messages (expires_at)');
    // Both scan the table once; sessions live hours and a user has a handful of roles.
    await q.query(`
      ALTER TABLE user_roles
        ADD CONSTRAINT user_roles_identity_provider FOREIGN KEY (provider_id) REFERENCES identity_providers (id)`);
    await q.query(`
      ALTER TABLE auth_sessions
        ADD CONSTRAINT auth_sessions_identity_provider FOREIGN KEY (provider_id) REFERENCES identity_providers (id) ON DELETE SET NULL`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('ALTER TABLE auth_sessions DROP CONSTRAINT auth_sessions_identity_provider');
    await q.query('ALTER TABLE user_roles DROP CONSTRAINT user_roles_identity_provider');
    // What a provider granted goes with it; nobody could take it back.
    await q.query('DELETE FROM user_roles WHERE provider_id IS NOT NULL');
    await q.query('UPDATE auth_sessions SET provider_id = NULL, provider_session = NULL WHERE provider_id IS NOT NULL');
    await q.query(
      'DROP TABLE provider_messages, sign_in_codes, sign_in_redirects, user_identities, identity_provider_roles, identity_providers',
    );
  }
}
