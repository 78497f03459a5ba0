import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type Json } from '../src/kernel/canonical-json.js';
import { eventually } from './support/eventually.js';
import { startCadastre } from './support/run-cadastre.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const PATIENCE_MS = 180_000;

interface Step {
  command: string;
  /** Undefined when the block prints nothing. */
  answer: Json | undefined;
}

/** Every `sh` block of the README, with the `json` block that follows it. */
function stepsOf(readme: string): Step[] {
  const blocks = [...readme.matchAll(/^```(sh|json)\n(.*?)^```$/gms)].map(([, kind, body = '']) => ({ kind, body }));
  return blocks.flatMap(({ kind, body }, i) => {
    if (kind !== 'sh') return [];
    const next = blocks[i + 1];
    return [{ command: body, answer: next?.kind === 'json' ? (JSON.parse(next.body) as Json) : undefined }];
  });
}

/** What differs from run to run, inside of any text: ids, times, the version of curl, and what the README abbreviates. */
const VOLATILE = [
  { name: 'id', form: /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/ },
  { name: 'time', form: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/ },
  { name: 'program', form: /curl\/\S+/ },
  { name: 'abbreviated', form: /…/, stands: /[\w.-]+/ },
] as const;
const ANY_VOLATILE = new RegExp(VOLATILE.map(({ name, form }) => `(?<${name}>${form.source})`).join('|'), 'g');

/** How fast and how large it was differs from run to run. */
function areFigures(printed: Json | undefined, answer: Json | undefined): boolean {
  if (!isObject(printed) || !isObject(answer)) return false;
  const same = Object.keys(printed).sort().join() === Object.keys(answer).sort().join();
  return same && [...Object.values(printed), ...Object.values(answer)].every((value) => typeof value === 'number');
}

/** Compares real answers with printed ones. One id in the README is one id in the answers, from the first step to the last. */
class Comparison {
  private readonly real = new Map<string, string>();
  readonly lies: string[] = [];

  see(printed: Json | undefined, answer: Json | undefined, at: string): void {
    if (typeof printed === 'string' && typeof answer === 'string' && this.agrees(printed, answer)) return;
    if (Array.isArray(printed) && Array.isArray(answer) && printed.length === answer.length) {
      for (const [i, item] of printed.entries()) this.see(item, answer[i], `${at}/${i}`);
      return;
    }
    if (isObject(printed) && isObject(answer)) {
      for (const key of new Set([...Object.keys(printed), ...Object.keys(answer)])) {
        if (key === 'seq' && 'filed' in answer) continue;
        if (key === 'processing' && areFigures(printed[key], answer[key])) continue;
        if (key === 'filed' && answer[key] === (answer.seq !== null)) continue;
        this.see(printed[key], answer[key], `${at}/${key}`);
      }
      return;
    }
    if (printed !== answer || isObject(printed))
      this.lies.push(`${at}: the README has ${JSON.stringify(printed)}, the answer ${JSON.stringify(answer)}`);
  }

  private agrees(printed: string, answer: string): boolean {
    const pieces = [...printed.matchAll(ANY_VOLATILE)];
    let pattern = '';
    let from = 0;
    for (const piece of pieces) {
      const kind = VOLATILE.find(({ name }) => piece.groups?.[name] !== undefined);
      if (!kind) throw new Error('a piece of no kind');
      pattern += `${literally(printed.slice(from, piece.index))}(${('stands' in kind ? kind.stands : kind.form).source})`;
      from = piece.index + piece[0].length;
    }
    const found = new RegExp(`^${pattern}${literally(printed.slice(from))}$`).exec(answer);
    return found !== null && pieces.every((piece, i) => piece.groups?.id === undefined || this.isSame(piece[0], found[i + 1] ?? ''));
  }

  private isSame(printed: string, answer: string): boolean {
    const known = this.real.get(printed);
    if (known === undefined && [...this.real.values()].includes(answer)) return false;
    this.real.set(printed, known ?? answer);
    return (known ?? answer) === answer;
  }
}

function isObject(value: Json | undefined): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function literally(part: string): string {
  return part.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&');
}

function liesIn(printed: Json, answer: Json): string[] {
  const comparison = new Comparison();
  comparison.see(printed, answer, '');
  return comparison.lies;
}

describe('the tour of README.md', () => {
  const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
  const folder = mkdtempSync(path.join(tmpdir(), 'cadastre-tour-'));
  let server: ChildProcess;
  let output: () => string;

  beforeAll(async () => {
    // Started by root, the database runs as another account, which must get in.
    chmodSync(folder, 0o755);
    const variables = { CADASTRE_VAR_DIR: path.join(folder, 'var'), CADASTRE_PORT: '0', CADASTRE_LOG_LEVEL: 'warn' };
    ({ child: server, output } = startCadastre(['start'], variables));
    await eventually(() => {
      if (server.exitCode !== null) throw new Error(`the server ended:\n${output()}`);
      return output().includes('is ready');
    }, PATIENCE_MS);
  }, PATIENCE_MS);

  afterAll(async () => {
    if (server.exitCode === null && server.signalCode === null) {
      server.kill('SIGTERM');
      await once(server, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  });

  const found = (pattern: RegExp): string => pattern.exec(output())?.[1] ?? '';

  it('O9: the first start prints what the README shows', () => {
    const shown = /^```console\n\$ npm start\n(The first administrator.*?)^```$/ms.exec(readme)?.[1] ?? 'nothing';
    expect(output()).toContain(shown.replace('the-one-time-password', found(/password {2}(\S+)/)));
  });

  it('O9: each of its ten steps does what it says', async () => {
    const steps = stepsOf(readme);
    const script = steps.map(({ command }) => `${command}\nprintf '\\n@@%d@@\\n' $?\n`).join('');
    const bash = spawn('bash', {
      env: { PATH: `${path.dirname(process.execPath)}:${process.env.PATH ?? ''}` },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    bash.stdin.end(
      script
        .replaceAll('http://127.0.0.1:8400', found(/API\s+(http:\S+)\/api\/v1/))
        .replaceAll('the-one-time-password', found(/password {2}(\S+)/)),
    );
    const [answers, complaints] = await Promise.all([text(bash.stdout), text(bash.stderr)]);
    expect(complaints).toBe('');
    const results = [...answers.matchAll(/(.*?)\n@@(\d+)@@\n/gs)].map(([, answer = '', code]) => ({ answer: answer.trim(), code }));
    expect(results.map(({ code }) => code)).toEqual(steps.map(() => '0'));
    const comparison = new Comparison();
    for (const [i, { command, answer: shown }] of steps.entries()) {
      const answer = results[i]?.answer ?? '';
      comparison.see(shown, answer === '' ? undefined : (JSON.parse(answer) as Json), command.trim().split('\n').at(-1) ?? '');
    }
    expect(comparison.lies).toEqual([]);
    expect([...readme.matchAll(/^\*\*(\d+)\. /gm)].map(([, n]) => Number(n))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('O9: Ctrl-C stops it, and its PostgreSQL with it', async () => {
    const pidFile = path.join(folder, 'var', 'postgres', 'data', 'postmaster.pid');
    expect(existsSync(pidFile)).toBe(true);
    server.kill('SIGINT');
    expect(await once(server, 'exit')).toEqual([0, null]);
    expect(existsSync(pidFile)).toBe(false);
  });

  const id = (n: number): string => `01a1f98a-7bc4-75c8-9fb7-00000000000${n}`;
  const truth = {
    id: id(1),
    by: id(2),
    at: '2026-11-20T15:19:25.188Z',
    size: '256',
    note: 'rests until 2026-11-20T15:19:25+00:00.',
    key: '…',
  };

  it('O9: other ids and times are no lie', () => {
    const answer = { ...truth, id: id(3), by: id(4), at: '2027-01-01T00:00:00Z', note: 'rests until 2027-01-01T00:00:00Z.', key: 'x.y-z' };
    expect(liesIn([truth, truth], [answer, answer])).toEqual([]);
  });

  it.each<[string, object]>([
    ['another value', { size: '255' }],
    ['text where there was a number', { size: 256 }],
    ['a time that is none', { at: 'yesterday' }],
    ['another sentence', { note: 'rests since 2026-11-20T15:19:25+00:00.' }],
    ['one id where there were two', { by: id(1) }],
    ['two ids where there was one', { id: id(5) }],
    ['a member that is gone', { size: undefined }],
    ['a member that is new', { more: true }],
    ['null', { key: null }],
  ])('O9: %s is a lie', (_what, change) => {
    const answer = JSON.parse(JSON.stringify({ ...truth, ...change })) as Json;
    expect(liesIn([truth, truth], [truth, answer])).not.toEqual([]);
  });
});
