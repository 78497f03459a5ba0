import { ConfigError } from '../config/environment.js';
import { type Command, CommandError, ExitError, say, UsageError } from './command.js';
import { explain } from './explain.js';

/** Loaded when called, so that `help` answers at once and a tool needs no database driver. */
const commands: Record<string, () => Promise<Command>> = {
  start: async () => (await import('./start.js')).start,
  migration: async () => (await import('./migration.js')).migration,
  admin: async () => (await import('./admin.js')).admin,
  seed: async () => (await import('./seed.js')).seed,
  import: async () => (await import('./import.js')).importCommand,
  audit: async () => (await import('./audit.js')).audit,
  ipam: async () => (await import('./ipam.js')).ipam,
  openapi: async () => (await import('./openapi.js')).openapi,
  docs: async () => (await import('./docs.js')).docs,
  bench: async () => (await import('./bench.js')).bench,
  version: async () => (await import('./version.js')).version,
};

/** Runs `cadastre <command> …` and returns the exit code: 0 done, 1 failed, 2 called wrongly, 78 the configuration is refused; `audit verify` has others. */
export async function main(argv: string[]): Promise<number> {
  const [name = 'help', ...args] = argv;
  if (['help', '--help', '-h'].includes(name)) return help();
  const load = commands[name === '--version' ? 'version' : name];
  if (!load) {
    console.error(`There is no command '${name}'. \`cadastre help\` lists them.`);
    return 2;
  }
  const command = await load();
  if (args.includes('--help')) return usage(command);
  try {
    return await command.run(args);
  } catch (error) {
    return failed(error, command);
  }
}

function failed(error: unknown, command: Command): number {
  if (error instanceof ExitError) {
    failed(error.cause, command);
    return error.code;
  }
  if (error instanceof UsageError) {
    console.error([error.message, ...usageLines(command)].join('\n'));
    return 2;
  }
  if (error instanceof ConfigError) {
    console.error(`${error.message}\nThe variables are listed in docs/configuration.md.`);
    return 78;
  }
  const known = error instanceof CommandError ? error.message : explain(error);
  // The stack alone: a database error's other members hold what was sent to it.
  console.error(known ?? (error instanceof Error ? error.stack : error));
  return 1;
}

async function help(): Promise<number> {
  say('cadastre: the register of a network.\n');
  for (const load of Object.values(commands)) {
    const { usage: forms, summary } = await load();
    for (const form of forms) say(`  cadastre ${form}`);
    say(`      ${summary}\n`);
  }
  say('  cadastre help');
  return 0;
}

function usage(command: Command): number {
  say([command.summary, ...usageLines(command)].join('\n'));
  return 0;
}

function usageLines({ usage: forms }: Command): string[] {
  return forms.map((form, i) => `${i === 0 ? 'Usage:' : '      '} cadastre ${form}`);
}
