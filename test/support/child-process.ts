import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { PATIENT_POOL_MS, SHARED_SECRET_KEYS, type TestDatabase } from './test-database.js';
import { withTestPins } from './test-pins.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface TestProcess {
  child: ChildProcess;
  /** What it has printed so far. */
  output(): string;
  /** Its exit code, or the signal that ended it. */
  ended: Promise<number | string>;
}

/** A Node process of the compiled program on a test's database, with settings of its own and nothing of this one's. */
export async function startProcess(script: string, database: TestDatabase, variables: Record<string, string> = {}): Promise<TestProcess> {
  const folder = await mkdtemp(path.join(tmpdir(), 'cadastre-test-'));
  const child = spawn(process.execPath, [path.join(root, script)], {
    env: {
      PATH: process.env.PATH ?? '',
      CADASTRE_ENV: 'test',
      CADASTRE_VAR_DIR: folder,
      CADASTRE_PORT: '0',
      DATABASE_URL: database.url,
      DATABASE_DIRECT_URL: database.ownerUrl,
      DATABASE_POOL_MAX: '5',
      DATABASE_POOL_TIMEOUT_MS: PATIENT_POOL_MS,
      CADASTRE_SECRET_KEYS: SHARED_SECRET_KEYS,
      ...withTestPins(variables),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  const collect = (chunk: Buffer): void => void (printed += chunk.toString());
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const ended = once(child, 'close').then(async ([code, signal]: (number | string | null)[]) => {
    await rm(folder, { recursive: true, force: true });
    return code ?? signal ?? 'unknown';
  });
  return { child, output: () => printed, ended };
}
