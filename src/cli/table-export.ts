import { createWriteStream, mkdirSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type QueryRunner } from 'typeorm';

export interface ExportedTable {
  table: string;
  rows: number;
  file: string;
  /** The statement that reads the file back. */
  restore: string;
}

const BATCH = 5000;

/** Writes tables as CSV files that COPY reads, one file a table, within the open transaction. Generated columns are left out: they generate themselves. */
export async function exportTables(runner: QueryRunner, tables: string[], folder: string): Promise<ExportedTable[]> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const done: ExportedTable[] = [];
  for (const table of tables) {
    const file = path.join(folder, `${table}.csv`);
    const columns = await storedColumns(runner, table);
    const counter = { rows: 0 };
    await pipeline(Readable.from(lines(runner, table, columns, counter)), createWriteStream(file, { mode: 0o600, flags: 'wx' }));
    const restore = `\\copy ${table} (${columns.map(quoted).join(', ')}) FROM '${file}' WITH (FORMAT csv, HEADER)`;
    done.push({ table, rows: counter.rows, file, restore });
  }
  return done;
}

async function* lines(runner: QueryRunner, table: string, columns: string[], counter: { rows: number }): AsyncGenerator<string> {
  yield `${columns.map(cell).join(',')}\n`;
  await runner.query(
    `DECLARE lost NO SCROLL CURSOR FOR SELECT ${columns.map((name) => `${quoted(name)}::text`).join(', ')} FROM ${quoted(table)}`,
  );
  for (;;) {
    const rows = (await runner.query(`FETCH ${BATCH} FROM lost`)) as Record<string, string | null>[];
    if (rows.length === 0) break;
    counter.rows += rows.length;
    yield rows.map((row) => `${columns.map((name) => cell(row[name] ?? null)).join(',')}\n`).join('');
  }
  await runner.query('CLOSE lost');
}

async function storedColumns(runner: QueryRunner, table: string): Promise<string[]> {
  const columns = (await runner.query(
    `SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`,
    [quoted(table)],
  )) as { name: string }[];
  return columns.map(({ name }) => name);
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** As COPY reads it: what is not quoted and empty is null. */
function cell(value: string | null): string {
  return value === null ? '' : `"${value.replaceAll('"', '""')}"`;
}
