import { type MigrationInterface, type QueryRunner } from 'typeorm';

const FILER = 'audit_file(int)';
const BEFORE = 'greatest(audit_clock(), h.last_sealed_at +';
const NEVER_BACK = `greatest(audit_clock(),
                          (SELECT (max(p.period) + interval '1 month') AT TIME ZONE 'UTC' FROM audit_period p WHERE p.class = h.class AND p.state = 'closed'),
                          h.last_sealed_at +`;

/** A clock that is set back over the end of a month does not open that month again: what is filed then is sealed at the end of it. */
export class KeepMonthsClosed1793000000840 implements MigrationInterface {
  name = 'KeepMonthsClosed1793000000840';

  async up(q: QueryRunner): Promise<void> {
    await rewrite(q, BEFORE, NEVER_BACK);
    await q.query(`
      CREATE TRIGGER audit_period_closed BEFORE UPDATE ON audit_period
        FOR EACH ROW WHEN (OLD.state = 'closed') EXECUTE FUNCTION audit_refuse_change()`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP TRIGGER audit_period_closed ON audit_period');
    await rewrite(q, NEVER_BACK, BEFORE);
  }
}

/** The filer as it is, with other text in one place. */
async function rewrite(q: QueryRunner, from: string, to: string): Promise<void> {
  const [row] = (await q.query('SELECT pg_get_functiondef($1::regprocedure) AS source', [FILER])) as { source: string }[];
  const source = row?.source ?? '';
  if (source.split(from).length !== 2) throw new Error(`${FILER} does not say once: ${from}`);
  await q.query(source.replace(from, () => to));
}
