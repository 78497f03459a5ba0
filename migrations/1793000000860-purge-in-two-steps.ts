import { type MigrationInterface, type QueryRunner } from 'typeorm';

const BEFORE = ['closed', 'exporting', 'uploaded', 'verified', 'detaching', 'detached', 'dropped', 'purged'];
const STEPS = `('closed', 'exporting'), ('exporting', 'uploaded'), ('uploaded', 'verified'), ('uploaded', 'exporting'), ('verified', 'detaching'),
  ('closed', 'detaching'), ('detaching', 'detached'), ('detaching', 'verified'), ('detaching', 'closed'), ('detached', 'verified'),
  ('detached', 'closed'), ('detached', 'dropped')`;

/** That an archive goes is decided in one transaction, and done after it: a store that takes its time keeps nobody from placing a legal hold. */
export class PurgeInTwoSteps1793000000860 implements MigrationInterface {
  name = 'PurgeInTwoSteps1793000000860';

  async up(q: QueryRunner): Promise<void> {
    await this.allow(q, [...BEFORE, 'purging'], `${STEPS}, ('dropped', 'purging'), ('purging', 'purged')`);
  }

  async down(q: QueryRunner): Promise<void> {
    // Its object may be there or not; that it may be removed was decided, and it is removed again.
    await q.query('ALTER TABLE audit_archive DISABLE TRIGGER audit_archive_step');
    await q.query(`UPDATE audit_archive SET state = 'dropped' WHERE state = 'purging'`);
    await q.query('ALTER TABLE audit_archive ENABLE TRIGGER audit_archive_step');
    await this.allow(q, BEFORE, `${STEPS}, ('dropped', 'purged')`);
  }

  private async allow(q: QueryRunner, states: readonly string[], steps: string): Promise<void> {
    const list = states.map((state) => `'${state}'`).join(', ');
    await q.query(
      `ALTER TABLE audit_archive DROP CONSTRAINT audit_archive_state, ADD CONSTRAINT audit_archive_state CHECK (state IN (${list}))`,
    );
    await q.query(`
      CREATE OR REPLACE FUNCTION audit_archive_step() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (${steps}) THEN
          RAISE EXCEPTION 'a month does not go from % to %', OLD.state, NEW.state USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
      END $$`);
  }
}
