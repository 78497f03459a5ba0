import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Settings, their history, and secrets among them. */
export class CreateSettings1793000000630 implements MigrationInterface {
  name = 'CreateSettings1793000000630';

  async up(q: QueryRunner): Promise<void> {
    // A row stays when its setting goes back to the default: its version only ever grows, which is how other instances notice a change.
    await q.query(`
      CREATE TABLE settings (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        key text NOT NULL CONSTRAINT settings_key_unique UNIQUE CONSTRAINT settings_key_form CHECK (key ~ '^[a-z][A-Za-z0-9]*(\\.[a-z][A-Za-z0-9]*)+$'),
        is_set boolean NOT NULL DEFAULT false,
        value jsonb CONSTRAINT settings_value_size CHECK (octet_length(value::text) <= 65536),
        sealed bytea CONSTRAINT settings_sealed_size CHECK (octet_length(sealed) <= 16384),
        version int NOT NULL DEFAULT 0,
        updated_at timestamptz,
        updated_by text,
        CONSTRAINT settings_value_kind CHECK (num_nonnulls(value, sealed) = is_set::int)
      )`);
    await q.query(`
      CREATE TABLE setting_history (
        setting_id uuid NOT NULL CONSTRAINT setting_history_setting REFERENCES settings (id),
        version int NOT NULL,
        action text NOT NULL CONSTRAINT setting_history_action CHECK (action IN ('changed', 'reset', 'reverted')),
        is_set boolean NOT NULL,
        value jsonb,
        reverted_to int,
        changed_at timestamptz NOT NULL DEFAULT now(),
        changed_by text NOT NULL,
        CONSTRAINT setting_history_key PRIMARY KEY (setting_id, version),
        CONSTRAINT setting_history_revert CHECK ((action = 'reverted') = (reverted_to IS NOT NULL))
      )`);
    await q.query(`
      CREATE FUNCTION setting_history_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'the history of settings is insert-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
      END $$`);
    await q.query(
      'CREATE TRIGGER setting_history_insert_only BEFORE UPDATE OR DELETE ON setting_history FOR EACH ROW EXECUTE FUNCTION setting_history_refuse_change()',
    );
    await q.query(
      'CREATE TRIGGER setting_history_no_truncate BEFORE TRUNCATE ON setting_history FOR EACH STATEMENT EXECUTE FUNCTION setting_history_refuse_change()',
    );
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          REVOKE DELETE, TRUNCATE ON settings FROM cadastre_app;
          REVOKE UPDATE, DELETE, TRUNCATE ON setting_history FROM cadastre_app;
        END IF;
      END $$`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP TABLE setting_history');
    await q.query('DROP FUNCTION setting_history_refuse_change()');
    await q.query('DROP TABLE settings');
  }
}
