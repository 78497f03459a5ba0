import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Who verifies the log and who takes a month out of it wait for each other. By a table, since locking one needs no snapshot: an advisory lock is
 * asked for by a query, whose snapshot is older than what it then waited for.
 */
export class PartVerifyingFromDetaching1793000000850 implements MigrationInterface {
  name = 'PartVerifyingFromDetaching1793000000850';

  async up(q: QueryRunner): Promise<void> {
    await q.query('CREATE TABLE audit_detaching (nothing boolean NOT NULL CONSTRAINT audit_detaching_empty CHECK (nothing IS NULL))');
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          REVOKE ALL ON audit_detaching FROM cadastre_app;
          -- To lock it in ROW SHARE mode. There is nothing to insert.
          GRANT INSERT ON audit_detaching TO cadastre_app;
        END IF;
      END $$`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP TABLE audit_detaching');
  }
}
