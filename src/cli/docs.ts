import { readFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../config/app-config.js';
import { variableDocs } from '../config/environment.js';
import { permissions } from '../platform/auth/permissions.js';
import { type RouteAccess } from '../platform/auth/route-access.js';
import { systemRoles } from '../users/roles/system-roles.js';
import { type Command, parse, UsageError } from './command.js';
import { keepGenerated } from './generated-file.js';
import { previewApplication } from './preview.js';

export const docs: Command = {
  usage: ['docs [--check]'],
  summary: 'Write the pages that are made from the sources, or check that they are up to date.',
  async run(args) {
    const { values, positionals } = parse(args, { check: { type: 'boolean', default: false } });
    if (positionals.length > 0) throw new UsageError(`Unexpected argument '${positionals[0] ?? ''}'.`);
    const { routes } = await previewApplication();
    const table = routes.map(accessOf);
    const files = [
      { name: 'README.md', text: readme() },
      { name: 'docs/configuration.md', text: configurationPage() },
      { name: 'docs/permissions.md', text: permissionsPage(table) },
      { name: 'docs/permissions.json', text: `${JSON.stringify(table, null, 2)}\n` },
    ];
    return keepGenerated(files, 'docs', values.check);
  },
};

/** One line of the role × route table: who may call a route. */
interface RouteLine {
  method: string;
  path: string;
  /** Absent on a public route. */
  permission?: string;
  /** Why anyone may call it. */
  public?: string;
  /** The system roles that have the permission; absent on a public route. */
  roles?: string[];
}

function accessOf({ method, path, access }: RouteAccess): RouteLine {
  if (access?.kind === 'public') return { method, path, public: access.why };
  const permission = access?.permission;
  if (permission === undefined) throw new Error(`${method} ${path} has neither @Requires nor @Public`);
  return { method, path, permission, roles: rolesWith(permission) };
}

function rolesWith(permission: string): string[] {
  return systemRoles.filter((role) => role.permissions.some((p) => p === permission)).map(({ name }) => name);
}

const MADE = '<!-- Made by `cadastre docs`; changes by hand are lost. -->';

function configurationTable(): string[] {
  const lines = variableDocs().map(
    ({ name, text, defaultText, secret }) => `| \`${name}\` | ${text}${secret ? ' Secret.' : ''} | ${defaultText} |`,
  );
  return ['| Variable | Meaning | Default |', '|---|---|---|', ...lines];
}

function configurationPage(): string {
  return [
    MADE,
    '# Configuration',
    '',
    'Environment variables, read once at the start. An empty one counts as absent; one that is wrong, or unknown and begins with `CADASTRE_`, stops the start with exit code 78.',
    '',
    ...configurationTable(),
    '',
  ].join('\n');
}

/** The README as it stands, with the table between its marks made anew. */
function readme(): string {
  const text = readFileSync(path.join(projectRoot, 'README.md'), 'utf8');
  const table = /(<!-- configuration table, made by `cadastre docs` -->\n)[^]*?(\n<!-- prettier-ignore-end -->)/;
  if (!table.test(text)) throw new Error('README.md has lost the marks of its configuration table.');
  return text.replace(table, (_whole, begin: string, end: string) => `${begin}\n${configurationTable().join('\n')}\n${end}`);
}

function permissionsPage(table: RouteLine[]): string {
  const columns = systemRoles.map(({ name }) => name);
  const row = (cells: string[]): string => `| ${cells.join(' | ')} |`;
  const marks = (held: readonly string[]): string[] => columns.map((role) => (held.includes(role) ? '✓' : ''));
  return [
    MADE,
    '# Permissions',
    '',
    'A role is a set of permissions; a user may have several roles.',
    '',
    ...systemRoles.map(({ name, description }) => `- **${name}**: ${description}`),
    '',
    '## Permissions by role',
    '',
    row(['Permission', ...columns]),
    row(['---', ...columns.map(() => ':-:')]),
    ...permissions.map((permission) => row([`\`${permission}\``, ...marks(rolesWith(permission))])),
    '',
    '## Routes by role',
    '',
    row(['Route', 'Permission', ...columns]),
    row(['---', '---', ...columns.map(() => ':-:')]),
    ...table.flatMap(({ method, path, permission, roles = [] }) =>
      permission === undefined ? [] : [row([`\`${method} ${path}\``, `\`${permission}\``, ...marks(roles)])],
    ),
    '',
    '## Public routes',
    '',
    row(['Route', 'Why']),
    row(['---', '---']),
    ...table.flatMap(({ method, path, public: why }) => (why === undefined ? [] : [row([`\`${method} ${path}\``, why])])),
    '',
  ].join('\n');
}
