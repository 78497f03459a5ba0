import { createReadStream } from 'node:fs';
import { TransformStream } from 'node:stream/web';
import { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { AppError } from '../../kernel/app-error.js';
import { unguardCell } from '../../kernel/csv-cell.js';
import { type FileKind, shapes } from './import-files.js';

/** One record; `line` is where it begins. A cell of a column the file has not is undefined, an empty one ''. */
export interface CsvRecord {
  line: number;
  cells: Readonly<Record<string, string | undefined>>;
  /** Not as many cells as the header has. */
  uneven: boolean;
}

export interface CsvHeader {
  present: string[];
  ignored: string[];
}

/** A record longer than this is a quote that was never closed. */
const MAX_RECORD = 131_072;

/**
 * Streams a file of NetBox's columns: names in any order and any case, spaces for underscores; those it does not know are ignored.
 * Throws `not_csv`, `column_missing` or `column_twice`, which name the file.
 */
export async function* readCsv(kind: FileKind, path: string, onHeader: (header: CsvHeader) => void): AsyncGenerator<CsvRecord> {
  const parser = parse({ info: true, relax_column_count: true, skip_empty_lines: true, max_record_size: MAX_RECORD });
  const text = Readable.fromWeb(Readable.toWeb(createReadStream(path)).pipeThrough(strictText(kind)));
  text.on('error', (error) => parser.destroy(error));
  text.pipe(parser);
  let columns: (string | undefined)[] | undefined;
  let overcount = 0;
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      // The parser counts a line end inside quotes twice when it is CR LF.
      const inner = record.join('\n').match(/\r\n|\n|\r/g) ?? [];
      overcount += inner.filter((end) => end === '\r\n').length;
      if (!columns) {
        columns = readHeader(kind, record, onHeader);
        continue;
      }
      const names = columns;
      const cells: Record<string, string> = {};
      record.forEach((cell, i) => {
        const name = names[i];
        if (name !== undefined) cells[name] = unguardCell(cell);
      });
      yield { line: info.lines - overcount - (inner.length - record.length + 1), cells, uneven: record.length !== names.length };
    }
  } catch (error) {
    if (error instanceof CsvError) throw notCsv(kind, `${error.message}.`);
    throw error;
  } finally {
    text.destroy();
  }
  if (!columns) throw columnMissing(kind, shapes[kind].required[0] ?? '');
}

/** UTF-8 without NUL, its byte order mark removed; anything else is no text of ours. */
function strictText(kind: FileKind): TransformStream<Uint8Array, string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decode = (chunk?: Uint8Array): string => {
    let text: string;
    try {
      text = chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode();
    } catch {
      throw notCsv(kind, 'it is not UTF-8 text.');
    }
    if (text.includes('\0')) throw notCsv(kind, 'it has NUL characters.');
    return text;
  };
  return new TransformStream({
    transform: (chunk, controller) => {
      controller.enqueue(decode(chunk));
    },
    flush: (controller) => {
      controller.enqueue(decode());
    },
  });
}

/** The known name of each column, undefined where the file has one that means nothing here. */
function readHeader(kind: FileKind, names: string[], onHeader: (header: CsvHeader) => void): (string | undefined)[] {
  const { required, optional } = shapes[kind];
  const known = new Set([...required, ...optional]);
  const columns = names.map((name) => {
    const column = name.trim().toLowerCase().replaceAll(' ', '_');
    const meant = kind === 'addresses' && column === 'ip_address' ? 'address' : column;
    return known.has(meant) ? meant : undefined;
  });
  const missing = required.find((name) => !columns.includes(name));
  if (missing !== undefined) throw columnMissing(kind, missing);
  const present = columns.filter((name) => name !== undefined);
  const twice = present.find((name, i) => present.indexOf(name) !== i);
  if (twice !== undefined) throw fileError(kind, 'column_twice', `The file ${kind} has the column ${twice} twice.`);
  onHeader({ present, ignored: names.filter((_, i) => columns[i] === undefined).map((name) => name.slice(0, 100)) });
  return columns;
}

function columnMissing(kind: FileKind, column: string): AppError {
  return fileError(kind, 'column_missing', `The file ${kind} has no column ${column}: its first line must name its columns.`);
}

function notCsv(kind: FileKind, why: string): AppError {
  return fileError(kind, 'not_csv', `The file ${kind} cannot be read as CSV: ${why}`);
}

function fileError(kind: FileKind, code: string, detail: string): AppError {
  return new AppError('unprocessable', code, detail, { errors: [{ pointer: `/${kind}`, code, detail }] });
}
