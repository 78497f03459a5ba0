import { type DataSource, type QueryRunner } from 'typeorm';
import { CommandError } from './command.js';
import { type ExportedTable, exportTables } from './table-export.js';

interface Reverted {
  undone: string[];
  exported: ExportedTable[];
}

/**
 * Reverts the newest `count` migrations. Steps that lose rows are refused, by the tables they empty, unless `destroy` is set; then those
 * tables are first written to `folder`. All of it is one transaction: what is exported is exactly what is lost.
 */
export async function revert(owner: DataSource, count: number, options: { destroy: boolean; folder: string }): Promise<Reverted> {
  const runner = owner.createQueryRunner();
  await runner.startTransaction();
  try {
    await runner.query(`SELECT pg_advisory_xact_lock(hashtextextended('cadastre migrations', 0))`);
    const lost = await rehearse(runner, owner, count);
    if (lost.length > 0 && !options.destroy) throw refusal(lost);
    const exported = lost.length > 0 ? await exportTables(runner, lost, options.folder) : [];
    const undone = await stepDown(runner, owner, count);
    await runner.commitTransaction();
    return { undone, exported };
  } catch (error) {
    if (runner.isTransactionActive) await runner.rollbackTransaction();
    throw error;
  } finally {
    await runner.release();
  }
}

/** The tables that would lose rows or columns: found by doing it and taking it back. They stay locked, so that nobody adds rows meanwhile. */
async function rehearse(runner: QueryRunner, owner: DataSource, count: number): Promise<string[]> {
  const before = await tableContents(runner);
  await runner.query('SAVEPOINT rehearsal');
  await stepDown(runner, owner, count);
  const after = await tableContents(runner);
  await runner.query('ROLLBACK TO SAVEPOINT rehearsal');
  const lost = [...before].filter(([table, { rows, columns }]) => {
    const left = after.get(table);
    return rows > 0 && (!left || left.rows < rows || columns.some((column) => !left.columns.includes(column)));
  });
  const names = lost.map(([table]) => table).sort();
  if (names.length > 0) await runner.query(`LOCK TABLE ${names.map((name) => `"${name}"`).join(', ')} IN ACCESS EXCLUSIVE MODE`);
  return names;
}

async function stepDown(runner: QueryRunner, owner: DataSource, count: number): Promise<string[]> {
  const [table] = (await runner.query(`SELECT to_regclass('migrations') AS name`)) as { name: string | null }[];
  if (!table?.name) return [];
  const rows = (await runner.query('SELECT name FROM migrations ORDER BY id DESC LIMIT $1', [count])) as { name: string }[];
  for (const { name } of rows) {
    const migration = owner.migrations.find((known) => (known.name ?? known.constructor.name) === name);
    if (!migration) throw new CommandError(`This version does not know the migration ${name}: revert it with the version that applied it.`);
    await migration.down(runner);
    // A table whose deferred checks still wait cannot be dropped by the next step.
    await runner.query('SET CONSTRAINTS ALL IMMEDIATE');
    await runner.query('DELETE FROM migrations WHERE name = $1', [name]);
  }
  return rows.map(({ name }) => name);
}

/** Rows and columns of every table but the list of migrations; a partitioned table counts as one. */
async function tableContents(runner: QueryRunner): Promise<Map<string, { rows: number; columns: string[] }>> {
  const tables = (await runner.query(`
    SELECT c.relname AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'migrations'
     GROUP BY c.relname`)) as { name: string; columns: string[] }[];
  const contents = new Map<string, { rows: number; columns: string[] }>();
  for (const { name, columns } of tables) {
    const [counted] = (await runner.query(`SELECT count(*)::int AS rows FROM "${name}"`)) as { rows: number }[];
    contents.set(name, { rows: counted?.rows ?? 0, columns });
  }
  return contents;
}

function refusal(tables: string[]): CommandError {
  return new CommandError(
    `This would destroy the rows of ${tables.join(', ')}.\nWith --destroy it does, after writing them to CSV files; stop the server first.`,
  );
}
