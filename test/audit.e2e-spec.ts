import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { Client } from 'pg';
import supertest, { type Agent, type Response } from 'supertest';
import { Detector } from '../src/audit/detection/detector.js';
import { type AuditEventView } from '../src/audit/log/audit-event.dto.js';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { canonicalJson, toJson } from '../src/kernel/canonical-json.js';
import { runInContext } from '../src/platform/context/request-context.js';
import { UnitOfWork } from '../src/platform/database/unit-of-work.js';
import { allFiled, eventsOf, holdFiling } from './support/audit-events.js';
import { startProcess } from './support/child-process.js';
import { eventually } from './support/eventually.js';
import { sharedKeys } from './support/sealed-log.js';
import { asRole, createUser, PASSWORD, signIn, type TestUser, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const EVENTS = '/api/v1/audit/events';
const keys = sharedKeys();

/** Every row of every table of the trail with all its columns; bytes are in hex. */
async function everythingKept(t: TestApp): Promise<string[]> {
  const tables = await t.sql<{ name: string }>(
    `SELECT c.oid::regclass::text AS name FROM pg_class c
      WHERE c.relname LIKE 'audit\\_%' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace IN ('public'::regnamespace, 'audit_trash'::regnamespace)`,
  );
  expect(tables.map(({ name }) => name)).toEqual(expect.arrayContaining(['audit_inbox', 'audit_log', 'audit_alerts', 'audit_subject_key']));
  const rows: string[] = [];
  for (const { name } of tables)
    rows.push(...(await t.sql<{ row: string }>(`SELECT x::text AS row FROM ${name} x`)).map(({ row }) => row.replaceAll('""', '"')));
  return rows;
}

/** An answer as it came. */
function asText(answer: Response, done: (error: Error | null, body: string) => void): void {
  // Superagent gives the parser Node's own message.
  void text(answer as unknown as NodeJS.ReadableStream).then((body) => {
    done(null, body);
  });
}

describe('the audit trail', () => {
  let t: TestApp;
  let work: UnitOfWork;
  let trail: AuditTrail;
  let admin: Agent;

  beforeAll(async () => {
    t = await startTestApp({ ...keys, CADASTRE_TRUSTED_PROXIES: '127.0.0.1' });
    work = t.app.get(UnitOfWork);
    trail = t.app.get(AuditTrail);
    admin = await asRole(t, 'admin');
  });

  afterAll(() => t.close());

  it('A1: an event says who did what to what, from where, in which request, and what became of it', async () => {
    const created = await admin
      .post('/api/v1/users')
      .set('x-request-id', 'making-a-user')
      .set('user-agent', 'a browser')
      .send({ username: 'ada', password: 'a first word to be changed', roles: ['viewer'] })
      .expect(201);
    const { id } = created.body as { id: string };
    const [event, ...more] = await eventsOf(t, 'correlation_id = $1', 'making-a-user');
    expect(more).toEqual([]);
    expect(event).toMatchObject({
      action: 'user.created',
      category: 'governance',
      severity: expect.any(String) as string,
      outcome: 'success',
      actor: {
        kind: 'user',
        id: expect.any(String) as string,
        name: expect.stringMatching(/^admin-/) as string,
        sessionId: expect.any(String) as string,
      },
      resource: { type: 'user', id },
      request: { method: 'POST', route: '/api/v1/users', clientIp: '127.0.0.1', peerIp: '127.0.0.1', userAgent: 'a browser' },
      correlationId: 'making-a-user',
      after: { username: 'ada' },
    });
  });

  it('A2, ASVS 2.3.3: a rolled-back change leaves no event', async () => {
    const attempt = work.run(async () => {
      await trail.record({ action: 'test.undone', category: 'meta' });
      throw new Error('undo');
    });
    await expect(attempt).rejects.toThrow('undo');
    expect(await eventsOf(t, `action = 'test.undone'`)).toEqual([]);
    await expect(trail.record({ action: 'test.alone', category: 'meta' })).rejects.toThrow('No unit of work is open');
  });

  it('A2, ASVS 16.5.3: a change whose event cannot be written is refused', async () => {
    const user = { username: 'unseen', password: 'a first word to be changed', roles: ['viewer'] };
    await t.sql('ALTER TABLE audit_inbox RENAME TO audit_inbox_away');
    try {
      expect((await admin.post('/api/v1/users').send(user)).status).toBeGreaterThanOrEqual(500);
    } finally {
      await t.sql('ALTER TABLE audit_inbox_away RENAME TO audit_inbox');
    }
    expect(await t.sql(`SELECT FROM users WHERE username = 'unseen'`)).toHaveLength(0);
    await admin.post('/api/v1/users').send(user).expect(201);
  });

  it('A3: the database refuses to change or empty the trail, to the application and to a superuser, on parents and partitions', async () => {
    for (const category of ['meta', 'access', 'ipam', 'governance'] as const) await trail.recordAlone({ action: 'test.kept', category });
    await allFiled(t);
    const leaves = await t.sql<{ name: string; rows: number }>(`
      SELECT relid::text AS name, (xpath('/row/n/text()', query_to_xml('SELECT count(*) AS n FROM ' || relid, false, true, '')))[1]::text::int AS rows
        FROM pg_partition_tree('audit_log')`);
    expect(leaves.filter(({ rows }) => rows > 0).length).toBeGreaterThanOrEqual(1 + 4 + 4);
    // One that is not filed yet, so that the inbox has something to lose.
    const letFile = await holdFiling(t);
    await trail.recordAlone({ action: 'test.kept', category: 'meta' });
    const tables = [...leaves, { name: 'audit_inbox', rows: 1 }];
    for (const url of [t.database.url, t.database.adminUrl]) {
      const client = new Client(url);
      await client.connect();
      for (const { name, rows } of tables) {
        await expect(client.query(`TRUNCATE ${name} CASCADE`)).rejects.toMatchObject({ code: '42501' });
        if (rows === 0) continue;
        await expect(client.query(`DELETE FROM ${name}`)).rejects.toMatchObject({ code: '42501' });
        await expect(client.query(`UPDATE ${name} SET payload = '{}'`)).rejects.toMatchObject({ code: '42501' });
      }
      await client.end();
    }
    await letFile();
    const app = new Client(t.database.url);
    await app.connect();
    for (const { name } of leaves) await expect(app.query(`INSERT INTO ${name} DEFAULT VALUES`)).rejects.toMatchObject({ code: '42501' });
    await app.end();
  });

  it('A5: retrying a job and being refused it leave exactly one event each', async () => {
    const [dead] = await t.sql<{ id: string }>(`INSERT INTO jobs (name, state) VALUES ('test.nobody', 'dead') RETURNING id`);
    const viewer = await asRole(t, 'viewer');
    await viewer.post(`/api/v1/jobs/${dead!.id}/retry`).set('x-request-id', 'retry-refused').expect(403);
    await admin.post(`/api/v1/jobs/${dead!.id}/retry`).set('x-request-id', 'retry-done').expect(200);
    await admin.post(`/api/v1/jobs/${dead!.id}/retry`).set('x-request-id', 'retry-late').expect(409);
    expect(await eventsOf(t, 'correlation_id = ANY ($1)', ['retry-refused', 'retry-done', 'retry-late'])).toMatchObject([
      { action: 'request.denied', outcome: 'denied' },
      { action: 'job.retried', outcome: 'success' },
      { action: 'request.failed', outcome: 'failure', detail: { code: 'job_not_dead' } },
    ]);
  });

  it('A7: exactly the fields that differ, in stable form; nothing when nothing does', async () => {
    const before = {
      name: 'a',
      size: 2n ** 64n,
      since: new Date(0),
      price: '1.10',
      network: '10.0.0.0/8',
      note: null,
      tags: ['x'],
      version: 1,
    };
    await trail.recordAlone({
      action: 'test.same',
      category: 'meta',
      before,
      after: { ...before, since: new Date(0), tags: ['x'], version: 2 },
    });
    expect(await eventsOf(t, `action = 'test.same'`)).toEqual([]);
    await trail.recordAlone({
      action: 'test.changed',
      category: 'meta',
      before,
      after: { ...before, size: 1n, since: new Date(1), network: '10.0.0.0/9', note: '', version: 2 },
    });
    const [event] = await eventsOf(t, `action = 'test.changed'`);
    expect(event!.changes).toEqual([
      { field: 'network', before: '10.0.0.0/8', after: '10.0.0.0/9' },
      { field: 'note', before: null, after: '' },
      { field: 'since', before: '1970-01-01T00:00:00.000Z', after: '1970-01-01T00:00:00.001Z' },
      { field: 'size', before: '18446744073709551616', after: '1' },
    ]);
  });

  it('A1, A7: an event beyond 60 KiB keeps who did what to what, and the size and digest of the whole; the change is made all the same', async () => {
    const about = { category: 'ipam', resource: { type: 'thing', id: 'large' } } as const;
    const filler = (kib: number): string => 'é'.repeat(kib * 512);
    const large = { before: { text: filler(20) }, after: { text: filler(21) }, detail: { reason: filler(30) } };
    await runInContext({ requestId: 'large', method: 'POST', route: '/large' }, () =>
      trail.recordAlone({ action: 'test.large', ...about, ...large }),
    );
    await trail.recordAlone({ action: 'test.nearly', ...about, after: { text: filler(58) } });
    const [event] = await eventsOf(t, `action = 'test.large'`);
    const { truncated, ...head } = event!;
    expect(head).toMatchObject({ outcome: 'success', ...about, correlationId: 'large', request: { method: 'POST' } });
    expect(Object.keys(head).filter((name) => ['before', 'after', 'changes', 'detail'].includes(name))).toEqual([]);
    // Whoever has the whole can show that it was this.
    const whole = canonicalJson(
      toJson({ ...head, changes: [{ field: 'text', before: filler(20), after: filler(21) }], detail: { reason: filler(30) } }),
    );
    expect(truncated).toEqual({ bytes: Buffer.byteLength(whole), sha256: createHash('sha256').update(whole).digest('hex') });
    const [nearly] = await eventsOf(t, `action = 'test.nearly'`);
    expect(nearly).toMatchObject({ after: { text: filler(58) } });
    expect(nearly).not.toHaveProperty('truncated');
    await allFiled(t);
    expect(await t.sql(`SELECT FROM audit_quarantine q JOIN audit_log l ON l.id = q.id WHERE l.action = 'test.large'`)).toEqual([]);
    const auditor = await asRole(t, 'auditor');
    expect((await auditor.get(`${EVENTS}/${event!.id}`).expect(200)).body).toMatchObject({ action: 'test.large', truncated });
  });

  it('A8, ASVS 16.2.5: secrets planted in headers, bodies and rows are in no table of the trail, no export, no report and no line of the log', async () => {
    const marker = 'Zq7-planted-marker';
    const secret = { password: marker, nested: [{ 'api-key': marker, token: { inner: marker } }] };
    await trail.recordAlone({
      action: 'test.secret',
      category: 'meta',
      before: secret,
      after: { ...secret, password: `${marker}2` },
      detail: secret,
    });
    await trail.recordAlone({ action: 'test.secret', category: 'meta', after: secret });
    const headers = {
      cookie: `session=${marker}`,
      'idempotency-key': marker,
      'proxy-authorization': marker,
      'x-user-id': marker,
    };
    // Another process, so that all it prints can be read.
    const server = await startProcess('dist/src/main.js', t.database, {
      ...keys,
      CADASTRE_LOG_LEVEL: 'trace',
      CADASTRE_LOG_FORMAT: 'json',
    });
    try {
      const url = await eventually(() => /"url":"(http:[^"]+)"/.exec(server.output())?.[1], 60_000);
      const there = { ...t, url, anonymous: supertest.agent(url) };
      const tokenOf = async (...roles: string[]): Promise<string> => (await signIn(there, await createUser(t, { roles }))).accessToken;
      const root = await tokenOf('superuser');
      const { anonymous } = there;
      await anonymous.get(EVENTS).set(headers).set('authorization', `Bearer ${marker}`).expect(401);
      await anonymous.get(EVENTS).set(headers).set('x-api-key', marker).expect(401);
      await anonymous.get(EVENTS).set('authorization', `Bearer ${marker}`).set('x-api-key', marker).expect(400);
      await anonymous.post('/api/v1/auth/login').set(headers).send({ username: 'ada', password: marker }).expect(401);
      // People type passwords where the name belongs: so often that there is an alert about it.
      await t.sql(`UPDATE audit_rules SET threshold = 3 WHERE name = 'failed_logins'`);
      for (let n = 0; n < 3; n++) await anonymous.post('/api/v1/auth/login').send({ username: marker, password: 'x' });
      const viewer = await tokenOf('viewer');
      await withToken(there, viewer).get(`/api/v1/jobs?name=${marker}`).set(headers).expect(403);
      await withToken(there, root)
        .post('/api/v1/users')
        .set(headers)
        .send({ username: 'eve', password: `${marker} and long enough`, roles: ['viewer'] })
        .expect(201);
      await t.app.get(Detector).detect();
      expect(await t.sql(`SELECT FROM audit_alerts WHERE rule = 'failed_logins'`)).not.toEqual([]);
      const answers: string[] = [];
      for (const path of ['export?format=ndjson', 'export?format=csv', 'export?format=ocsf', 'reports/pci', 'events?limit=1000', 'alerts'])
        answers.push((await withToken(there, root).get(`/api/v1/audit/${path}`).buffer(true).parse(asText).expect(200)).body as string);
      for (const answer of answers) expect(answer.length).toBeGreaterThan(100);
      expect(answers[0]).toContain('test.secret');
      server.child.kill('SIGTERM');
      await server.ended;
      const printed = server.output();
      expect(printed).toContain('/api/v1/users');
      await allFiled(t);
      const kept = await everythingKept(t);
      expect(kept.filter((row) => row.includes('"test.secret"'))).toHaveLength(2);
      const everywhere = [...kept, ...answers, printed].join('\n');
      for (const planted of [marker, marker.toLowerCase(), viewer, root, PASSWORD]) {
        expect(everywhere).not.toContain(planted);
        expect(everywhere).not.toContain(Buffer.from(planted).toString('hex'));
      }
    } finally {
      server.child.kill('SIGKILL');
      await server.ended;
    }
  }, 120_000);

  describe('A9: context that can be trusted', () => {
    let viewer: TestUser;
    let token: string;

    beforeAll(async () => {
      viewer = await createUser(t, { roles: ['viewer'] });
      token = (await signIn(t, viewer)).accessToken;
    });

    /** The event of a refused request that comes from this address. */
    async function refusedFrom(localAddress: string, headers: Record<string, string>): Promise<AuditEventView> {
      const id = `refused-${localAddress}-${Object.keys(headers).length}`;
      await new Promise<void>((resolve, reject) => {
        const sent = request(
          `${t.url}/api/v1/jobs`,
          { localAddress, headers: { authorization: `Bearer ${token}`, 'x-request-id': id, ...headers } },
          (answer) => {
            answer.resume().on('end', resolve);
          },
        );
        sent.on('error', reject).end();
      });
      const [event] = await eventsOf(t, 'correlation_id = $1', id);
      return event!;
    }

    const forwarded = {
      'x-forwarded-for': '203.0.113.9',
      'x-real-ip': '203.0.113.10',
      forwarded: 'for=203.0.113.11',
      'x-user-id': '0199aaaa-0000-7000-8000-000000000000',
    };

    it('A9: believes a trusted proxy about the client, and nobody about the user', async () => {
      expect(await refusedFrom('127.0.0.1', forwarded)).toMatchObject({
        actor: { kind: 'user', id: viewer.id, name: viewer.username },
        request: { clientIp: '203.0.113.9', peerIp: '127.0.0.1' },
      });
    });

    it('A9, ASVS 4.1.3, 15.3.4: believes nothing of what anybody else says', async () => {
      expect(await refusedFrom('127.0.0.2', forwarded)).toMatchObject({
        actor: { id: viewer.id },
        request: { clientIp: '127.0.0.2', peerIp: '127.0.0.2' },
      });
    });
  });

  it('A10, ASVS 16.3.1, 16.3.3: failed logins and denials leave events, though nothing was changed', async () => {
    await t.anonymous
      .post('/api/v1/auth/login')
      .set('x-request-id', 'login-that-fails')
      .send({ username: 'ada', password: 'not the right one' })
      .expect(401);
    expect(await eventsOf(t, 'correlation_id = $1', 'login-that-fails')).toMatchObject([{ action: 'login.failed', outcome: 'failure' }]);
    const user = await createUser(t, { roles: ['viewer'] });
    const viewer = withToken(t, (await signIn(t, user)).accessToken);
    await viewer.get('/api/v1/jobs').set('x-request-id', 'job-list-denied').expect(403);
    expect(await eventsOf(t, 'correlation_id = $1', 'job-list-denied')).toMatchObject([
      {
        action: 'request.denied',
        outcome: 'denied',
        severity: 'medium',
        actor: { id: user.id },
        resource: { type: 'route', id: 'GET /api/v1/jobs' },
        detail: { code: 'forbidden' },
      },
    ]);
  });
});
