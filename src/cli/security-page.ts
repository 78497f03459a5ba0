import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../config/app-config.js';
import { asvs, type AsvsLine } from './asvs.js';

const TITLE = /\b(?:it|describe|test)(?:\.each\([^]*?\))?\(\s*(['`"])((?:(?!\1)[^\\]|\\.)*)\1/g;

/** docs/security.md: each line of the standard with the tests that name it, or the reason why none does. Throws when there is neither. */
export function securityPage(mark: string): string {
  const titles = testTitles();
  const rows = asvs.map((line) =>
    rowOf(
      line,
      titles.filter(({ title }) => ids(title).includes(line.id)),
    ),
  );
  return [
    mark,
    '# Security',
    '',
    'What the OWASP Application Security Verification Standard 5.0 asks of the parts that this program has, and the tests that show it. The names are read from the tests; `npm test` runs them.',
    '',
    '| ASVS | Level | Asked | Shown by |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

interface Titled {
  file: string;
  title: string;
}

function rowOf({ id, level, text, reason }: AsvsLine, tests: Titled[]): string {
  if (tests.length === 0 && reason === undefined)
    throw new Error(`docs/security.md: no test names ASVS ${id} (${text}), and no reason is given`);
  const shown = tests.map(({ file, title }) => `${title.replace(/^[^:]*ASVS [^:]*: /, '').replaceAll('|', '\\|')} (\`${file}\`)`);
  return `| ${id} | ${level} | ${text} | ${[...shown, ...(reason === undefined ? [] : [reason])].join('<br>')} |`;
}

function ids(title: string): string[] {
  return [...title.matchAll(/ASVS ([\d., ]+)/g)].flatMap(([, list = '']) => list.match(/\d+(?:\.\d+)+/g) ?? []);
}

function testTitles(): Titled[] {
  return ['test', 'src'].flatMap((folder) =>
    readdirSync(path.join(projectRoot, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('spec.ts'))
      .sort()
      .flatMap((file) => {
        const text = readFileSync(path.join(projectRoot, folder, file), 'utf8');
        return [...text.matchAll(TITLE)].map((match) => ({ file: `${folder}/${file}`, title: (match[2] ?? '').replaceAll('\\', '') }));
      }),
  );
}
