import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../config/app-config.js';
import { Migrator } from '../platform/database/migrator.js';
import { type Command, CommandError, parse, say, UsageError } from './command.js';
import { commandConfig, withDatabase, withOwner } from './database.js';
import { revert } from './migration-down.js';
import { verifyMigrations } from './migration-verify.js';

const actions: Record<string, (words: string[], options: { destroy: boolean }) => Promise<number>> = {
  up,
  down,
  history,
  current,
  pending,
  revision,
  verify,
};

export const migration: Command = {
  usage: [
    'migration up',
    'migration down [n] [--destroy]',
    'migration history | current | pending',
    'migration revision <verb-object>',
    'migration verify',
  ],
  summary: 'Change the schema step by step, or prove on an empty database that every step can be taken both ways.',
  run(args) {
    const { values, positionals } = parse(args, { destroy: { type: 'boolean', default: false } });
    const [name, ...words] = positionals;
    const action = actions[name ?? ''];
    if (!action) throw new UsageError(name === undefined ? 'Which action?' : `There is no action '${name}'.`);
    if (values.destroy && name !== 'down') throw new UsageError(`'--destroy' belongs to \`migration down\`.`);
    const allowed = ['down', 'revision'].includes(name ?? '') ? 1 : 0;
    if (words.length > allowed) throw new UsageError(`Unexpected argument '${words[allowed] ?? ''}'.`);
    return action(words, values);
  },
};

async function up(): Promise<number> {
  const done = await onSchema((migrator) => migrator.up());
  say(done.length === 0 ? 'Nothing is pending.' : done.map((name) => `applied  ${name}`).join('\n'));
  return 0;
}

async function down([count = '1']: string[], { destroy }: { destroy: boolean }): Promise<number> {
  if (!/^[1-9]\d*$/.test(count)) throw new UsageError(`'${count}' is no number of migrations.`);
  return withDatabase(commandConfig(), (config) =>
    withOwner(config, async (owner) => {
      const folder = path.join(config.varDirectory, 'exports', `migration-down-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}`);
      const { undone, exported } = await revert(owner, Number(count), { destroy, folder });
      for (const { table, rows, file, restore } of exported) say(`exported ${rows} rows of ${table} to ${file}\n         ${restore}`);
      say(undone.length === 0 ? 'Nothing is applied.' : undone.map((name) => `reverted ${name}`).join('\n'));
      return 0;
    }),
  );
}

async function history(): Promise<number> {
  for (const { name, applied } of await onSchema((migrator) => migrator.states())) say(`${applied ? 'applied' : 'pending'}  ${name}`);
  return 0;
}

async function current(): Promise<number> {
  const applied = (await onSchema((migrator) => migrator.states())).filter((state) => state.applied);
  say(applied.at(-1)?.name ?? 'The database is empty.');
  return 0;
}

/** Exit code 1 when something is pending, for scripts that wait. */
async function pending(): Promise<number> {
  const waiting = (await onSchema((migrator) => migrator.states())).filter((state) => !state.applied);
  say(waiting.length === 0 ? 'Nothing is pending.' : waiting.map(({ name }) => name).join('\n'));
  return waiting.length === 0 ? 0 : 1;
}

async function revision([name]: string[]): Promise<number> {
  if (name === undefined || !/^[a-z][a-z0-9]*(-[a-z0-9]+)+$/.test(name))
    throw new UsageError(
      'Name the revision by what it does, such as add-vlans: a verb and its object in small letters, joined by hyphens.',
    );
  const { migrations } = await import('../../migrations/all.js');
  const newest = Math.max(...migrations.map((known) => Number(/\d{13}$/.exec(known.name)?.[0] ?? 0)));
  const stamp = Math.max(Date.now(), newest + 100);
  const file = path.join(projectRoot, 'migrations', `${stamp}-${name}.ts`);
  if (!existsSync(path.dirname(file))) throw new CommandError('This installation has no sources: make the revision where they are.');
  const className = `${name.replaceAll(/(^|-)([a-z0-9])/g, (_all, _dash, letter: string) => letter.toUpperCase())}${stamp}`;
  writeFileSync(file, template(className), { flag: 'wx' });
  say(
    `Made ${path.relative(projectRoot, file)}. Write both ways, add ${className} to migrations/all.ts, then run \`cadastre migration verify\`.`,
  );
  return 0;
}

function template(className: string): string {
  return `import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** What changes, and what it locks for how long when tables are big. */
export class ${className} implements MigrationInterface {
  name = '${className}';

  async up(q: QueryRunner): Promise<void> {
    await q.query('');
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('');
  }
}
`;
}

async function verify(): Promise<number> {
  return withDatabase(commandConfig(), (config) => verifyMigrations(config));
}

function onSchema<T>(work: (migrator: Migrator) => Promise<T>): Promise<T> {
  return withDatabase(commandConfig(), (config) => withOwner(config, (owner) => work(new Migrator(owner))));
}
