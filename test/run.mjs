// Every test, in the order in which a mistake is cheapest to find: node test/run.mjs [unit|e2e|all] [jest arguments…]
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { prepare } from '../src/cli/prepare.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const modes = ['unit', 'e2e', 'all'];
const [first, ...rest] = process.argv.slice(2);
const mode = modes.includes(first) ? first : 'all';
const jestArguments = mode === first ? rest : process.argv.slice(2);

const scratch = mkdtempSync(join(tmpdir(), 'cadastre-run-'));
const totals = { passed: 0, failed: 0, skipped: 0 };
const summary = [];
let child;
let server;
let interrupted;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interrupted ??= signal;
    child?.kill(signal);
  });
}

const steps = {
  install: () => prepare({ build: false }),
  lint: () => run(npm('run', '--silent', 'lint')),
  types: () => node('node_modules/typescript/bin/tsc', '--noEmit'),
  unit: () => jest('unit'),
  build: () => prepare({ build: true }),
  'OpenAPI document': () => cadastre('openapi', '--check'),
  'generated pages': () => cadastre('docs', '--check'),
  database: startDatabase,
  migrations: verifyMigrations,
  e2e: () => jest('e2e'),
};
const chosen = { unit: ['install', 'unit'], e2e: ['install', 'build', 'database', 'e2e'], all: Object.keys(steps) };

let succeeded = true;
for (const name of chosen[mode]) {
  succeeded = await step(name, steps[name]);
  if (!succeeded) break;
}
if (server && !(await step('database stopped, nothing left listening', () => server.stop()))) succeeded = false;
rmSync(scratch, { recursive: true, force: true });
if (process.env.CI && process.env.CI !== 'false' && totals.skipped > 0) {
  summary.push('failed  skipped tests: in CI every test has to run');
  succeeded = false;
}
if (interrupted) summary.push(`stopped by ${interrupted}`);
console.log(['', ...summary].join('\n'));
console.log(`${totals.passed} passed, ${totals.failed} failed${totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''}`);
process.exitCode = succeeded && totals.failed === 0 && !interrupted ? 0 : 1;

async function step(name, work) {
  console.log(`\n▶ ${name}`);
  const began = performance.now();
  let failure;
  try {
    await work();
  } catch (error) {
    failure = error;
    console.error(error.code || !error.message ? error : error.message);
  }
  const line = `${failure ? 'failed' : 'ok    '}  ${name} (${((performance.now() - began) / 1000).toFixed(1)} s)`;
  console.log(line);
  summary.push(line);
  return !failure && !interrupted;
}

/** Runs a command with its output shown; rejects when it fails. */
function run([command, ...args], env = {}) {
  return new Promise((resolve, reject) => {
    const viaShell = process.platform === 'win32' && command === 'npm';
    child = spawn(command, args, { cwd: root, stdio: 'inherit', shell: viaShell, env: { ...process.env, ...server?.env, ...env } });
    child.once('error', reject).once('close', (code, signal) => {
      child = undefined;
      if (code === 0) resolve();
      else reject(new Error(`${[command, ...args].join(' ')}: ${signal ? `stopped by ${signal}` : `exit code ${code}`}`));
    });
  });
}

function npm(...args) {
  return process.env.npm_execpath?.endsWith('npm-cli.js') ? [process.execPath, process.env.npm_execpath, ...args] : ['npm', ...args];
}

function node(...args) {
  return run([process.execPath, ...args]);
}

function cadastre(...args) {
  return node('src/cli/cadastre.mjs', ...args);
}

async function jest(project) {
  const report = join(scratch, `${project}.json`);
  const options = ['--selectProjects', project, '--json', `--outputFile=${report}`];
  const env = { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules --disable-warning=ExperimentalWarning`.trim() };
  try {
    await run([process.execPath, 'node_modules/jest/bin/jest.js', ...options, ...jestArguments], env);
  } finally {
    count(report);
  }
}

function count(report) {
  let result;
  try {
    result = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    // jest ended before it could write one; its exit code fails the step.
    return;
  }
  totals.passed += result.numPassedTests;
  // A file that does not load has no tests to count, and is not to pass for none.
  totals.failed += result.numFailedTests + result.numRuntimeErrorTestSuites;
  totals.skipped += result.numPendingTests + result.numTodoTests;
}

async function startDatabase() {
  const { startTestServer } = await import('./support/test-server.mjs');
  server = await startTestServer();
}

/** Up, down, up again and the comparison with the entities, in a database of its own on the shared server. */
async function verifyMigrations() {
  const { Client } = await import('pg');
  const admin = new Client({ connectionString: server.env.TEST_DATABASE_ADMIN_URL });
  const at = (url) => Object.assign(new URL(url), { pathname: '/cadastre_verify' }).href;
  await admin.connect();
  try {
    await admin.query('CREATE DATABASE cadastre_verify OWNER cadastre_owner');
    const env = { DATABASE_URL: at(server.env.TEST_DATABASE_URL), DATABASE_DIRECT_URL: at(server.env.TEST_DATABASE_OWNER_URL) };
    await run([process.execPath, 'src/cli/cadastre.mjs', 'migration', 'verify'], env);
    await admin.query('DROP DATABASE cadastre_verify WITH (FORCE)');
  } finally {
    await admin.end();
  }
}
