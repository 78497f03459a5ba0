import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { eventually } from './eventually.js';
import { freePort, programPath } from './programs.js';

const run = promisify(execFile);
const STARTS_WITHIN_MS = 60_000;

/** Below it, buckets are hosts. */
export const S3_DOMAIN = 's3.cadastre.test';
export const CEPH_PROGRAMS = ['ceph', 'ceph-mon', 'ceph-osd', 'monmaptool', 'radosgw', 'radosgw-admin'];

/** A real S3 store of the test's own: one Ceph node that keeps everything in memory. */
export interface Ceph {
  endpoint: string;
  accessKeyId: string;
  secretAccessKey: string;
  close(): Promise<void>;
}

export async function startCeph(): Promise<Ceph> {
  const folder = await mkdtemp(path.join(tmpdir(), 'cadastre-ceph-'));
  for (const name of ['mon', 'osd0', 'run', 'log']) await mkdir(path.join(folder, name));
  const [monitor, storage, web] = [await freePort(), await freePort(), await freePort()];
  const [fsid, osd] = [randomUUID(), randomUUID()];
  const at = `v1:127.0.0.1:${monitor}`;
  const file = path.join(folder, 'ceph.conf');
  await writeFile(file, configuration(folder, { fsid, at, storage, web }));
  const accessKeyId = 'CADASTRETEST';
  const secretAccessKey = `secret-${randomUUID()}`;
  const user = process.getuid?.() === 0 ? ['--setuser', 'root', '--setgroup', 'root'] : [];
  const children: ChildProcess[] = [];
  const tool = async (name: string, ...options: string[]): Promise<string> =>
    (await run(programPath(name) ?? name, options, { timeout: STARTS_WITHIN_MS })).stdout;
  const serve = (name: string, ...options: string[]): void => {
    children.push(spawn(programPath(name) ?? name, ['-c', file, '-f', ...options, ...user], { stdio: 'ignore' }));
  };
  const close = async (): Promise<void> => {
    for (const child of children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await tool('monmaptool', '--create', '--addv', 'a', `[${at}]`, '--fsid', fsid, path.join(folder, 'monmap'));
    await tool('ceph-mon', '-c', file, '--mkfs', '-i', 'a', '--monmap', path.join(folder, 'monmap'), ...user);
    serve('ceph-mon', '-i', 'a');
    await tool('ceph', '-c', file, '--connect-timeout', '30', 'osd', 'new', osd);
    await tool('ceph-osd', '-c', file, '-i', '0', '--mkfs', '--osd-uuid', osd, ...user);
    await tool('ceph', '-c', file, 'osd', 'crush', 'add', 'osd.0', '1.0', 'root=default');
    serve('ceph-osd', '-i', '0');
    await eventually(async () => (await tool('ceph', '-c', file, 'osd', 'stat')).includes('1 up'), STARTS_WITHIN_MS);
    serve('radosgw', '-n', 'client.rgw');
    const endpoint = `http://127.0.0.1:${web}`;
    await eventually(async () => (await fetch(endpoint)).ok, STARTS_WITHIN_MS);
    await tool(
      'radosgw-admin',
      ...['-c', file, '-n', 'client.rgw', 'user', 'create', '--uid=test', '--display-name=test'],
      `--access-key=${accessKeyId}`,
      `--secret-key=${secretAccessKey}`,
    );
    return { endpoint, accessKeyId, secretAccessKey, close };
  } catch (error) {
    const ends = await Promise.all(['mon.a', 'osd.0', 'client.rgw'].map((name) => endOf(path.join(folder, 'log', `${name}.log`))));
    await close();
    throw new Error(`Ceph did not start:\n${ends.join('\n')}`, { cause: error });
  }
}

async function endOf(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => 'no log');
  return [file, ...text.split('\n').slice(-8)].join('\n');
}

function configuration(folder: string, { fsid, at, storage, web }: { fsid: string; at: string; storage: number; web: number }): string {
  return [
    '[global]',
    `fsid = ${fsid}`,
    `mon host = ${at}`,
    'public addr = 127.0.0.1',
    ...['cluster', 'service', 'client'].map((part) => `auth ${part} required = none`),
    `run dir = ${folder}/run`,
    `admin socket = ${folder}/run/$name.$pid.asok`,
    `log file = ${folder}/log/$name.log`,
    'osd pool default size = 1',
    'osd pool default min size = 1',
    'osd pool default pg num = 8',
    'osd pool default pg autoscale mode = off',
    'osd crush chooseleaf type = 0',
    'mon allow pool size one = true',
    'mon max pg per osd = 1000',
    // It asks for these before it knows the cluster, at times, and is refused.
    'osd class update on start = false',
    'osd crush update on start = false',
    'osd objectstore = memstore',
    'memstore device bytes = 4294967296',
    `mon data = ${folder}/mon`,
    `osd data = ${folder}/osd$id`,
    'ms bind msgr2 = false',
    `ms bind port min = ${storage}`,
    `ms bind port max = ${storage + 20}`,
    '[client.rgw]',
    `rgw dns name = ${S3_DOMAIN}`,
    `rgw frontends = beast endpoint=127.0.0.1:${web}`,
    '',
  ].join('\n');
}
