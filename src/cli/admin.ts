import { FirstAdministrator } from '../users/setup/first-administrator.js';
import { withApplication } from './application.js';
import { type Command, parse, say, UsageError } from './command.js';

export const admin: Command = {
  usage: ['admin create <username>'],
  summary: 'Make a superuser and print a one-time password.',
  async run(args) {
    const [action, username, ...rest] = parse(args, {}).positionals;
    if (action !== 'create') throw new UsageError(action === undefined ? 'Which action?' : `There is no action '${action}'.`);
    if (username === undefined) throw new UsageError('Name the administrator.');
    if (rest.length > 0) throw new UsageError(`Unexpected argument '${rest[0] ?? ''}'.`);
    return withApplication('admin create', async (app) => {
      const made = await app.get(FirstAdministrator).createAdmin(username);
      say(`username  ${made.username}\npassword  ${made.password}\n\nThis password is shown once and must be changed at the first login.`);
      return 0;
    });
  },
};
