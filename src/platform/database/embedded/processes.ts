import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { connect } from 'node:net';
import { hasCode } from './files.js';

/** When a process began, in the kernel's own ticks: tells it from a later one with the same pid. Undefined where /proc is missing. */
export function startTime(pid: number): string | undefined {
  return readStat(pid)?.started;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, and is somebody else's.
    if (!hasCode(error, 'EPERM')) return false;
  }
  // In a container whose first process reaps nobody, the dead answer signals for ever.
  return readStat(pid)?.state !== 'Z';
}

/** Whether `pid` is the postmaster of the cluster in `data`, and not some later process that was given its number. */
export async function isPostmaster(pid: number, data: string, port: number): Promise<boolean> {
  if (!isAlive(pid)) return false;
  if (process.platform !== 'linux') return answers(port);
  const [program = '', ...args] = readOrEmpty(`/proc/${pid}/cmdline`).split('\0');
  if (!/(^|\/)postgres$/.test(program)) return false;
  // A postmaster works inside its cluster. Root without CAP_SYS_PTRACE (containers) may not look, and goes by what we started it with.
  const folder = realPath(`/proc/${pid}/cwd`) ?? realPath(args[args.indexOf('-D') + 1] ?? '');
  return folder !== undefined && folder === realPath(data);
}

/** Backends at work inside the cluster in `data`; none are found where /proc is missing. */
export function backendsOf(data: string): number[] {
  const folder = realPath(data);
  const pids = existsSync('/proc/self/stat') ? readdirSync('/proc').map(Number).filter(Number.isInteger) : [];
  return pids.filter((pid) => readOrEmpty(`/proc/${pid}/cmdline`).startsWith('postgres: ') && realPath(`/proc/${pid}/cwd`) === folder);
}

/** /proc/<pid>/stat: the name in brackets may hold spaces and brackets, so fields are counted after its last one. */
function readStat(pid: number): { state: string; started: string } | undefined {
  const text = readOrEmpty(`/proc/${pid}/stat`);
  const [state, ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const started = rest[18];
  return state && started ? { state, started } : undefined;
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}
