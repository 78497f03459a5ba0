import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Archive runs that are over expire like verifications. */
export class ExpireArchiveRuns1793000000910 implements MigrationInterface {
  name = 'ExpireArchiveRuns1793000000910';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          GRANT DELETE ON audit_archive_run TO cadastre_app;
        END IF;
      END $$`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          REVOKE DELETE ON audit_archive_run FROM cadastre_app;
        END IF;
      END $$`);
  }
}
