import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';
import { type ImportReport } from '../ipam/import/import.dto.js';
import { fileKinds } from '../ipam/import/import-files.js';
import { type ImportFiles, ImportsService } from '../ipam/import/imports.service.js';
import { withApplication } from './application.js';
import { type Command, CommandError, parse, say, UsageError } from './command.js';

export const importCommand: Command = {
  usage: [
    'import netbox [--vrfs FILE] [--prefixes FILE] [--ranges FILE] [--addresses FILE] [--dry-run]',
    'import ranges [--vrf NAME] [--kind subnet|container] [--dry-run] FILE',
  ],
  summary: 'Import NetBox’s CSV exports, or a list of networks as pools. What does not fit is listed, the rest goes in.',
  async run([source, ...args]) {
    if (source === 'netbox') return netbox(args);
    if (source === 'ranges') return ranges(args);
    throw new UsageError(source === undefined ? 'Import what?' : `There is nothing to import called '${source}'.`);
  },
};

async function netbox(args: string[]): Promise<number> {
  const file = { type: 'string' } as const;
  const { values, positionals } = parse(args, {
    vrfs: file,
    prefixes: file,
    ranges: file,
    addresses: file,
    'dry-run': { type: 'boolean', default: false },
  });
  if (positionals.length > 0) throw new UsageError(`Unexpected argument '${positionals[0] ?? ''}'.`);
  const files: ImportFiles = {};
  for (const kind of fileKinds) {
    const name = values[kind];
    if (name !== undefined) files[kind] = readable(name);
  }
  if (Object.keys(files).length === 0) throw new UsageError('Name at least one file.');
  return withApplication('import netbox', async (app) => report(await app.get(ImportsService).netbox(files, values['dry-run'])));
}

async function ranges(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, {
    vrf: { type: 'string' },
    kind: { type: 'string', default: 'subnet' },
    'dry-run': { type: 'boolean', default: false },
  });
  const [name, ...rest] = positionals;
  if (name === undefined) throw new UsageError('Name the file.');
  if (rest.length > 0) throw new UsageError(`Unexpected argument '${rest[0] ?? ''}'.`);
  const { vrf, kind } = values;
  if (kind !== 'subnet' && kind !== 'container') throw new UsageError(`A pool is a subnet or a container, not '${kind}'.`);
  if (vrf !== undefined && (vrf === '' || vrf.length > 100)) throw new UsageError('The name of a VRF has 1 to 100 characters.');
  const list = { path: readable(name), vrf: vrf ?? null, kind } as const;
  return withApplication('import ranges', async (app) => report(await app.get(ImportsService).ranges(list, values['dry-run'])));
}

/** Asked before a database is started for it. */
function readable(name: string): string {
  const file = path.resolve(name);
  try {
    accessSync(file, constants.R_OK);
    if (statSync(file).isFile()) return file;
  } catch {
    // Said below, as of a folder.
  }
  throw new CommandError(`${name} is no file that can be read.`);
}

/** Rows that were refused are the file's news, not a failure: the exit code says that the import ran. */
function report({ dryRun, files, problems, problemCount }: ImportReport): number {
  for (const { file, line, code, detail, value } of problems) say(`${file}:${line}: ${code}: ${value}: ${detail}`);
  if (problemCount > problems.length) say(`… and ${problemCount - problems.length} more.`);
  for (const counted of files) say(summary(counted));
  say(dryRun ? 'Nothing was stored: this was a dry run.' : 'Stored.');
  return 0;
}

function summary(file: ImportReport['files'][number]): string {
  const { rows, created, unchanged, differs, refused, ignoredColumns } = file;
  const ignored = ignoredColumns.length > 0 ? `; ignored columns: ${ignoredColumns.join(', ')}` : '';
  return `${file.file}: ${rows} rows, ${created} created, ${unchanged} unchanged, ${differs} differ, ${refused} refused${ignored}`;
}
