import { actions, type ActionEntry } from '../audit/catalogue/actions.js';
import { complianceFlags, flagsOf } from '../audit/catalogue/flags.js';
import { readRoutes } from '../audit/catalogue/read-routes.js';
import { routesThatLeave } from '../audit/catalogue/route-actions.js';
import { actionWords, isAmong } from '../audit/log/action-words.js';
import { ocsfClasses, ocsfMappingOf } from '../audit/reports/ocsf.js';

const KEEPS: Record<ActionEntry['keeps'], string> = {
  before: 'the row as it was',
  after: 'the row',
  changes: 'the fields that differ',
  nothing: '',
};

/** docs/audit-events.md: what an event may say was done, and which route leaves what. */
export function auditEventsPage(made: string): string {
  const row = (cells: string[]): string => `| ${cells.join(' | ')} |`;
  const table = (heads: string[], rows: string[][]): string[] => [row(heads), row(heads.map(() => '---')), ...rows.map(row)];
  const code = (text: string): string => `\`${text}\``;
  return [
    made,
    '# Events of the audit trail',
    '',
    'Every action, with the log that keeps it, how grave it is, which may depend on what happened, what it keeps of the row, the compliance flags it has, the words that older systems have for it, and what it becomes as an OCSF event. [audit.md](audit.md) says what an event is.',
    '',
    ...table(
      ['Action', 'Category', 'Severity', 'Keeps', 'Flags', 'Word', 'OCSF'],
      Object.entries(actions)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([action, { category, severities, keeps }]) => [
          code(action),
          category,
          severities.join(' or '),
          KEEPS[keeps],
          flagsOf(action).join(', '),
          wordsOf(action),
          ocsfNameOf(action),
        ]),
    ),
    '',
    '## Compliance flags',
    '',
    ...table(
      ['Flag', 'Kept for'],
      Object.entries(complianceFlags).map(([flag, { why }]) => [code(flag), why]),
    ),
    '',
    '## Routes that leave them',
    '',
    'A route that is refused leaves `request.denied` or `request.failed` instead.',
    '',
    ...table(
      ['Action', 'Routes'],
      Object.keys(actions)
        .sort()
        .flatMap((action) => {
          const routes = routesThatLeave(action);
          return routes.length === 0 ? [] : [[code(action), routes.map(code).join('<br>')]];
        }),
    ),
    '',
    '## Reads that leave nothing',
    '',
    ...table(
      ['Route', 'Why'],
      Object.entries(readRoutes).flatMap(([route, read]) => ('notClassified' in read ? [[code(route), read.notClassified]] : [])),
    ),
    '',
  ].join('\n');
}

function wordsOf(action: string): string {
  return Object.entries(actionWords)
    .flatMap(([word, patterns]) => (isAmong(action, patterns) ? [word] : []))
    .join(', ');
}

function ocsfNameOf(action: string): string {
  const { as, activity } = ocsfMappingOf(action);
  return `${ocsfClasses[as].uid}, ${activity}`;
}
