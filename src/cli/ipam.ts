import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../platform/database/data-source.js';
import { type Command, parse, say, UsageError } from './command.js';
import { commandConfig, requireMigrated, withDatabase } from './database.js';

interface Drift {
  pool_id: string;
  network: string;
  problem: string;
}

export const ipam: Command = {
  usage: ['ipam verify'],
  summary: 'Count every pool anew and compare: exit code 0 when all agrees, 1 with a line for each difference.',
  async run(args) {
    const [action, ...rest] = parse(args, {}).positionals;
    if (action !== 'verify') throw new UsageError(action === undefined ? 'Which action?' : `There is no action '${action}'.`);
    if (rest.length > 0) throw new UsageError(`Unexpected argument '${rest[0] ?? ''}'.`);
    const config = commandConfig();
    return withDatabase(config, async (open) => {
      await requireMigrated(open, config.database.url === undefined);
      const source = new DataSource(dataSourceOptions(open));
      await source.initialize();
      try {
        return report(await source.query<Drift[]>('SELECT pool_id, network, problem FROM ipam_drift() ORDER BY network, problem'));
      } finally {
        await source.destroy();
      }
    });
  },
};

function report(drift: Drift[]): number {
  for (const { pool_id: id, network, problem } of drift) say(`${network}  ${problem}  (pool ${id})`);
  if (drift.length === 0) say('Every pool’s free space and counters agree with what it holds.');
  return drift.length === 0 ? 0 : 1;
}
