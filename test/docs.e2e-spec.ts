import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Agent } from 'supertest';
import { auditCategories } from '../src/audit/trail/audit-event.js';
import { Environment, variableDocs } from '../src/config/environment.js';
import { shapes } from '../src/ipam/import/import-files.js';
import { COMPUTED_CODES, errorCodes } from './support/error-codes.js';
import { runCadastre } from './support/run-cadastre.js';
import { asRole } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const filesBelow = (folder: string, ending: RegExp): string[] =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name))
    .map((name) => path.posix.join(folder, name.replaceAll('\\', '/')))
    .sort();
const sources = [...filesBelow('src', /(?<!\.spec)\.ts$/), ...filesBelow('migrations', /\.ts$/)];
const pages = ['README.md', 'CHANGELOG.md', ...filesBelow('docs', /\.md$/)];

/** The rows of all tables below a heading, or of the whole page, without the lines that draw them. */
function tableRows(page: string, heading?: string): string[][] {
  const text = heading === undefined ? read(page) : sectionOf(page, heading);
  const lines = text.split('\n').filter((line) => line.startsWith('|'));
  return lines.flatMap((line, i) => {
    const cells = line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim());
    return /^[-:]+$/.test(cells[0] ?? '') || /^\|[\s:-]+\|/.test(lines[i + 1] ?? '') ? [] : [cells];
  });
}

function sectionOf(page: string, heading: string): string {
  const [, below] = read(page).split(`\n${heading}\n`);
  if (below === undefined) throw new Error(`${page} has no heading ${heading}`);
  return below.split(new RegExp(`^#{1,${heading.indexOf(' ')}} `, 'm'))[0] ?? '';
}

const plain = (cell = ''): string => cell.replaceAll('`', '');
const codeIn = (text: string, form: RegExp): string[] =>
  [...text.matchAll(/`([^`]+)`/g)].flatMap(([, code = '']) => (form.test(code) ? [code] : []));

describe('the manual', () => {
  it('O9: every relative link leads to a file, and every anchor to a heading', () => {
    const broken = pages.flatMap((page) =>
      [...read(page).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].flatMap(([, link = '']) => {
        const [file = '', anchor] = link.split('#');
        const target = file === '' ? page : path.posix.join(path.posix.dirname(page), file);
        if (!existsSync(path.join(root, target))) return [`${page}: ${link}`];
        return anchor === undefined || headings(target).includes(anchor) ? [] : [`${page}: ${link}`];
      }),
    );
    expect(broken).toEqual([]);
  });

  it('O9: every page is reached from the README', () => {
    const reached = new Set<string>();
    const follow = (page: string): void => {
      if (reached.has(page)) return;
      reached.add(page);
      if (!page.endsWith('.md') || !existsSync(path.join(root, page))) return;
      for (const [, link = ''] of read(page).matchAll(/\]\((?!https?:)([^)#\s]+)/g))
        follow(path.posix.join(path.posix.dirname(page), link));
    };
    follow('README.md');
    expect(pages.filter((page) => !reached.has(page))).toEqual([]);
  });

  it('O5: every row that stands behind a claim is proven by a test of its name', () => {
    const named = new Set(
      [...filesBelow('test', /e2e-spec\.ts$/), ...filesBelow('src', /\.spec\.ts$/)].flatMap((file) =>
        [...read(file).matchAll(/\bit(?:\.each[^(]*\([^]*?\))?\(\s*['"`]([A-Z]\d+[^:'"`]*):/g)].flatMap(
          ([, rows = '']) => rows.match(/\b[A-Z]\d+\b/g) ?? [],
        ),
      ),
    );
    const unproven = pages.flatMap((page) =>
      [...read(page).matchAll(/\(([A-Z]\d+(?:, [A-Z]\d+)*)\)/g)].flatMap(([, rows = '']) =>
        rows.split(', ').flatMap((row) => (named.has(row) ? [] : [`${page}: ${row}`])),
      ),
    );
    expect(unproven).toEqual([]);
  });

  function headings(page: string): string[] {
    return [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\s-]/g, '')
        .replaceAll(' ', '-'),
    );
  }
});

describe('lists in the manual', () => {
  it('O6: errors.md has every error code of the sources, with its status, and no other', () => {
    const { codes, computed } = errorCodes(sources);
    expect(computed).toEqual(Object.keys(COMPUTED_CODES));
    const real = [...codes, ...Object.values(COMPUTED_CODES).flat(), 'internal_error 500'];
    const written = tableRows('docs/errors.md').map(([code, status = '']) => `${plain(code)} ${status}`);
    expect(written.toSorted()).toEqual([...new Set(real)].sort());
  });

  it('A1: audit.md has every action of the sources, and no other', () => {
    const real = sources.flatMap((file) =>
      [...read(file).matchAll(/\baction: ([^,;]+)|\b(?:runEvent\(|say\(month, )'([^']+)'/g)].flatMap(([, expression = '', literal]) =>
        literal === undefined ? [...expression.matchAll(/'([a-z_]+\.[a-z_]+)'/g)].map(([, action = '']) => action) : [literal],
      ),
    );
    const rows = tableRows('docs/audit.md', '## What is recorded');
    expect(rows.flatMap(([actions = '']) => codeIn(actions, /\./)).sort()).toEqual([...new Set(real)].sort());
    for (const [, category] of rows) expect(auditCategories).toContain(category);
  });

  it('O7: .env.example has every variable with its default, commented out', () => {
    const defaults = new Environment() as unknown as Record<string, string | number | boolean | string[] | undefined>;
    const lines = read('.env.example').split('\n');
    expect(lines.filter((line) => /^[^#]/.test(line))).toEqual([]);
    expect(lines.filter((line) => /^#\w+=/.test(line))).toEqual(
      variableDocs().map(({ name }) => `#${name}=${String(defaults[name] ?? '')}`),
    );
  });

  it('O9: dependencies.md has every package with its version, licence, Node and install script', () => {
    interface Manifest {
      version: string;
      license: string;
      engines?: { node?: string };
    }
    const own = JSON.parse(read('package.json')) as Record<
      'dependencies' | 'devDependencies' | 'optionalDependencies',
      Record<string, string>
    >;
    const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, { version: string; hasInstallScript?: boolean }> };
    const expected = Object.keys({ ...own.dependencies, ...own.devDependencies }).map((name) => {
      const { license, engines } = JSON.parse(read(`node_modules/${name}/package.json`)) as Manifest;
      const locked = lock.packages[`node_modules/${name}`];
      return [name, locked?.version, license, engines?.node ?? 'not stated', locked?.hasInstallScript === true ? 'has one' : 'none'];
    });
    const written = tableRows('docs/dependencies.md').map(([name, version, licence, node, script, why]) => {
      expect(why).not.toBe('');
      return [plain(name), version, licence, plain(node).replaceAll('\\|', '|'), script];
    });
    expect(written).toEqual(expected);
    const page = read('docs/dependencies.md');
    for (const [name, version] of Object.entries(own.optionalDependencies))
      expect([page.includes(`\`${name}\``), page.includes(version)]).toEqual([true, true]);
  });

  it('O5: architecture.md has every rule of direction', () => {
    const rules = [...read('.dependency-cruiser.js').matchAll(/name: '([\w-]+)'/g)].map(([, name]) => name);
    expect(tableRows('docs/architecture.md', '## Who may know whom').map(([name]) => plain(name))).toEqual(rules);
  });

  it('I18: ipam.md has every column of the files that are imported', () => {
    const written = tableRows('docs/ipam.md', '## Import').map(([file, required = '', optional = '']) => [
      plain(file),
      codeIn(required, /./),
      codeIn(optional, /./),
    ]);
    expect(written).toEqual(Object.entries(shapes).map(([file, { required, optional }]) => [file, required, optional]));
  });

  it('O8: operations.md has every command', async () => {
    const { code, output } = await runCadastre(['help'], {});
    expect(code).toBe(0);
    const real = [...output.matchAll(/^ {2}(cadastre .*)$/gm)].map(([, line = '']) => line).filter((line) => line !== 'cadastre help');
    const listed = /^```text\n(cadastre start\n.*?)^```$/ms.exec(read('docs/operations.md'))?.[1] ?? '';
    expect(listed.trim().split('\n')).toEqual(real);
  });
});

describe('tables of behaviour', () => {
  let t: TestApp;
  let admin: Agent;

  beforeAll(async () => {
    t = await startTestApp();
    admin = await asRole(t, 'admin');
  });

  afterAll(() => t.close());

  const made = async (route: string, body: object): Promise<{ id: string; usage: { usable: string }; items: { id: string }[] }> =>
    (await admin.post(`/api/v1/ipam/${route}`).send(body).expect(201)).body as {
      id: string;
      usage: { usable: string };
      items: { id: string }[];
    };

  it.each(tableRows('docs/ipam.md', '### What is usable').map((row) => row.map(plain)))(
    'I2: of %s, a %s, %s addresses are usable',
    async (network = '', kind = '', usable = '', firstHost = '', lastHost = '') => {
      const { id: vrfId } = await made('vrfs', { name: `${network} as ${kind}` });
      const pool = await made('pools', { vrfId, network, kind, name: network });
      expect(pool.usage.usable).toBe(usable);
      if (kind === 'container') return;
      const info = await admin.get('/api/v1/ipam/calculator/info').query({ network }).expect(200);
      expect(info.body).toMatchObject({ firstHost, lastHost, usable });
    },
  );

  it('I9: the statuses move as the table says', async () => {
    const pool = await made('pools', { network: '10.9.0.0/24', kind: 'subnet', name: 'moves' });
    const allocation = async (status: string): Promise<string> =>
      `/api/v1/ipam/allocations/${(await made(`pools/${pool.id}/allocations`, { status })).items[0]?.id ?? ''}`;
    const statuses = ['allocated', 'reserved', 'blocked'];
    const behaviour: string[][] = [];
    for (const from of statuses) {
      const row = [from];
      for (const to of statuses) {
        const { status } = await admin.patch(await allocation(from)).send({ status: to });
        row.push(status === 409 ? 'no' : from === to ? 'stays' : 'yes');
      }
      const released = await allocation(from);
      await admin.delete(released).expect(204);
      row.push(((await admin.get(released).expect(200)).body as { status: string }).status);
      behaviour.push(row);
    }
    expect(behaviour).toEqual(tableRows('docs/ipam.md', '### Statuses').map((row) => row.map(plain)));
  });

  it('I10: the end of a quarantine is noticed by the next allocation in the pool', async () => {
    const { id } = await made('pools', { network: '10.8.0.0/30', kind: 'subnet', name: 'rest' });
    const { items } = await made(`pools/${id}/allocations`, { count: 2 });
    await admin.delete(`/api/v1/ipam/allocations/${items[0]?.id ?? ''}`).expect(204);
    await t.sql(`UPDATE allocations SET quarantined_until = now() - interval '1 second' WHERE id = $1`, [items[0]?.id]);
    const usage = async (): Promise<unknown> =>
      ((await admin.get(`/api/v1/ipam/pools/${id}`).expect(200)).body as { usage: unknown }).usage;
    expect(await usage()).toMatchObject({ allocated: '1', quarantined: '1', free: '0' });
    await made(`pools/${id}/allocations`, {});
    expect(await usage()).toMatchObject({ allocated: '2', quarantined: '0', free: '0' });
  });

  it('O3: operations.md has every figure of the program’s own', async () => {
    const { text } = await admin.get('/metrics').expect(200);
    const real = [...text.matchAll(/^# HELP (\S+)/gm)].map(([, name = '']) => name).filter((name) => !/^(process|nodejs)_/.test(name));
    expect(
      tableRows('docs/operations.md', '## Metrics')
        .map(([name]) => plain(name))
        .sort(),
    ).toEqual(real.sort());
  });

  it('O2: operations.md has every probe', async () => {
    const paths = tableRows('docs/operations.md', '## Health').map(([name]) => plain(name));
    for (const probe of paths) await t.anonymous.get(probe).expect(200);
    expect(paths).toEqual(
      [...read('src/platform/health/health.controller.ts').matchAll(/@Get\('(\w+)'\)/g)].map(([, name = '']) => `/health/${name}`),
    );
  });
});
