import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** The application's role, durable jobs and remembered answers. */
export class CreatePlatform1793000000000 implements MigrationInterface {
  name = 'CreatePlatform1793000000000';

  async up(q: QueryRunner): Promise<void> {
    // The application logs in as a member of cadastre_app, which owns nothing. Where the owner may not create roles, both are one role and
    // the triggers alone keep the trail insert-only.
    await q.query(`
      DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          CREATE ROLE cadastre_app NOLOGIN;
        END IF;
      EXCEPTION
        WHEN insufficient_privilege THEN RAISE NOTICE 'role cadastre_app is missing and cannot be created here';
        WHEN duplicate_object OR unique_violation THEN NULL;
      END $$`);
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          GRANT USAGE ON SCHEMA public TO cadastre_app;
          ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO cadastre_app;
          ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO cadastre_app;
          GRANT SELECT ON migrations TO cadastre_app;
        END IF;
      END $$`);

    // Short statements by the thousand: compiling them costs many times what it saves, where statistics lag behind a first import.
    await q.query(`
      DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET jit = off', current_database());
      EXCEPTION
        WHEN insufficient_privilege THEN RAISE NOTICE 'set jit = off for this database: its owner may, this role may not';
      END $$`);

    await q.query(`
      CREATE TABLE jobs (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        name text NOT NULL,
        payload jsonb NOT NULL DEFAULT '{}',
        fire_at timestamptz,
        run_at timestamptz NOT NULL DEFAULT now(),
        state text NOT NULL DEFAULT 'waiting' CONSTRAINT jobs_state CHECK (state IN ('waiting', 'running', 'done', 'dead')),
        attempts int NOT NULL DEFAULT 0,
        max_attempts int NOT NULL DEFAULT 5 CONSTRAINT jobs_max_attempts CHECK (max_attempts BETWEEN 1 AND 100),
        fence int NOT NULL DEFAULT 0,
        worker text,
        lease_until timestamptz,
        last_error text,
        request_id text,
        created_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz,
        CONSTRAINT jobs_one_fire UNIQUE (name, fire_at),
        CONSTRAINT jobs_lease CHECK ((state = 'running') = (lease_until IS NOT NULL))
      ) WITH (fillfactor = 70)`);
    // What a worker claims: due work, and work whose holder went silent.
    await q.query(`CREATE INDEX jobs_due ON jobs (run_at) WHERE state = 'waiting'`);
    await q.query(`CREATE INDEX jobs_leased ON jobs (lease_until) WHERE state = 'running'`);
    // Clean-up of what is done, and the list of what is dead.
    await q.query(`CREATE INDEX jobs_finished ON jobs (finished_at) WHERE state IN ('done', 'dead')`);

    await q.query(`
      CREATE TABLE idempotency_keys (
        principal_id text NOT NULL,
        key text NOT NULL CONSTRAINT idempotency_keys_length CHECK (length(key) BETWEEN 1 AND 255),
        request_hash bytea NOT NULL,
        body text,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT idempotency_keys_key PRIMARY KEY (principal_id, key)
      )`);
    await q.query('CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at)');
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`
      DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I RESET jit', current_database());
      EXCEPTION
        WHEN insufficient_privilege THEN NULL;
      END $$`);
    await q.query('DROP TABLE idempotency_keys');
    await q.query('DROP TABLE jobs');
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT, INSERT, UPDATE, DELETE ON TABLES FROM cadastre_app;
          ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE USAGE ON SEQUENCES FROM cadastre_app;
          REVOKE SELECT ON migrations FROM cadastre_app;
          REVOKE USAGE ON SCHEMA public FROM cadastre_app;
        END IF;
      END $$`);
  }
}
