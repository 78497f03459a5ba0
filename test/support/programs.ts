import { accessSync, constants } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';

/** Where a program is, looking also where only root looks; undefined when it is not installed. */
export function programPath(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => path.join(folder, name)).find(isExecutable);
}

/** `describe` where all of these programs are; otherwise a loud skip. */
export function describeWith(...programs: string[]): typeof describe.skip {
  const missing = programs.filter((name) => programPath(name) === undefined);
  if (missing.length === 0) return describe;
  console.warn(`\n*** SKIPPED: ${missing.join(', ')} not installed on this machine ***\n`);
  return describe.skip;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A server that listens on TCP has an address and a port.
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
