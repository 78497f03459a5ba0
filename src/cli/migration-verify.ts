import { DataSource, getMetadataArgsStorage } from 'typeorm';
// Loads every entity.
import '../app.module.js';
import { type AppConfig } from '../config/app-config.js';
import { dataSourceOptions } from '../platform/database/data-source.js';
import { Migrator } from '../platform/database/migrator.js';
import { CommandError, say } from './command.js';
import { withOwner } from './database.js';
import { added, duplicateIndexes, schemaLines } from './schema-lines.js';

/**
 * Proves on an empty database that every migration can be taken both ways and that the entities fit: up, down, up leaves the same schema,
 * down leaves nothing, no index is there twice. Returns the exit code. Throws CommandError when the database is not empty.
 */
export async function verifyMigrations(config: AppConfig): Promise<number> {
  return withOwner(config, async (owner) => {
    const migrator = new Migrator(owner);
    const empty = await schemaLines(owner);
    const tables = empty.filter((line) => line.startsWith('relation ') && !/^relation migrations(_\w+)? /.test(line));
    if (tables.length > 0) throw new CommandError('`migration verify` takes everything down: give it an empty database of its own.');
    await migrator.up();
    const first = await schemaLines(owner);
    const findings: [string, string[]][] = [
      ['The entities differ from the tables', await entityDrift(config)],
      ['Indexes that are there twice', await duplicateIndexes(owner)],
    ];
    // One transaction a step, as somebody who goes back step by step has it.
    while ((await migrator.down(1)).length > 0);
    const left = added(empty, await schemaLines(owner)).filter((line) => !/\bmigrations(_\w+)?\b/.test(line));
    findings.push(['Down leaves behind', left]);
    await migrator.up();
    const second = await schemaLines(owner);
    findings.push(['The second up lacks', added(second, first)], ['The second up adds', added(first, second)]);
    const bad = findings.filter(([, lines]) => lines.length > 0);
    for (const [title, lines] of bad) say(`${title}:\n${lines.map((line) => `  ${line}`).join('\n')}`);
    if (bad.length > 0) return 1;
    say(`${owner.migrations.length} migrations are sound: up, down and up again leave the same ${first.length} lines of schema.`);
    return 0;
  });
}

/** What TypeORM would change about tables and columns. Indexes, constraints and generated columns belong to the migrations alone. */
async function entityDrift(config: AppConfig): Promise<string[]> {
  const entities = getMetadataArgsStorage().tables.flatMap(({ target }) => (typeof target === 'function' ? [target] : []));
  const source = new DataSource(Object.assign(dataSourceOptions(config, config.database.directUrl), { entities }));
  await source.initialize();
  try {
    const generated = await source.query<{ name: string }[]>(
      `SELECT c.relname || '.' || a.attname AS name FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attgenerated <> ''`,
    );
    const kept = new Set(generated.map(({ name }) => name));
    // TypeORM looks there for the expressions of generated columns, whoever made them.
    await source.query('CREATE TABLE typeorm_metadata (type text, database text, schema text, "table" text, name text, value text)');
    const { upQueries } = await source.driver.createSchemaBuilder().log();
    await source.query('DROP TABLE typeorm_metadata');
    return upQueries.map(({ query }) => query).filter((query) => changesColumns(query) && !dropsOneOf(query, kept));
  } finally {
    await source.destroy();
  }
}

function changesColumns(query: string): boolean {
  return /^(CREATE|DROP) TABLE/.test(query) || (query.startsWith('ALTER TABLE') && !/ (ADD|DROP|RENAME) CONSTRAINT /.test(query));
}

function dropsOneOf(query: string, kept: ReadonlySet<string>): boolean {
  const [, table, column] = /^ALTER TABLE (?:"public"\.)?"(\w+)" DROP COLUMN "(\w+)"$/.exec(query) ?? [];
  return kept.has(`${table ?? ''}.${column ?? ''}`);
}
