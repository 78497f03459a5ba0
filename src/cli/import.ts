import { type Command, CommandError } from './command.js';

export const importCommand: Command = {
  usage: ['import netbox'],
  summary: 'Import.',
  run: () => Promise.reject(new CommandError('not yet')),
};
