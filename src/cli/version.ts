import { readFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../config/app-config.js';
import { type Command, parseNothing, say } from './command.js';

export const version: Command = {
  usage: ['version'],
  summary: 'Print the version of the program and of Node.',
  run: (args) => {
    parseNothing(args);
    say(`cadastre ${programVersion()}, node ${process.versions.node}`);
    return Promise.resolve(0);
  },
};

export function programVersion(): string {
  // The project's own manifest: its shape is known.
  return (JSON.parse(readFileSync(path.join(projectRoot, 'package.json'), 'utf8')) as { version: string }).version;
}
