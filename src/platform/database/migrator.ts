import { type DataSource, type QueryRunner } from 'typeorm';

export interface MigrationState {
  name: string;
  applied: boolean;
}

/** Runs migrations one at a time across instances; each one in its own transaction together with its row in `migrations`. */
export class Migrator {
  constructor(private readonly dataSource: DataSource) {}

  /** In order; what is applied but unknown to this program is an error, since it would run against a newer schema. */
  async states(): Promise<MigrationState[]> {
    const applied = await this.applied();
    refuseStrangers(applied, this.known);
    return this.known.map((name) => ({ name, applied: applied.has(name) }));
  }

  /** Applies what is pending and returns its names. */
  async up(): Promise<string[]> {
    const done: string[] = [];
    await this.exclusively(async (runner) => {
      const applied = await this.applied(runner);
      refuseStrangers(applied, this.known);
      for (const migration of this.dataSource.migrations) {
        const name = migration.name ?? migration.constructor.name;
        if (applied.has(name)) continue;
        await migration.up(runner);
        await runner.query('INSERT INTO migrations (name) VALUES ($1)', [name]);
        done.push(name);
      }
    });
    return done;
  }

  /** Reverts the newest `count` applied migrations and returns their names. */
  async down(count: number): Promise<string[]> {
    const undone: string[] = [];
    await this.exclusively(async (runner) => {
      const applied = await this.applied(runner);
      for (const migration of [...this.dataSource.migrations].reverse()) {
        const name = migration.name ?? migration.constructor.name;
        if (undone.length === count || !applied.has(name)) continue;
        await migration.down(runner);
        // Deferred keys that a step left to be checked would keep the next one from dropping their tables.
        await runner.query('SET CONSTRAINTS ALL IMMEDIATE');
        await runner.query('DELETE FROM migrations WHERE name = $1', [name]);
        undone.push(name);
      }
    });
    return undone;
  }

  private get known(): string[] {
    return this.dataSource.migrations.map((m) => m.name ?? m.constructor.name);
  }

  private async applied(runner?: QueryRunner): Promise<Set<string>> {
    const on = runner ?? this.dataSource;
    const [table] = (await on.query(`SELECT to_regclass('migrations') AS name`)) as { name: string | null }[];
    if (!table?.name) return new Set();
    const rows = (await on.query('SELECT name FROM migrations ORDER BY id')) as { name: string }[];
    return new Set(rows.map(({ name }) => name));
  }

  /** One transaction for all of it, under a transaction lock: a crash leaves the schema as it was, and instances that start together wait. */
  private async exclusively(work: (runner: QueryRunner) => Promise<void>): Promise<void> {
    const runner = this.dataSource.createQueryRunner();
    try {
      await requireServer(runner);
      await runner.startTransaction();
      await runner.query(`SELECT pg_advisory_xact_lock(hashtextextended('cadastre migrations', 0))`);
      await runner.query(
        'CREATE TABLE IF NOT EXISTS migrations (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, applied_at timestamptz NOT NULL DEFAULT now())',
      );
      await work(runner);
      await runner.commitTransaction();
    } catch (error) {
      if (runner.isTransactionActive) await runner.rollbackTransaction();
      throw error;
    } finally {
      await runner.release();
    }
  }
}

/** uuidv7(), temporal keys and WITHOUT OVERLAPS: nothing here works on an older server. */
const OLDEST_SERVER = 180_000;

async function requireServer(runner: QueryRunner): Promise<void> {
  const [row] = (await runner.query(
    `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS name`,
  )) as {
    number: number;
    name: string;
  }[];
  if (row && row.number < OLDEST_SERVER) throw new Error(`The database server is PostgreSQL ${row.name}; Cadastre needs 18 or newer.`);
}

/** A schema that knows more than this program must not be served by it. */
function refuseStrangers(applied: ReadonlySet<string>, known: readonly string[]): void {
  const stranger = [...applied].find((name) => !known.includes(name));
  if (stranger !== undefined)
    throw new Error(`The database has migration ${stranger}, which this version does not know: it belongs to a newer version.`);
}
