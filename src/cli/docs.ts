import { readFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../config/app-config.js';
import { variableDocs } from '../config/environment.js';
import { permissions } from '../platform/auth/permissions.js';
import { type Rule, settingRules } from '../platform/settings/setting.js';
import { type RouteLine, rolesWith, routeLineOf } from '../users/roles/route-lines.js';
import { systemRoles } from '../users/roles/system-roles.js';
import { auditEventsPage } from './audit-events-page.js';
import { type Command, parse, UsageError } from './command.js';
import { keepGenerated } from './generated-file.js';
import { previewApplication } from './preview.js';
import { securityPage } from './security-page.js';

export const docs: Command = {
  usage: ['docs [--check]'],
  summary: 'Write the pages that are made from the sources, or check that they are up to date.',
  async run(args) {
    const { values, positionals } = parse(args, { check: { type: 'boolean', default: false } });
    if (positionals.length > 0) throw new UsageError(`Unexpected argument '${positionals[0] ?? ''}'.`);
    const { routes } = await previewApplication();
    const table = routes.map(routeLineOf);
    const files = [
      { name: 'README.md', text: readme() },
      { name: 'docs/configuration.md', text: configurationPage() },
      { name: 'docs/settings.md', text: settingsPage() },
      { name: 'docs/security.md', text: securityPage(MADE) },
      { name: 'docs/audit-events.md', text: auditEventsPage(MADE) },
      { name: 'docs/permissions.md', text: permissionsPage(table) },
      { name: 'docs/permissions.json', text: `${JSON.stringify(table, null, 2)}\n` },
    ];
    return keepGenerated(files, 'docs', values.check);
  },
};

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

/** Made after the application was: its modules have defined their settings by then. */
function settingsPage(): string {
  return [
    MADE,
    '# Settings',
    '',
    'What changes while the program runs. `GET /api/v1/settings` lists them with what is effective, `PUT /api/v1/settings/{key}` changes one, `DELETE` takes it back to its default; what they do is in [operations.md](operations.md#settings). `CADASTRE_PINNED_SETTINGS` fixes any of them.',
    '',
    '| Setting | Meaning | Type | Limits | Default |',
    '|---|---|---|---|---|',
    ...settingRules().map((rule) => `| \`${rule.key}\` | ${rule.text} | ${rule.type} | ${limitsOf(rule)} | ${defaultOf(rule)} |`),
    '',
  ].join('\n');
}

function limitsOf(rule: Rule): string {
  if (rule.type === 'integer') return `${rule.min} to ${rule.max}${rule.unit === undefined ? '' : ` ${rule.unit}`}`;
  if (rule.type === 'string' && rule.enum) return rule.enum.map((one) => `\`${one}\``).join(', ');
  return '';
}

function defaultOf(rule: Rule): string {
  return rule.type === 'secret' ? 'not set' : `\`${JSON.stringify(rule.default)}\``;
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
