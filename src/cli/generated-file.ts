import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../config/app-config.js';
import { readIfThere } from '../platform/database/embedded/files.js';
import { say } from './command.js';

/** A file of the repository that is made from the sources. */
export interface GeneratedFile {
  /** Path from the project's root. */
  name: string;
  text: string;
}

/** Writes the files, or with `check` only compares them. Returns the exit code: 1 when one is out of date. */
export function keepGenerated(files: GeneratedFile[], command: string, check: boolean): number {
  const stale = files.filter(({ name, text }) => readIfThere(path.join(projectRoot, name)) !== text);
  if (check) {
    for (const { name } of stale) console.error(`${name} is out of date: run \`cadastre ${command}\` and keep the result.`);
    return stale.length === 0 ? 0 : 1;
  }
  for (const { name, text } of stale) {
    mkdirSync(path.dirname(path.join(projectRoot, name)), { recursive: true });
    writeFileSync(path.join(projectRoot, name), text);
  }
  say(stale.length === 0 ? 'Nothing has changed.' : stale.map(({ name }) => `wrote ${name}`).join('\n'));
  return 0;
}
