import { type MigrationInterface, type QueryRunner } from 'typeorm';

const CLOCKED = ['audit_seal_begin(int)', 'audit_file(int)', 'audit_close_period(smallint, date, bytea)'];

const FOLLOWED = 'AND EXISTS (SELECT FROM audit_period later WHERE later.class = of_class AND later.period > of_period)';
const OVER = `AND ((p.period + interval '1 month') AT TIME ZONE 'UTC' <= audit_clock()
                OR EXISTS (SELECT FROM audit_period later WHERE later.class = of_class AND later.period > of_period))`;

/** Logs of their own for what is kept for a short time and for what is kept for good, and one clock that all of the trail goes by. */
export class ClassAudit1793000000740 implements MigrationInterface {
  name = 'ClassAudit1793000000740';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`INSERT INTO audit_heads (class, name) VALUES (2, 'reads'), (9, 'critical')`);
    // The trail's own time: a story of years is told by putting another clock here.
    await q.query(
      'CREATE FUNCTION audit_clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE SET search_path = pg_catalog AS $$ SELECT clock_timestamp() $$',
    );
    await rewrite(q, CLOCKED, 'clock_timestamp()', 'audit_clock()');
    await rewrite(q, ['audit_ensure_partitions(int)'], ":= date_trunc('month', now(),", ":= date_trunc('month', audit_clock(),");
    // A month is also over when the clock says so: what is filed from now on lies in a later one.
    await rewrite(q, ['audit_close_period(smallint, date, bytea)'], FOLLOWED, OVER);
    // A verification that nobody will try again says so.
    await q.query('ALTER TABLE audit_verification ADD COLUMN reason text');
    await verificationStates(q, ['waiting', 'running', 'done', 'failed']);
    // What may not be removed, whatever its age: nothing, until there are legal holds.
    await q.query(
      'CREATE FUNCTION audit_held(of_class smallint, of_period date) RETURNS boolean LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$ SELECT false $$',
    );
    await q.query('SELECT audit_ensure_partitions(3)');
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP FUNCTION audit_held(smallint, date)');
    await q.query(`DELETE FROM audit_verification WHERE state = 'failed'`);
    await verificationStates(q, ['waiting', 'running', 'done']);
    await q.query('ALTER TABLE audit_verification DROP COLUMN reason');
    await rewrite(q, ['audit_close_period(smallint, date, bytea)'], OVER, FOLLOWED);
    await rewrite(q, ['audit_ensure_partitions(int)'], ":= date_trunc('month', audit_clock(),", ":= date_trunc('month', now(),");
    await rewrite(q, CLOCKED, 'audit_clock()', 'clock_timestamp()');
    await q.query('DROP FUNCTION audit_clock()');
    for (const name of ['reads', 'critical']) {
      await q.query(`ALTER TABLE audit_log DETACH PARTITION audit_log_${name}`);
      await q.query(`DROP TABLE audit_log_${name}`);
    }
    // Empty logs have signed checkpoints too.
    for (const table of ['audit_checkpoint', 'audit_period', 'audit_tile', 'audit_anchoring']) {
      await q.query(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
      await q.query(`DELETE FROM ${table} WHERE class IN (2, 9)`);
      await q.query(`ALTER TABLE ${table} ENABLE TRIGGER USER`);
    }
    await q.query('DELETE FROM audit_heads WHERE class IN (2, 9)');
  }
}

async function verificationStates(q: QueryRunner, states: readonly string[]): Promise<void> {
  const list = states.map((state) => `'${state}'`).join(', ');
  await q.query(
    `ALTER TABLE audit_verification DROP CONSTRAINT audit_verification_state, ADD CONSTRAINT audit_verification_state CHECK (state IN (${list}))`,
  );
}

/** The functions as they are, with another expression in one place. */
async function rewrite(q: QueryRunner, functions: readonly string[], from: string, to: string): Promise<void> {
  for (const name of functions) {
    const [row] = (await q.query('SELECT pg_get_functiondef($1::regprocedure) AS source', [name])) as { source: string }[];
    const source = row?.source.replaceAll(from, to);
    if (source === undefined || source === row?.source) throw new Error(`${name} does not say ${from}.`);
    await q.query(source);
  }
}
