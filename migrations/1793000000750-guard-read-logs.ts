import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** The logs of reads and of what is critical came with the rights that any new table has; the application may write to no log but through the sealer. */
export class GuardReadLogs1793000000750 implements MigrationInterface {
  name = 'GuardReadLogs1793000000750';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          REVOKE ALL ON audit_log_reads, audit_log_critical FROM cadastre_app;
        END IF;
      END $$`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          GRANT SELECT, INSERT, UPDATE, DELETE ON audit_log_reads, audit_log_critical TO cadastre_app;
        END IF;
      END $$`);
  }
}
