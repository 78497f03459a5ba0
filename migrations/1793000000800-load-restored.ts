import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Archived months are read back, and taken away, in many short transactions: one long one would keep every event that was recorded meanwhile
 * from being sealed. Which attempt may write is a number in audit_rehydration; every transaction has that row locked and compares it.
 */
export class LoadRestored1793000000800 implements MigrationInterface {
  name = 'LoadRestored1793000000800';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`
      ALTER TABLE audit_rehydration
        ADD COLUMN attempt int NOT NULL DEFAULT 0,
        ADD COLUMN lease_until timestamptz,
        DROP CONSTRAINT audit_rehydration_state,
        ADD CONSTRAINT audit_rehydration_state CHECK (state IN ('loading', 'ready', 'failed', 'ending')),
        ADD CONSTRAINT audit_rehydration_lease CHECK (lease_until IS NULL OR state = 'loading')`);
    // An erasure finds copies by the months that are there: events without their month would be out of its reach. Reads the copies once.
    await q.query(`
      ALTER TABLE audit_restored
        ADD CONSTRAINT audit_restored_month FOREIGN KEY (class, period) REFERENCES audit_rehydration (class, period)`);
    // Who writes events now looks for destroyed keys itself, batch by batch.
    await q.query('DROP FUNCTION audit_forget_restored(smallint, date)');
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`
      CREATE FUNCTION audit_forget_restored(of_class smallint, of_period date) RETURNS void
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
      DECLARE
        wanted CONSTANT tsquery := (SELECT string_agg('''' || chr(1) || 'key:' || k.kid || '''', ' | ')::tsquery FROM audit_subject_key k
                                     WHERE k.destroyed_at >= audit_clock() - interval '1 day');
      BEGIN
        IF wanted IS NOT NULL THEN
          UPDATE audit_restored r SET client_ip = NULL, names = NULL
           WHERE r.class = of_class AND r.period = of_period AND audit_words(r.payload, r.names) @@ wanted
             AND (r.client_ip IS NOT NULL OR r.names IS NOT NULL);
        END IF;
      END $$`);
    await q.query('REVOKE ALL ON FUNCTION audit_forget_restored(smallint, date) FROM PUBLIC');
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          GRANT EXECUTE ON FUNCTION audit_forget_restored(smallint, date) TO cadastre_app;
        END IF;
      END $$`);
    await q.query('ALTER TABLE audit_restored DROP CONSTRAINT audit_restored_month');
    // There was no month with a part of its events, and none that was on its way out.
    await q.query(`
      DELETE FROM audit_restored e USING audit_rehydration r WHERE r.class = e.class AND r.period = e.period AND r.state <> 'ready'`);
    await q.query(`DELETE FROM audit_rehydration r WHERE r.state = 'ending'`);
    await q.query(`
      ALTER TABLE audit_rehydration
        DROP CONSTRAINT audit_rehydration_lease,
        DROP CONSTRAINT audit_rehydration_state,
        ADD CONSTRAINT audit_rehydration_state CHECK (state IN ('loading', 'ready', 'failed')),
        DROP COLUMN lease_until,
        DROP COLUMN attempt`);
  }
}
