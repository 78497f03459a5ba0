import { type MigrationInterface, type QueryRunner } from 'typeorm';

const RULES = `('verification_failed', 'quarantined', 'reads_lost', 'anchor_lag')`;

/** What the trail notices about itself raises alerts as well; an anchor that is late is said once an outage. */
export class WatchTrail1793000000900 implements MigrationInterface {
  name = 'WatchTrail1793000000900';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`
      CREATE TABLE audit_anchor_outage (
        anchor text NOT NULL,
        since timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT audit_anchor_outage_key PRIMARY KEY (anchor)
      )`);
    await q.query(`
      INSERT INTO audit_rules (name, threshold, window_seconds, cooldown_seconds, severity)
      VALUES ('verification_failed', 1, 3600, 14400, 'critical'), ('quarantined', 1, 3600, 14400, 'critical'),
             ('reads_lost', 1, 3600, 14400, 'high'), ('anchor_lag', 1, 3600, 14400, 'high')`);
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          REVOKE ALL ON audit_anchor_outage FROM cadastre_app;
          GRANT SELECT, INSERT, DELETE ON audit_anchor_outage TO cadastre_app;
        END IF;
      END $$`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`DELETE FROM audit_alerts WHERE rule IN ${RULES}`);
    await q.query(`DELETE FROM audit_rules WHERE name IN ${RULES}`);
    await q.query('DROP TABLE audit_anchor_outage');
  }
}
