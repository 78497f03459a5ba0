import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '../config/app-config.js';
import { type Command, CommandError } from './command.js';

export const bench: Command = {
  usage: ['bench [options]'],
  summary: 'Measure this machine: throughput and latencies, as ratios within one run.',
  async run(args) {
    const file = path.join(projectRoot, 'dist', 'bench', 'main.js');
    if (!existsSync(file)) throw new CommandError('This installation has no benchmarks: run them where the sources are.');
    // Imported by path: the benchmarks lean on the program, never the other way round.
    const { main } = (await import(pathToFileURL(file).href)) as { main: (args: string[]) => Promise<number> };
    return main(args);
  },
};
