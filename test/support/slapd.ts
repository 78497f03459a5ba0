import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { selfSigned } from './certificate.js';
import { eventually } from './eventually.js';
import { freePort, programPath } from './programs.js';

const ROOT_PASSWORD = 'the root of the tree';

/** A real OpenLDAP server of the test's own, with an empty tree below dc=example,dc=net. */
export interface Slapd {
  url: string;
  ldapsUrl: string;
  base: string;
  rootDn: string;
  rootPassword: string;
  /** Signs itself; for localhost and 127.0.0.1. */
  certificate: string;
  /** Runs ldapadd or ldapmodify over LDIF; throws what it complains about. */
  load(tool: 'ldapadd' | 'ldapmodify', ldif: string): Promise<void>;
  /** It can be started again, with the same tree. */
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

export async function startSlapd(): Promise<Slapd> {
  const folder = await mkdtemp(path.join(tmpdir(), 'cadastre-slapd-'));
  const file = (name: string): string => path.join(folder, name);
  const { key, certificate } = selfSigned('localhost', ['127.0.0.1']);
  const base = 'dc=example,dc=net';
  const rootDn = `cn=root,${base}`;
  await mkdir(file('data'));
  await writeFile(file('key.pem'), key);
  await writeFile(file('certificate.pem'), certificate);
  await writeFile(file('slapd.conf'), configuration(folder, base, rootDn));
  const [port, tlsPort] = [await freePort(), await freePort()];
  const url = `ldap://localhost:${port}`;
  const ldapsUrl = `ldaps://localhost:${tlsPort}`;
  let server: ReturnType<typeof spawn> | undefined;
  const start = async (): Promise<void> => {
    const urls = `ldap://127.0.0.1:${port} ldaps://127.0.0.1:${tlsPort}`;
    // In the foreground, so that it ends with its process and leaves no pid file to be believed.
    server = spawn(programPath('slapd') ?? 'slapd', ['-f', file('slapd.conf'), '-h', urls, '-d', '0'], { stdio: 'ignore' });
    await eventually(() => isListening(port));
  };
  const stop = async (): Promise<void> => {
    if (server?.exitCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    await ended;
  };
  await start();
  const load: Slapd['load'] = (tool, ldif) => run(tool, ['-x', '-H', `ldap://127.0.0.1:${port}`, '-D', rootDn, '-w', ROOT_PASSWORD], ldif);
  await load('ldapadd', `dn: ${base}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n`);
  return {
    url: url.replace('localhost', '127.0.0.1'),
    ldapsUrl,
    base,
    rootDn,
    rootPassword: ROOT_PASSWORD,
    certificate,
    load,
    start,
    stop,
    close: async () => {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The memberof overlay keeps memberOf only for what is added over the wire, and only when it comes after its database. */
function configuration(folder: string, base: string, rootDn: string): string {
  const schemas = ['core', 'cosine', 'inetorgperson', 'nis'].map((name) => `include /etc/ldap/schema/${name}.schema`);
  return [
    ...schemas,
    'modulepath /usr/lib/ldap',
    'moduleload back_mdb',
    'moduleload memberof',
    `TLSCertificateFile ${folder}/certificate.pem`,
    `TLSCertificateKeyFile ${folder}/key.pem`,
    // What Active Directory does out of the box: a bind with a name and no password succeeds, as nobody.
    'allow bind_anon_cred bind_anon_dn',
    'database mdb',
    `suffix "${base}"`,
    `rootdn "${rootDn}"`,
    `rootpw "${ROOT_PASSWORD}"`,
    `directory ${folder}/data`,
    'maxsize 10485760',
    'overlay memberof',
    '',
  ].join('\n');
}

async function run(tool: string, options: string[], input: string): Promise<void> {
  const child = spawn(programPath(tool) ?? tool, options, { stdio: ['pipe', 'ignore', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`${tool} ended with ${code}: ${complaint}`);
}

function isListening(port: number): Promise<boolean> {
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
