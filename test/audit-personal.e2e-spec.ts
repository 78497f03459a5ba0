import { randomUUID } from 'node:crypto';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { type Agent } from 'supertest';
import { type AuditEventPage, type AuditEventView } from '../src/audit/log/audit-event.dto.js';
import { type EvidenceView } from '../src/audit/evidence/evidence.dto.js';
import { type SubjectView } from '../src/audit/personal/erasure.dto.js';
import { ErasureJob } from '../src/audit/personal/erasure.job.js';
import { Erasure } from '../src/audit/personal/erasure.service.js';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { Verifier } from '../src/audit/verification/verifier.js';
import { UnitOfWork } from '../src/platform/database/unit-of-work.js';
import { eventsOf, holdFiling } from './support/audit-events.js';
import { eventually } from './support/eventually.js';
import { runCadastre } from './support/run-cadastre.js';
import { allSealed, asAttacker, sharedKeys } from './support/sealed-log.js';
import { mmdb } from './support/mmdb.js';
import { asRole, createUser, signIn, type TestUser, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { createTestDatabase, type TestDatabase } from './support/test-database.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const AUDIT = '/api/v1/audit';
const ADDRESS = '2a02:d500:dead:beef::4711';
const REASON = { reason: 'Left, and asked for it.' };

describe('what the trail says of a person', () => {
  const keys = sharedKeys();
  let variables: Record<string, string>;
  let database: TestDatabase;
  let folder: string;
  let anchors: string;
  let t: TestApp;
  /** Another instance of the same installation. */
  let other: TestApp;
  let auditor: Agent;
  let admin: Agent;
  let adminUser: TestUser;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'cadastre-personal-'));
    anchors = path.join(folder, 'anchors');
    database = await createTestDatabase();
    variables = {
      ...keys,
      CADASTRE_AUDIT_ANCHOR_DIR: anchors,
      CADASTRE_TRUSTED_PROXIES: '127.0.0.1,::1,::ffff:127.0.0.1',
      CADASTRE_GEOIP_FILE: path.join(folder, 'countries.mmdb'),
    };
    await writeFile(variables.CADASTRE_GEOIP_FILE!, mmdb({ '2a02:d500::/32': 'DE', '127.0.0.0/8': 'XX' }));
    t = await startTestApp(variables, database);
    other = await startTestApp({ ...variables, CADASTRE_JOBS: 'false' }, database);
    auditor = await asRole(t, 'auditor');
    adminUser = await createUser(t, { roles: ['superuser'] });
    admin = withToken(t, (await signIn(t, adminUser)).accessToken);
  });

  afterAll(async () => {
    await other.close();
    await t.close();
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Somebody with a name, a mail address, a network address and a browser that nobody else has, and what they left in the trail. */
  async function somebody(name: string): Promise<TestUser & { agent: Agent; planted: string[] }> {
    const mail = `${name}@planted.example`;
    const made = await admin
      .post('/api/v1/users')
      .send({ username: name, email: mail, displayName: `Display of ${name}`, password: 'a first word to be changed', roles: ['operator'] })
      .expect(201);
    const { id } = made.body as { id: string };
    await t.sql(
      `UPDATE users SET must_change_password = false, password_hash = (SELECT password_hash FROM users WHERE id = $2) WHERE id = $1`,
      [id, adminUser.id],
    );
    const from = { 'x-forwarded-for': ADDRESS, 'user-agent': `Browser of ${name}` };
    const user = { id, username: name, password: adminUser.password };
    const login = await t.anonymous.post('/api/v1/auth/login').set(from).send({ username: name, password: user.password }).expect(200);
    const agent = withToken(t, (login.body as { accessToken: string }).accessToken).set(from);
    await agent.get(`${AUDIT}/events`).expect(403);
    await t.anonymous.post('/api/v1/auth/login').set(from).send({ username: name, password: 'not the password' }).expect(401);
    await allSealed(t);
    return { ...user, agent, planted: [name, mail, `Display of ${name}`, ADDRESS, `Browser of ${name}`] };
  }

  const close = async (user: TestUser): Promise<void> => {
    await admin.post(`/api/v1/users/${user.id}/anonymise`).expect(({ status }) => {
      if (status >= 300) throw new Error(`The account was not anonymised: ${status}`);
    });
  };

  async function erased(user: TestUser): Promise<SubjectView> {
    await close(user);
    const answer = await admin.post(`${AUDIT}/subjects/${user.id}/erasure`).send(REASON).expect(202);
    await eventually(async () => (await state(user)).logs.every(({ findable }) => findable === 0), 20_000);
    return answer.body as SubjectView;
  }

  const state = async (user: { id: string }): Promise<SubjectView> =>
    (await admin.get(`${AUDIT}/subjects/${user.id}`).expect(200)).body as SubjectView;

  /** Without what somebody searched for, which is in the trail as well. */
  const search = async (query: Partial<Record<string, string>>): Promise<AuditEventView[]> => {
    const answer = await auditor
      .get(`${AUDIT}/events`)
      .query({ limit: 1000, ...query })
      .expect(200);
    return (answer.body as AuditEventPage).items.filter(({ action }) => action !== 'audit.read');
  };

  const payloads = async (): Promise<string> => {
    const rows = await t.sql<{ payload: string }>(
      `SELECT payload FROM audit_log WHERE action NOT IN ('audit.read') UNION ALL SELECT payload FROM audit_inbox`,
    );
    return rows.map(({ payload }) => payload).join('\n');
  };

  const verdict = async (): Promise<{ result: string; codes: string[] }> => {
    const { result, findings } = await t.app.get(Verifier).verify({ anchors });
    return { result, codes: [...new Set(findings.map(({ code }) => code))] };
  };

  /** What a verification says after these changes, which are taken back again. */
  async function after(...changes: string[]): Promise<{ result: string; codes: string[] }> {
    const client = new Client(database.adminUrl);
    await client.connect();
    try {
      await client.query(`BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL TimeZone = 'UTC'`);
      for (const change of changes) await client.query(change);
      const { result, findings } = await t.app.get(Verifier).verifyOn(client, { anchors });
      return { result, codes: [...new Set(findings.map(({ code }) => code))] };
    } finally {
      await client.end();
    }
  }

  it('A8: is in no payload in the clear, and is found and read all the same', async () => {
    const user = await somebody('gunhild');
    const text = await payloads();
    for (const planted of user.planted) expect([planted, text.includes(planted)]).toEqual([planted, false]);
    for (const query of [
      { actorName: 'gunhild' },
      { text: 'gunhild' },
      { clientAddress: ADDRESS },
      { clientAddress: '2a02:d500:dead::/48' },
    ]) {
      const found = await search(query);
      expect(found.map(({ action }) => action)).toEqual(expect.arrayContaining(['login.succeeded', 'request.denied']));
      expect(found.find(({ action }) => action === 'login.succeeded')).toMatchObject({
        actor: { id: user.id, name: 'gunhild' },
        request: { clientIp: ADDRESS, userAgent: 'Browser of gunhild' },
      });
      for (const event of found) expect(event).not.toHaveProperty('erased');
    }
    const [created] = await search({ action: 'user.created', resourceId: user.id });
    expect(created).toMatchObject({ resource: { name: 'gunhild' }, after: { username: 'gunhild', email: 'gunhild@planted.example' } });
    expect(created?.after).toHaveProperty('createdBy', adminUser.username);
    expect(await search({ text: 'gunhild@planted.example', action: 'user.created' })).toHaveLength(0);
    // Somebody without a name at the account of somebody who has one.
    const [failed] = await search({ action: 'login.failed', resourceId: user.id });
    expect(failed).toMatchObject({ actor: { kind: 'anonymous' }, request: { clientIp: ADDRESS }, detail: { reason: 'wrong_password' } });
    const own = (await user.agent.get('/api/v1/me/audit-events').expect(200)).body as AuditEventPage;
    expect(own.items[0]?.actor.name).toBe('gunhild');
    expect(await verdict()).toEqual({ result: 'sound', codes: [] });
  });

  it('A8, A17: the country of a request is shown, and is in no payload in the clear', async () => {
    const user = await somebody('ingrid');
    const events = await search({ actorName: 'ingrid' });
    const [login] = events.filter(({ action }) => action === 'login.succeeded');
    expect(login?.request).toMatchObject({ clientIp: ADDRESS, country: 'DE' });
    const [failed] = await search({ action: 'login.failed', resourceId: user.id });
    expect(failed?.request).toMatchObject({ clientIp: ADDRESS, country: 'DE' });
    const [created] = await search({ action: 'user.created', resourceId: user.id });
    expect(created?.request?.clientIp).toMatch(/127\.0\.0\.1/);
    expect(created?.request).not.toHaveProperty('country');
    expect(await payloads()).not.toContain('"country"');
  });

  it('A17: a file of countries that is none is refused at the start', async () => {
    const file = path.join(folder, 'none.mmdb');
    await writeFile(file, 'no database');
    await expect(startTestApp({ CADASTRE_GEOIP_FILE: file }, database)).rejects.toThrow('CADASTRE_GEOIP_FILE: is no MaxMind DB file');
  });

  it('A8: is found before the event is filed, too', async () => {
    const release = await holdFiling(t);
    try {
      const user = await createUser(t, { username: 'inga-of-the-inbox', roles: ['operator'] });
      await t.anonymous
        .post('/api/v1/auth/login')
        .set('x-forwarded-for', '198.51.100.77')
        .send({ username: user.username, password: user.password })
        .expect(200);
      for (const query of [{ actorName: user.username }, { text: user.username }, { clientAddress: '198.51.100.0/24' }])
        expect(await search(query)).toMatchObject([{ action: 'login.succeeded', filed: false, actor: { name: user.username } }]);
    } finally {
      await release();
    }
  });

  it('T7, GDPR 17: erased, it is found and read by nobody, and every proof holds', async () => {
    const user = await somebody('thorvald');
    const ids = (await search({ actorName: 'thorvald' })).map(({ id }) => id);
    const before = await state(user);
    expect(before).toMatchObject({ active: true, held: false, keys: [{ destroyedAt: null }] });
    expect(before.logs.reduce((sum, { findable }) => sum + findable, 0)).toBeGreaterThanOrEqual(4);
    const pack = (await auditor.post(`${AUDIT}/evidence`).send({ ids }).expect(200)).body as EvidenceView;

    const done = await erased(user);
    expect(done.keys).toMatchObject([{ destroyedBy: adminUser.id, reason: REASON.reason, destroyedAt: expect.any(String) as string }]);
    for (const query of [{ actorName: 'thorvald' }, { text: 'thorvald' }, { text: 'thorvald', action: 'user.created' }])
      expect(await search(query)).toEqual([]);
    expect((await search({ clientAddress: ADDRESS })).filter(({ actor }) => actor.id === user.id)).toEqual([]);
    const events = (await search({ actor: user.id })).filter(({ id }) => ids.includes(id));
    expect(events.length).toBeGreaterThanOrEqual(2);
    for (const event of events) expect(event).toMatchObject({ erased: true, actor: { id: user.id, name: user.id } });
    expect(events.find(({ action }) => action === 'login.succeeded')?.request).toEqual({
      method: 'POST',
      route: expect.any(String) as string,
    });
    const [created] = await search({ action: 'user.created', resourceId: user.id });
    // Who made the account was not erased.
    expect(created).toMatchObject({ erased: true, actor: { name: adminUser.username }, resource: { type: 'user', id: user.id } });
    expect(created).not.toHaveProperty('after');

    const columns = await t.sql<{ row: string }>(
      `SELECT concat_ws(' ', l.names, host(l.client_ip), l.payload) AS row FROM audit_log l WHERE l.action NOT IN ('audit.read')`,
    );
    expect(columns.filter(({ row }) => row.includes('thorvald'))).toEqual([]);

    expect(await verdict()).toEqual({ result: 'sound', codes: [] });
    await allSealed(t);
    const verified = await runCadastre(['audit', 'verify', '--anchors', anchors], {
      ...variables,
      CADASTRE_VAR_DIR: folder,
      DATABASE_URL: database.url,
      DATABASE_DIRECT_URL: database.ownerUrl,
    });
    expect(verified).toMatchObject({ code: 0 });
    const later = (await auditor.post(`${AUDIT}/evidence`).send({ ids }).expect(200)).body as EvidenceView;
    for (const [name, one] of Object.entries({ before: pack, after: later })) {
      const file = path.join(folder, `${name}.json`);
      await writeFile(file, JSON.stringify(one));
      const code = await new Promise<number>((resolve) => {
        const child = execFile(process.execPath, [path.join(root, 'verify-evidence.mjs'), file, '--key', one.keys[0]!.publicKey], () => {
          resolve(child.exitCode ?? -1);
        });
      });
      expect({ name, code }).toEqual({ name, code: 0 });
    }
    const said = await eventsOf(t, `action = 'audit.subject_erased' AND resource_id = $1`, user.id);
    expect(said).toMatchObject([
      {
        category: 'meta',
        severity: 'high',
        actor: { id: adminUser.id },
        resource: { type: 'audit_subject' },
        detail: { reason: REASON.reason, keys: done.keys.map(({ kid }) => kid) },
      },
    ]);
    const report = await auditor.get(`${AUDIT}/reports/data-subject`).query({ user: user.id }).buffer(true).expect(200);
    const lines = report.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Partial<AuditEventView>);
    expect(lines.filter(({ erased: gone }) => gone).length).toBeGreaterThanOrEqual(4);
    expect(lines.map(({ action }) => action)).toContain('audit.subject_erased');
    expect(report.text).not.toContain('thorvald');
    // There is nothing left to destroy.
    await admin.post(`${AUDIT}/subjects/${user.id}/erasure`).send(REASON).expect(404);
  });

  it('T7: another instance neither reads nor writes with a destroyed key after two seconds', async () => {
    const user = await somebody('ragnar');
    const reader = withToken(other, (await signIn(other, await createUser(t, { roles: ['auditor'] }))).accessToken);
    const read = async (): Promise<AuditEventView[]> =>
      ((await reader.get(`${AUDIT}/events`).query({ actor: user.id, action: 'login.succeeded' }).expect(200)).body as AuditEventPage).items;
    expect(await read()).toMatchObject([{ actor: { name: 'ragnar' } }]);
    await close(user);
    await admin.post(`${AUDIT}/subjects/${user.id}/erasure`).send(REASON).expect(202);
    await eventually(async () => (await read())[0]?.erased === true, 2000);
    // What is said of the person from now on has a key of its own.
    await other.app
      .get(AuditTrail)
      .recordAlone({ action: 'test.later', category: 'access', actor: { kind: 'user', id: user.id, name: 'ragnar the later' } });
    expect(await search({ actor: user.id, action: 'test.later' })).toMatchObject([{ actor: { name: 'ragnar the later' } }]);
    expect((await state(user)).keys).toHaveLength(2);
  });

  it('T7: what was written with the key before, and is filed after, can be found by nobody', async () => {
    const user = await createUser(t, { username: 'sigrid-in-flight', active: false });
    const write = (action: string): Promise<void> =>
      t.app.get(AuditTrail).record({ action, category: 'access', actor: { kind: 'user', id: user.id, name: user.username } });
    await t.app.get(UnitOfWork).run(() => write('test.first'));
    let commit = (): void => undefined;
    const open = new Promise<void>((resolve) => (commit = resolve));
    const slow = t.app.get(UnitOfWork).run(async () => {
      await write('test.slow');
      await open;
    });
    await admin.post(`${AUDIT}/subjects/${user.id}/erasure`).send(REASON).expect(202);
    commit();
    await slow;
    await allSealed(t);
    expect(await search({ actor: user.id })).toMatchObject([
      { action: 'test.slow', erased: true, actor: { name: user.id } },
      { action: 'test.first', erased: true },
    ]);
    await eventually(async () => (await t.sql(`SELECT FROM audit_log WHERE names LIKE '%sigrid%'`)).length === 0);
    expect(await verdict()).toEqual({ result: 'sound', codes: [] });
  });

  it('T7: an erasure that died halfway is finished by the next run', async () => {
    const user = await createUser(t, { username: 'halfdan', active: false });
    for (let n = 0; n < 3; n++)
      await t.app.get(UnitOfWork).run(async () => {
        for (let i = 0; i < 900; i++)
          await t.app.get(AuditTrail).record({
            action: 'test.many',
            category: n === 2 ? 'access' : 'ipam',
            actor: { kind: 'user', id: user.id, name: 'halfdan' },
            detail: { i },
          });
      });
    await allSealed(t);
    await t.sql(`CREATE FUNCTION test_die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'killed'; END $$`);
    // The second log cannot be written: the job dies after the first.
    await t.sql(`CREATE TRIGGER zz_die BEFORE UPDATE ON audit_log_ipam FOR EACH ROW EXECUTE FUNCTION test_die()`);
    await admin.post(`${AUDIT}/subjects/${user.id}/erasure`).send(REASON).expect(202);
    const left = async (): Promise<Record<string, number>> =>
      Object.fromEntries((await state(user)).logs.map(({ log, findable }) => [log, findable]));
    await eventually(async () => (await left()).access === 0);
    expect(await left()).toEqual({ access: 0, ipam: 1800 });
    expect((await search({ actor: user.id, action: 'test.many' })).every((event) => event.erased === true)).toBe(true);
    await t.sql('DROP TRIGGER zz_die ON audit_log_ipam');
    const { keys: destroyed } = await state(user);
    const again = { subject: user.id, keys: destroyed.map(({ kid }) => kid) };
    const finished = await t.app.get(Erasure).forget(again);
    expect(await left()).toEqual({ access: 0, ipam: 0 });
    expect([0, 1800]).toContain(finished);
    expect(await t.app.get(Erasure).forget(again)).toBe(0);
    expect(await verdict()).toEqual({ result: 'sound', codes: [] });
  });

  it('T7: an older copy of the database, which has the keys again, loses them again, but for whom a legal hold keeps', async () => {
    const users = [await somebody('yngvar'), await somebody('ulfhild'), await somebody('torfinn')];
    const rows = await t.sql<{ kid: string; subject: string; wrapped: Buffer }>(
      'SELECT kid, subject, wrapped FROM audit_subject_key WHERE subject = ANY ($1) ORDER BY kid',
      [users.map(({ id }) => id)],
    );
    for (const user of users) await erased(user);
    const files = await readdir(path.join(anchors, 'erasures'));
    expect(files).toEqual(expect.arrayContaining(rows.map(({ kid }) => `${kid}.json`)));
    await asAttacker(
      database,
      ...rows.map(
        ({ kid, wrapped }) =>
          `UPDATE audit_subject_key SET wrapped = '\\x${wrapped.toString('hex')}', destroyed_at = NULL WHERE kid = '${kid}'`,
      ),
    );
    // The list is gone through in the order of its files: those behind this one are not to wait for it.
    const held = rows[0]!.subject;
    await t.sql(
      `INSERT INTO audit_legal_hold (name, reason, actor_id, placed_by, placed_by_name) VALUES ('case', 'a case', $1, 'a', 'a')`,
      [held],
    );
    const gone = async (id: string): Promise<boolean> => (await state({ id })).keys.every(({ destroyedAt }) => destroyedAt !== null);
    const restarted = await startTestApp(variables, database);
    try {
      for (const { id } of users.filter((user) => user.id !== held)) await eventually(() => gone(id), 20_000);
      expect(await gone(held)).toBe(false);
      expect(await eventsOf(t, `action = 'audit.erasure_held' AND resource_id = $1`, held)).not.toHaveLength(0);
      await t.sql(
        `UPDATE audit_legal_hold SET released_at = now(), released_by = 'b', released_by_name = 'b', release_reason = 'over' WHERE actor_id = $1`,
        [held],
      );
      await restarted.app.get(ErasureJob).tick();
      await eventually(() => gone(held), 20_000);
    } finally {
      await restarted.close();
    }
    expect((await search({ actor: held, action: 'login.succeeded' }))[0]).toMatchObject({ erased: true });
  });

  it('A4: columns that were edited, emptied or filled by a superuser are found, and so is a key that was destroyed or taken away', async () => {
    const user = await somebody('astrid');
    const [row] = await t.sql<{ class: number; seq: string; kid: string }>(
      `SELECT l.class, l.seq, l.payload::jsonb #>> '{personal,0,key}' AS kid FROM audit_log l WHERE l.action = 'login.succeeded' AND l.actor_id = $1`,
      [user.id],
    );
    const where = `WHERE class = ${row!.class} AND seq = ${row!.seq}`;
    const altered = { result: 'tampered', codes: ['column_altered'] };
    expect(await after()).toEqual({ result: 'sound', codes: [] });
    expect(await after(`UPDATE audit_log SET names = NULL, salt = NULL, client_ip = NULL ${where}`)).toEqual(altered);
    expect(await after(`UPDATE audit_log SET names = replace(names, 'astrid', 'ingrid') ${where}`)).toEqual(altered);
    expect(await after(`UPDATE audit_log SET client_ip = '192.0.2.1' ${where}`)).toEqual(altered);
    expect(await after(`UPDATE audit_log SET salt = sha256('x') ${where}`)).toEqual(altered);
    expect(await after(`UPDATE audit_log SET names = '{"actor":"astrid"}' WHERE class = 0 AND seq = 0`)).toEqual(altered);
    expect(await after(`UPDATE audit_subject_key SET wrapped = NULL, destroyed_at = now() WHERE kid = '${row!.kid}'`)).toEqual({
      result: 'tampered',
      codes: ['key_destroyed'],
    });
    expect(await after(`DELETE FROM audit_subject_key WHERE kid = '${row!.kid}'`)).toEqual({ result: 'tampered', codes: ['key_missing'] });
    // Even the application cannot empty what no erasure allows.
    const app = new Client(database.url);
    await app.connect();
    try {
      await expect(app.query('UPDATE audit_log SET names = NULL')).rejects.toMatchObject({ code: '42501' });
      await expect(app.query('UPDATE audit_subject_key SET wrapped = NULL')).rejects.toMatchObject({ code: '42501' });
      const { rows } = await app.query(
        `SELECT audit_forget_names(ARRAY['${row!.kid}']::uuid[], p.class, p.period, 10) AS n FROM audit_period p`,
      );
      expect(rows.every(({ n }: { n: number }) => n === 0)).toBe(true);
    } finally {
      await app.end();
    }
    await expect(t.sql('UPDATE audit_log SET names = NULL, salt = NULL, client_ip = NULL')).rejects.toMatchObject({ code: '42501' });
    await expect(t.sql('DELETE FROM audit_subject_key')).rejects.toMatchObject({ code: '42501' });
  });

  it('T6, GDPR 17(3): refused while the account is in use and under a legal hold, with the ground in the trail', async () => {
    const user = await somebody('sverre');
    const refuse = async (code: string): Promise<void> => {
      const answer = await admin
        .post(`${AUDIT}/subjects/${user.id}/erasure`)
        .set('x-request-id', `refused-${code}`)
        .send(REASON)
        .expect(409);
      expect(answer.body).toMatchObject({ code });
      expect(await eventsOf(t, 'correlation_id = $1', `refused-${code}`)).toMatchObject([
        { action: 'request.failed', detail: { code, reason: expect.stringContaining(user.id) as string } },
      ]);
    };
    await refuse('subject_active');
    await close(user);
    const [held] = await t.sql<{ source: string }>(`SELECT pg_get_functiondef('audit_subject_held(text)'::regprocedure) AS source`);
    await t.sql(
      `CREATE OR REPLACE FUNCTION audit_subject_held(subject text) RETURNS boolean LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$ SELECT true $$`,
    );
    try {
      await refuse('subject_held');
      expect(await state(user)).toMatchObject({ held: true, active: false });
      expect((await eventsOf(t, 'correlation_id = $1', 'refused-subject_held'))[0]?.detail).toMatchObject({
        reason: expect.stringContaining('17(3)') as string,
      });
    } finally {
      await t.sql(held!.source);
    }
    expect((await state(user)).keys).toMatchObject([{ destroyedAt: null }]);
    await admin.post(`${AUDIT}/subjects/${crypto.randomUUID()}/erasure`).send(REASON).expect(404);
  });

  it('A12: auditors may not erase, nor may anybody without the right, and looking is an event', async () => {
    const user = await somebody('torbjorn');
    await admin.get(`${AUDIT}/subjects/${randomUUID()}`).expect(404);
    for (const role of ['auditor', 'operator', 'approver']) {
      const agent = await asRole(t, role);
      await agent.get(`${AUDIT}/subjects/${user.id}`).expect(403);
      await agent.post(`${AUDIT}/subjects/${user.id}/erasure`).send(REASON).expect(403);
    }
    await admin.get(`${AUDIT}/subjects/${user.id}`).set('x-request-id', 'looking-at-somebody').expect(200);
    expect(await eventsOf(t, 'correlation_id = $1', 'looking-at-somebody')).toMatchObject([
      { action: 'audit.read', resource: { type: 'audit_subject', id: user.id }, detail: { question: 'subject' } },
    ]);
  });
});
