import { randomUUID } from 'node:crypto';
import { appendFile, cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import supertest, { type Agent } from 'supertest';
import { type AuditEventView } from '../src/audit/log/audit-event.dto.js';
import { Finishing } from '../src/audit/reads/finishing.js';
import { ReadBuffer } from '../src/audit/reads/read-buffer.js';
import { Verifier } from '../src/audit/verification/verifier.js';
import { AppConfig } from '../src/config/app-config.js';
import { eventsOf } from './support/audit-events.js';
import { startProcess, type TestProcess } from './support/child-process.js';
import { eventually } from './support/eventually.js';
import { allSealed } from './support/sealed-log.js';
import { createUser, signIn, type TestUser, withToken } from './support/sign-in.js';
import { startProxy, type TcpProxy } from './support/tcp-proxy.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { createTestDatabase, type TestDatabase } from './support/test-database.js';

const BATCHED = JSON.stringify({ 'audit.reads.network': 'batched' });

const spoolOf = (varDirectory: string): string => path.join(varDirectory, 'spool', 'reads');
/** The segments below a folder, by their path from there. */
const segmentsIn = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { recursive: true }).catch(() => [])).filter((name) => name.endsWith('.log'));
/** The trail cannot be written, everything else goes on. */
const closeTrail = (t: TestApp): Promise<unknown> => t.sql('REVOKE INSERT ON audit_inbox FROM cadastre_app');
const openTrail = (t: TestApp): Promise<unknown> => t.sql('GRANT INSERT ON audit_inbox TO cadastre_app');
const readsOf = (t: TestApp, actor: string): Promise<AuditEventView[]> => eventsOf(t, `category = 'reads' AND actor_id = $1`, actor);

describe('reads while the trail cannot be written', () => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let t: TestApp;
  let user: TestUser;
  let admin: Agent;
  let spool: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    proxy = await startProxy(database.url);
    t = await startTestApp({ DATABASE_URL: proxy.url, CADASTRE_PINNED_SETTINGS: BATCHED }, database);
    user = await createUser(t, { roles: ['superuser'] });
    admin = withToken(t, (await signIn(t, user)).accessToken);
    spool = spoolOf(t.app.get(AppConfig).varDirectory);
  });

  afterAll(async () => {
    proxy.restore();
    await t.close();
    await proxy.close();
    await database.drop();
  });

  const metric = async (name: string): Promise<number> =>
    Number(new RegExp(`^${name} (\\S+)$`, 'm').exec((await admin.get('/metrics').expect(200)).text)?.[1]);

  it('A6, A20: are answered from the disk, and are in the trail, late and in order, as soon as it can be written', async () => {
    await closeTrail(t);
    const answered: string[] = [];
    for (let i = 0; i < 30; i++) {
      const id = `spooled-read-${String(i).padStart(2, '0')}`;
      await admin.get(`/api/v1/users/${user.id}`).set('x-request-id', id).expect(200);
      answered.push(id);
    }
    expect(await readsOf(t, user.id)).toEqual([]);
    expect(await metric('audit_reads_spooled_bytes')).toBeGreaterThan(1000);
    await openTrail(t);
    const events = await eventually(async () => {
      const found = await readsOf(t, user.id);
      return found.length === 30 && found;
    });
    expect(events.map(({ correlationId }) => correlationId)).toEqual(answered);
    // One for each segment: a new one is begun whenever it was tried in vain to bring the last one in.
    const late = await eventsOf(t, `action = 'audit.reads_late'`);
    for (const event of late) expect(event).toMatchObject({ category: 'meta', detail: { writer: expect.any(String) as string } });
    expect(late.reduce((sum, { detail }) => sum + (detail as { count: number }).count, 0)).toBe(30);
    for (const { at, late } of events) expect(Date.parse(late?.spooledAt ?? '')).toBeGreaterThanOrEqual(Date.parse(at));
    await eventually(async () => (await segmentsIn(spool)).length === 0);
    await admin.get(`/api/v1/users/${user.id}`).set('x-request-id', 'in-time-again').expect(200);
    expect((await eventsOf(t, `correlation_id = 'in-time-again'`))[0]).not.toHaveProperty('late');
  });

  it('A6, A20: those of a batch whose connection breaks off are neither lost nor doubled', async () => {
    const before = (await readsOf(t, user.id)).length;
    const holder = new Client(database.adminUrl);
    await holder.connect();
    await holder.query('BEGIN; LOCK TABLE audit_inbox IN EXCLUSIVE MODE');
    for (let i = 0; i < 20; i++) await admin.get('/api/v1/ipam/vrfs').expect(200);
    await eventually(
      async () => (await holder.query(`SELECT FROM pg_locks l WHERE NOT l.granted AND l.relation = 'audit_inbox'::regclass`)).rowCount! > 0,
    );
    proxy.cut();
    await eventually(async () => (await segmentsIn(spool)).length > 0);
    await holder.end();
    proxy.restore();
    await eventually(async () => (await readsOf(t, user.id)).length >= before + 20);
    await eventually(async () => (await segmentsIn(spool)).length === 0);
    const ids = (await readsOf(t, user.id)).map(({ id }) => id);
    expect(ids).toHaveLength(before + 20);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('A4, A20: what came late is sealed and verified like all else', async () => {
    await allSealed(t);
    expect(await t.app.get(Verifier).verify()).toMatchObject({ result: 'sound', findings: [] });
  });
});

describe('reads when the spool is full too', () => {
  let t: TestApp;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false', CADASTRE_AUDIT_SPOOL_LIMIT: '0', CADASTRE_PINNED_SETTINGS: BATCHED });
  });

  afterAll(() => t.close());

  it('A6: are refused where they must be recorded, and otherwise answered, counted, and said to be lost in one event', async () => {
    const admin = withToken(t, (await signIn(t, await createUser(t, { roles: ['superuser'] }))).accessToken);
    await closeTrail(t);
    const refused = await admin.get('/api/v1/users').expect(503);
    expect(refused.body).toMatchObject({ code: 'audit_unavailable' });
    expect(refused.headers['retry-after']).toMatch(/^\d+$/);
    for (let i = 0; i < 7; i++) await admin.get('/api/v1/ipam/vrfs').expect(200);
    await eventually(async () => /^audit_reads_lost 7$/m.test((await admin.get('/metrics')).text));
    await openTrail(t);
    const events = await eventually(async () => {
      const found = await eventsOf(t, `action = 'audit.reads_lost'`);
      return found.length > 0 && found;
    });
    expect(events).toMatchObject([{ category: 'meta', outcome: 'failure', detail: { count: 7, writer: expect.any(String) as string } }]);
    const { from, to } = events[0]!.detail as { from: string; to: string };
    expect(Date.parse(from)).toBeLessThanOrEqual(Date.parse(to));
    await admin.get('/api/v1/users').expect(200);
  });

  it('A6, A20: are refused or counted likewise when their events cannot even be made', async () => {
    const admin = withToken(t, (await signIn(t, await createUser(t, { roles: ['superuser'] }))).accessToken);
    const finishing = t.app.get(Finishing);
    const packed = finishing.packed.bind(finishing);
    finishing.packed = () => Promise.reject(new Error('no memory is left'));
    expect((await admin.get('/api/v1/users').expect(503)).body).toMatchObject({ code: 'audit_unavailable' });
    await admin.get('/api/v1/ipam/vrfs').expect(200);
    await eventually(() => t.app.get(ReadBuffer).state.lost === 8);
    finishing.packed = packed;
    await admin.get('/api/v1/users').expect(200);
    await eventually(async () => (await eventsOf(t, `action = 'audit.reads_lost'`)).length === 2);
  });
});

describe('the spool of a process that was killed', () => {
  const processes: TestProcess[] = [];
  const apps: TestApp[] = [];
  let t: TestApp;
  let folder: string;
  let variables: Record<string, string>;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'cadastre-spool-'));
    variables = { CADASTRE_VAR_DIR: folder, CADASTRE_JOBS: 'false', CADASTRE_PINNED_SETTINGS: BATCHED };
    t = await startTestApp(variables);
  });

  afterAll(async () => {
    for (const { child } of processes) child.kill('SIGKILL');
    await Promise.all(processes.map(({ ended }) => ended));
    for (const app of apps) await app.close();
    await t.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('A20: is brought into the trail by the next ones, each event once, a torn record counted, and again none twice', async () => {
    const server = await startProcess('dist/src/main.js', t.database, { ...variables, CADASTRE_LOG_FORMAT: 'json' });
    processes.push(server);
    const url = await eventually(() => /"url":"(http:[^"]+)"/.exec(server.output())?.[1], 60_000);
    const user = await createUser(t, { roles: ['superuser'] });
    const { accessToken } = await signIn({ ...t, url, anonymous: supertest.agent(url) }, user);
    const admin = withToken({ ...t, url }, accessToken);
    await closeTrail(t);
    for (let i = 0; i < 25; i++) await admin.get(`/api/v1/users/${user.id}`).expect(200);
    const segments = await segmentsIn(spoolOf(folder));
    expect(segments.length).toBeGreaterThan(0);
    server.child.kill('SIGKILL');
    await server.ended;
    expect(await readsOf(t, user.id)).toEqual([]);

    const kept = await mkdtemp(path.join(tmpdir(), 'cadastre-kept-'));
    await cp(spoolOf(folder), kept, { recursive: true });
    // As if it had died over one more.
    await appendFile(path.join(spoolOf(folder), segments.at(-1)!), Buffer.from([0, 0, 1, 0, 1, 2, 3, 4, 5]));
    await openTrail(t);
    apps.push(...(await Promise.all([startTestApp(variables, t.database), startTestApp(variables, t.database)])));
    await eventually(async () => (await segmentsIn(spoolOf(folder))).length === 0);
    expect(await readsOf(t, user.id)).toHaveLength(25);
    expect(await eventsOf(t, `action = 'audit.reads_lost'`)).toMatchObject([
      { detail: { count: 1, segment: path.basename(segments.at(-1)!) } },
    ]);

    // Died between the commit and the removal of its segments: they lie there as they were, of a process that is no more.
    const writer = segments[0]!.split(path.sep)[0]!;
    await mkdir(path.join(spoolOf(folder)), { recursive: true });
    await cp(path.join(kept, writer), path.join(spoolOf(folder), writer), { recursive: true });
    apps.push(...(await Promise.all([startTestApp(variables, t.database), startTestApp(variables, t.database)])));
    await eventually(async () => (await segmentsIn(spoolOf(folder))).length === 0);
    expect(await readsOf(t, user.id)).toHaveLength(25);
    // One event a segment; a new one is begun whenever the last is looked at.
    const late = await eventsOf(t, `action = 'audit.reads_late'`);
    expect(late).toHaveLength(segments.length);
    expect(late.map(({ detail }) => (detail as { count: number }).count).reduce((sum, count) => sum + count)).toBe(25);
    await rm(kept, { recursive: true, force: true });
  });

  it('A20: a folder whose process lives is left alone', async () => {
    const living = path.join(spoolOf(folder), randomUUID());
    await mkdir(living, { recursive: true });
    await writeFile(path.join(living, 'owner'), `${process.pid}\n\n${hostname()}\n`);
    await writeFile(path.join(living, '000001.log'), 'in the middle of a write');
    apps.push(await startTestApp(variables, t.database));
    expect(await segmentsIn(living)).toEqual(['000001.log']);
  });
});
