import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { underLock } from './prepare-lock.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const inRoot = (...parts) => join(root, ...parts);
const installStamp = inRoot('node_modules', '.cadastre-lock');
const buildStamp = inRoot('dist', '.cadastre-build');

/** Something the reader can mend: shown without a stack. */
export class PrepareError extends Error {}

/**
 * Brings dependencies, and with `build` the compiled program, up to date; does nothing when they are.
 * A production image carries no sources: there, what is present is what runs.
 */
export async function prepare({ build }) {
  requireNode();
  if (!existsSync(inRoot('src', 'app.module.ts'))) return;
  const ready = () => isInstalled() && (!build || isBuilt());
  if (ready()) return;
  try {
    await underLock(inRoot('var'), async () => {
      if (!isInstalled()) await install();
      if (build && !isBuilt()) await compile();
    });
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS', 'ENOSPC'].includes(error.code)) throw error;
    throw new PrepareError(
      `${root} needs installing or building, but cannot be written: ${error.message}.\nMake it writable, or run once as its owner.`,
    );
  }
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new PrepareError(
    `Cadastre needs Node 20.19 or newer; this is ${process.versions.node}.\nInstall a newer one (https://nodejs.org) and run again.`,
  );
}

function isInstalled() {
  const wanted = lockFingerprint();
  if (readOr(installStamp) === wanted) return true;
  if (!npmInstalledTheSame()) return false;
  try {
    writeFileSync(installStamp, wanted);
  } catch {
    // Another user's clone: compared again next time.
  }
  return true;
}

/** Native packages differ by platform, so a folder shared between two of them is installed anew. */
function lockFingerprint() {
  return digest([readFileSync(inRoot('package-lock.json')), process.platform, process.arch]);
}

/** Someone who ran npm by hand need not wait for it again: npm records what it put into node_modules. */
function npmInstalledTheSame() {
  const found = parseOr(readOr(inRoot('node_modules', '.package-lock.json')))?.packages;
  const wanted = parseOr(readOr(inRoot('package-lock.json')))?.packages;
  if (!found || !wanted) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '' || entry.link) return true;
    if (!(path in found)) return entry.optional === true || entry.devOptional === true;
    return found[path].version === entry.version && existsSync(inRoot(path));
  });
}

async function install() {
  say('Installing dependencies…');
  // NODE_ENV=production or an omit setting would leave out the compiler.
  const args = ['ci', '--no-audit', '--no-fund', '--include=dev', '--include=optional'];
  const npm = process.env.npm_execpath?.endsWith('npm-cli.js') ? [process.execPath, process.env.npm_execpath] : ['npm'];
  await run(
    [...npm, ...args],
    'Installing the dependencies failed.',
    'Check that the package registry can be reached, this folder can be written and the disk has room; then run again.',
  );
  writeFileSync(installStamp, lockFingerprint());
}

function isBuilt() {
  return existsSync(inRoot('dist', 'src', 'cli', 'main.js')) && readOr(buildStamp) === sourceFingerprint();
}

async function compile() {
  say('Building…');
  // Taken before: what changes during the build is built by the next run.
  const fingerprint = sourceFingerprint();
  rmSync(buildStamp, { force: true });
  await run(
    [process.execPath, inRoot('node_modules', '@nestjs', 'cli', 'bin', 'nest.js'), 'build'],
    'The build failed.',
    'Mend what it names, then run again.',
  );
  writeFileSync(buildStamp, fingerprint);
}

/** Contents, not times: a checkout or a copy must neither hide a change nor invent one. */
function sourceFingerprint() {
  const folders = ['src', 'migrations', 'bench'].flatMap((folder) => filesBelow(folder).filter((file) => /(?<!\.spec)\.ts$/.test(file)));
  const settings = readdirSync(root).filter((name) => /^(tsconfig.*|nest-cli|package-lock)\.json$/.test(name));
  return digest([...folders, ...settings].sort().flatMap((file) => [file, readFileSync(inRoot(file))]));
}

function filesBelow(folder) {
  if (!existsSync(inRoot(folder))) return [];
  return readdirSync(inRoot(folder), { recursive: true }).map((name) => join(folder, name));
}

function digest(parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex');
}

/** Runs a command quietly; its output is shown only when it fails. */
async function run([command, ...args], failure, remedy) {
  const viaShell = process.platform === 'win32' && command === 'npm';
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], shell: viaShell });
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk));
  const forward = (signal) => child.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, forward);
  try {
    const ended = await new Promise((resolve, reject) => {
      child.once('error', reject).once('close', (code, signal) => resolve({ code, signal }));
    });
    if (ended.code === 0) return;
    if (ended.signal) throw new PrepareError(`${failure} It was stopped by ${ended.signal}.`);
    throw new PrepareError(`${Buffer.concat(output).toString().trim()}\n\n${failure}\n${remedy}`);
  } catch (error) {
    if (error.code === 'ENOENT')
      throw new PrepareError(`${failure} \`${command}\` was not found.\nInstall it (it comes with Node), then run again.`);
    throw error;
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeListener(signal, forward);
  }
}

function parseOr(text) {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}

function readOr(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function say(line) {
  process.stderr.write(`${line}\n`);
}
