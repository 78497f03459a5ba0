import { DemoUsers } from '../users/setup/demo-users.js';
import { withApplication } from './application.js';
import { type Command, parse, say, UsageError } from './command.js';

export const seed: Command = {
  usage: ['seed --demo'],
  summary: 'Make a demonstration user for each role and print their one-time passwords; never in production.',
  async run(args) {
    const { values, positionals } = parse(args, { demo: { type: 'boolean', default: false } });
    if (positionals.length > 0) throw new UsageError(`Unexpected argument '${positionals[0] ?? ''}'.`);
    if (!values.demo) throw new UsageError('Say what to make: --demo.');
    return withApplication('seed --demo', async (app) => {
      const made = await app.get(DemoUsers).seed();
      for (const { username, password } of made) say(`${username.padEnd(24)}  ${password}`);
      say(
        made.length > 0
          ? '\nThese passwords are shown once and must be changed at the first login.'
          : 'The demonstration users are there already.',
      );
      return 0;
    });
  },
};
