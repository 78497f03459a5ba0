import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { actions } from '../../src/audit/catalogue/actions.js';
import { complianceFlags, flagsOf } from '../../src/audit/catalogue/flags.js';
import { readRoutes } from '../../src/audit/catalogue/read-routes.js';
import { actionsOfRoute, routesThatLeave } from '../../src/audit/catalogue/route-actions.js';
import { actionWords } from '../../src/audit/log/action-words.js';
import { auditCategories } from '../../src/audit/trail/audit-event.js';
import { CHANGES_NOTHING, routeExamples } from '../support/route-examples.js';
import { nameOf } from '../support/route-table.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { RouteAccessList } from '../../src/platform/auth/route-access.js';

const root = fileURLToPath(new URL('../../src/', import.meta.url));
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => /(?<!\.spec)\.ts$/.test(name));

/** The actions that the sources name. */
function named(): Set<string> {
  return new Set(
    sources.flatMap((file) =>
      [...readFileSync(path.join(root, file), 'utf8').matchAll(/\baction: ([^,;]+)|\b(?:runEvent\(|say\(month, )'([^']+)'/g)].flatMap(
        ([, expression = '', literal]) =>
          literal === undefined ? [...expression.matchAll(/'([a-z_]+\.[a-z_]+)'/g)].map(([, action = '']) => action) : [literal],
      ),
    ),
  );
}

/** What an expression may be, where it says so itself. */
function literals(node: ts.Expression): (string | undefined)[] {
  if (ts.isConditionalExpression(node)) return [...literals(node.whenTrue), ...literals(node.whenFalse)];
  return [ts.isStringLiteral(node) ? node.text : undefined];
}

/** The severities that the sources give each action, where an event names both; an event that names none has `info`. */
function severitiesGiven(): { file: string; action: string; severity: string }[] {
  const given: { file: string; action: string; severity: string }[] = [];
  for (const file of sources) {
    const visit = (node: ts.Node): void => {
      if (ts.isObjectLiteralExpression(node)) {
        const valuesOf = (name: string): (string | undefined)[] | undefined => {
          const property = node.properties.find((one) => one.name?.getText() === name);
          return property && (ts.isPropertyAssignment(property) ? literals(property.initializer) : [undefined]);
        };
        const isWhole = valuesOf('category') !== undefined && !node.properties.some(ts.isSpreadAssignment);
        const named = valuesOf('action') ?? [];
        const severities = valuesOf('severity') ?? (isWhole ? ['info'] : []);
        // Which of several belongs to which of several is not to be seen.
        for (const action of named.length > 1 && severities.length > 1 ? [] : named)
          for (const severity of severities)
            if (action?.includes('.') === true && severity !== undefined) given.push({ file, action, severity });
      }
      ts.forEachChild(node, visit);
    };
    visit(ts.createSourceFile(file, readFileSync(path.join(root, file), 'utf8'), ts.ScriptTarget.Latest, true));
  }
  return given;
}

describe('the catalogue of events', () => {
  let t: TestApp;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false' });
  });

  afterAll(() => t.close());

  it('A5: every route that reads is classified, in the trail by itself, or not classified for a reason, and there is no other', () => {
    const reading = t.app
      .get(RouteAccessList)
      .list()
      .filter(({ method }) => method === 'GET');
    expect(Object.keys(readRoutes).sort()).toEqual(reading.map(nameOf).sort());
    const withoutReason = Object.entries(readRoutes).filter(([, read]) => 'notClassified' in read && read.notClassified.length < 5);
    expect(withoutReason).toEqual([]);
  });

  it('A5: every route that changes something leaves what the catalogue says, as the coverage test sees it', () => {
    const changing = t.app
      .get(RouteAccessList)
      .list()
      .filter(({ method }) => method !== 'GET')
      .map(nameOf);
    for (const route of changing) {
      const seen = routeExamples[route]?.leaves.map(({ action }) => action) ?? (route in CHANGES_NOTHING ? [] : undefined);
      expect({ route, leaves: actionsOfRoute(route) }).toEqual({ route, leaves: seen && [...new Set(seen)] });
    }
    const known = new Set([...changing, ...Object.keys(readRoutes)]);
    expect(
      Object.keys(actions)
        .flatMap(routesThatLeave)
        .filter((route) => !known.has(route)),
    ).toEqual([]);
  });

  it('A5: every action that the sources name or a route leaves is in it, and no other', () => {
    const read = Object.keys(readRoutes).flatMap((route) => actionsOfRoute(route) ?? []);
    expect(Object.keys(actions).sort()).toEqual([...new Set([...named(), ...read])].sort());
  });

  it('A5: it has the category and what is kept as the routes’ events have them', () => {
    for (const { action, category, keeps } of Object.values(routeExamples).flatMap(({ leaves }) => leaves))
      expect({ action, ...actions[action] }).toMatchObject({ action, category, keeps });
    for (const { category } of Object.values(actions)) expect(auditCategories).toContain(category);
  });

  it('A5: it has the severities that the sources give', () => {
    const given = severitiesGiven();
    expect(new Set(given.map(({ action }) => action)).size).toBeGreaterThan(80);
    expect(given.filter(({ action, severity }) => !actions[action]?.severities.some((one) => one === severity))).toEqual([]);
  });

  it('A7: what has to do with people, rights, classified reads or credentials has its flags', () => {
    expect(flagsOf('user.created')).toEqual(['gdpr', 'pci']);
    expect(flagsOf('user.role_assigned')).toEqual(['gdpr', 'sox', 'pci']);
    expect(flagsOf('user.read')).toEqual(['gdpr', 'hipaa']);
    expect(flagsOf('setting.changed')).toEqual(['sox']);
    expect(flagsOf('login.failed')).toEqual(['gdpr', 'hipaa', 'pci']);
    expect(flagsOf('audit.read')).toEqual(['gdpr', 'sox', 'hipaa', 'pci']);
    expect(flagsOf('vrf.created')).toEqual([]);
    for (const flag of Object.keys(complianceFlags))
      expect(Object.keys(actions).some((action) => flagsOf(action).includes(flag))).toBe(true);
  });

  it('A5: each older word stands for some action of it', () => {
    const wordless = Object.keys(actionWords).filter((word) => !['REJECT'].includes(word));
    const meant = (word: string): boolean =>
      Object.keys(actions).some((action) =>
        actionWords[word]!.some((pattern) => new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`).test(action)),
      );
    expect(wordless.filter((word) => !meant(word))).toEqual([]);
  });
});
