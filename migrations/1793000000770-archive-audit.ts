import { type MigrationInterface, type QueryRunner } from 'typeorm';

const STEPS = `('closed', 'exporting'), ('exporting', 'uploaded'), ('uploaded', 'verified'), ('uploaded', 'exporting'), ('verified', 'detaching'),
  ('closed', 'detaching'), ('detaching', 'detached'), ('detaching', 'verified'), ('detaching', 'closed'), ('detached', 'verified'),
  ('detached', 'closed'), ('detached', 'dropped'), ('dropped', 'purged')`;

/** How months leave the database: a step at a time, into an archive that was read back, by way of a schema they can be taken back from. */
export class ArchiveAudit1793000000770 implements MigrationInterface {
  name = 'ArchiveAudit1793000000770';

  async up(q: QueryRunner): Promise<void> {
    // What it says is believed where it is signed: a manifest, and the events of the log "meta".
    await q.query(`
      CREATE TABLE audit_archive (
        class smallint NOT NULL,
        period date NOT NULL,
        state text NOT NULL DEFAULT 'closed' CONSTRAINT audit_archive_state CHECK (state IN
          ('closed', 'exporting', 'uploaded', 'verified', 'detaching', 'detached', 'dropped', 'purged')),
        -- Raised by whoever takes a step; who lost it changes nothing.
        fence bigint NOT NULL DEFAULT 0,
        object_key text,
        object_bytes bigint,
        manifest_key text,
        manifest text,
        attempts int NOT NULL DEFAULT 0,
        reason text,
        next_try timestamptz,
        detached_at timestamptz,
        checked_at timestamptz,
        broken text,
        CONSTRAINT audit_archive_key PRIMARY KEY (class, period),
        CONSTRAINT audit_archive_period FOREIGN KEY (class, period) REFERENCES audit_period (class, period),
        CONSTRAINT audit_archive_signed CHECK (state NOT IN ('uploaded', 'verified', 'purged') OR (object_key IS NOT NULL AND manifest IS NOT NULL)),
        CONSTRAINT audit_archive_detached CHECK (state <> 'detached' OR detached_at IS NOT NULL)
      )`);
    await q.query(`
      CREATE FUNCTION audit_archive_step() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (${STEPS}) THEN
          RAISE EXCEPTION 'a month does not go from % to %', OLD.state, NEW.state USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
      END $$`);
    await q.query('CREATE TRIGGER audit_archive_step BEFORE UPDATE ON audit_archive FOR EACH ROW EXECUTE FUNCTION audit_archive_step()');
    await q.query('CREATE TRIGGER audit_archive_kept BEFORE DELETE ON audit_archive FOR EACH ROW EXECUTE FUNCTION audit_refuse_change()');
    await q.query(`
      CREATE TABLE audit_archive_run (
        id uuid NOT NULL DEFAULT uuidv7() CONSTRAINT audit_archive_run_key PRIMARY KEY,
        state text NOT NULL DEFAULT 'waiting' CONSTRAINT audit_archive_run_state CHECK (state IN ('waiting', 'running', 'done', 'failed')),
        requested_by text NOT NULL,
        plan_hash text,
        steps jsonb NOT NULL DEFAULT '[]',
        sizes jsonb NOT NULL DEFAULT '[]',
        error text,
        created_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz,
        CONSTRAINT audit_archive_run_finished CHECK ((state IN ('done', 'failed')) = (finished_at IS NOT NULL))
      )`);
    // Hashes of events that are no longer in the log and in no full tile yet.
    await q.query(`
      CREATE TABLE audit_leaf (
        class smallint NOT NULL,
        seq bigint NOT NULL,
        leaf bytea NOT NULL CONSTRAINT audit_leaf_size CHECK (octet_length(leaf) = 32),
        CONSTRAINT audit_leaf_key PRIMARY KEY (class, seq)
      )`);
    await q.query(
      'CREATE TRIGGER audit_leaf_insert_only BEFORE UPDATE OR DELETE ON audit_leaf FOR EACH ROW EXECUTE FUNCTION audit_refuse_change()',
    );
    await q.query(
      'CREATE TRIGGER audit_leaf_no_truncate BEFORE TRUNCATE ON audit_leaf FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()',
    );

    // Where months wait to be dropped. The program's role has no right in it.
    await q.query('CREATE SCHEMA audit_trash');
    await q.query(`
      CREATE FUNCTION audit_partition(of_class smallint, of_period date) RETURNS text LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
        SELECT 'audit_log_' || h.name || to_char(of_period, '_YYYY_MM') FROM audit_heads h WHERE h.class = of_class
      $$`);
    // Where the table of a month is: attached, detaching (a detachment was begun and not ended), alone, trash or gone.
    await q.query(`
      CREATE FUNCTION audit_partition_place(of_class smallint, of_period date) RETURNS text LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
        SELECT coalesce((
          SELECT CASE WHEN n.nspname = 'audit_trash' THEN 'trash' WHEN i.inhdetachpending THEN 'detaching' WHEN i.inhrelid IS NULL THEN 'alone' ELSE 'attached' END
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
           WHERE c.relname = audit_partition(of_class, of_period) AND n.nspname IN ('public', 'audit_trash')
           ORDER BY n.nspname = 'public' DESC LIMIT 1), 'gone')
      $$`);
    // Removes a month for good, when its state says that it may go and no hold says that it may not: in the transaction that says so.
    await q.query(`
      CREATE FUNCTION audit_drop_period(of_class smallint, of_period date) RETURNS void
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
      BEGIN
        PERFORM FROM audit_archive a WHERE a.class = of_class AND a.period = of_period AND a.state = 'detached' FOR UPDATE;
        IF NOT FOUND THEN
          RAISE EXCEPTION 'archive_state_changed' USING ERRCODE = 'CD409', DETAIL = 'The month is not one that was taken out.';
        END IF;
        IF audit_held(of_class, of_period) THEN
          RAISE EXCEPTION 'archive_period_held' USING ERRCODE = 'CD409', DETAIL = 'A legal hold keeps the month.';
        END IF;
        EXECUTE format('DROP TABLE IF EXISTS audit_trash.%I', audit_partition(of_class, of_period));
      END $$`);
    // Puts a month back into the log. Its rows are read once, to see that they belong there.
    await q.query(`
      CREATE FUNCTION audit_attach_period(of_class smallint, of_period date) RETURNS void
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
      DECLARE
        part CONSTANT text := audit_partition(of_class, of_period);
        month CONSTANT timestamptz := of_period::timestamp AT TIME ZONE 'UTC';
      BEGIN
        PERFORM FROM audit_archive a WHERE a.class = of_class AND a.period = of_period AND a.state IN ('detaching', 'detached') FOR UPDATE;
        IF NOT FOUND THEN
          RAISE EXCEPTION 'archive_state_changed' USING ERRCODE = 'CD409', DETAIL = 'The month is not one that was taken out.';
        END IF;
        IF audit_partition_place(of_class, of_period) = 'trash' THEN
          EXECUTE format('ALTER TABLE audit_trash.%I SET SCHEMA public', part);
        END IF;
        IF audit_partition_place(of_class, of_period) = 'alone' THEN
          EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                         'audit_log_' || (SELECT h.name FROM audit_heads h WHERE h.class = of_class), part, month, (of_period + interval '1 month') AT TIME ZONE 'UTC');
        END IF;
        IF audit_partition_place(of_class, of_period) <> 'attached' THEN
          RAISE EXCEPTION 'archive_state_changed' USING ERRCODE = 'CD409', DETAIL = 'The table of the month cannot be put back: a detachment is under way, or it is gone.';
        END IF;
      END $$`);
    await q.query('REVOKE ALL ON FUNCTION audit_drop_period(smallint, date), audit_attach_period(smallint, date) FROM PUBLIC');
    await q.query(`
      INSERT INTO audit_rules (name, threshold, window_seconds, cooldown_seconds, severity)
      VALUES ('archive_failed', 1, 3600, 14400, 'high'), ('archive_broken', 1, 3600, 14400, 'critical')`);
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          REVOKE ALL ON audit_archive, audit_archive_run, audit_leaf FROM cadastre_app;
          GRANT SELECT, INSERT, UPDATE ON audit_archive, audit_archive_run TO cadastre_app;
          GRANT SELECT, INSERT ON audit_leaf TO cadastre_app;
          GRANT EXECUTE ON FUNCTION audit_drop_period(smallint, date), audit_attach_period(smallint, date) TO cadastre_app;
        END IF;
      END $$`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM audit_archive a WHERE a.state IN ('detaching', 'detached', 'dropped', 'purged')) THEN
          RAISE EXCEPTION 'months were taken out of the log, and only this table knows their archives';
        END IF;
      END $$`);
    await q.query(`DELETE FROM audit_alerts WHERE rule IN ('archive_failed', 'archive_broken')`);
    await q.query(`DELETE FROM audit_rules WHERE name IN ('archive_failed', 'archive_broken')`);
    await q.query('DROP FUNCTION audit_attach_period(smallint, date), audit_drop_period(smallint, date)');
    await q.query('DROP FUNCTION audit_partition_place(smallint, date)');
    await q.query('DROP FUNCTION audit_partition(smallint, date)');
    await q.query('DROP SCHEMA audit_trash');
    await q.query('DROP TABLE audit_leaf, audit_archive_run, audit_archive');
    await q.query('DROP FUNCTION audit_archive_step()');
  }
}
