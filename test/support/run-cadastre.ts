import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface RunningCommand {
  child: ChildProcess;
  /** What it has printed so far, on either stream. */
  output: () => string;
}

/** `cadastre …` through its front door, with these variables and nothing of this process's but where programs are. */
export function startCadastre(args: readonly string[], variables: Record<string, string>): RunningCommand {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [path.join(root, 'src/cli/cadastre.mjs'), ...args], {
    env: { PATH, HOME, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  const collect = (chunk: Buffer): void => void (printed += chunk.toString());
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  return { child, output: () => printed };
}

/** The same, to its end. */
export async function runCadastre(args: readonly string[], variables: Record<string, string>): Promise<{ code: number; output: string }> {
  const { child, output } = startCadastre(args, variables);
  const [code] = (await once(child, 'close')) as [number];
  return { code, output: output() };
}
