import { request } from 'node:http';
import { Client } from 'pg';
import { type Agent } from 'supertest';
import { type AuditEventView } from '../src/audit/log/audit-event.dto.js';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { UnitOfWork } from '../src/platform/database/unit-of-work.js';
import { allFiled, eventsOf, holdFiling } from './support/audit-events.js';
import { asRole, createUser, PASSWORD, signIn, type TestUser, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const EVENTS = '/api/v1/audit/events';

describe('the audit trail', () => {
  let t: TestApp;
  let work: UnitOfWork;
  let trail: AuditTrail;
  let admin: Agent;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_TRUSTED_PROXIES: '127.0.0.1' });
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

  it('A8, ASVS 16.2.5: secrets planted in headers, bodies and rows are nowhere in the trail', async () => {
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
    await t.anonymous.get(EVENTS).set(headers).set('authorization', `Bearer ${marker}`).expect(401);
    await t.anonymous.get(EVENTS).set(headers).set('x-api-key', marker).expect(401);
    await t.anonymous.get(EVENTS).set('authorization', `Bearer ${marker}`).set('x-api-key', marker).expect(400);
    await t.anonymous.post('/api/v1/auth/login').set(headers).send({ username: 'ada', password: marker }).expect(401);
    const { accessToken } = await signIn(t, await createUser(t, { roles: ['viewer'] }));
    await withToken(t, accessToken).get(`/api/v1/jobs?name=${marker}`).set(headers).expect(403);
    await admin
      .post('/api/v1/users')
      .set(headers)
      .send({ username: 'eve', password: `${marker} and long enough`, roles: ['viewer'] })
      .expect(201);
    const seen = await t.sql<{ payload: string }>('SELECT payload FROM audit_inbox UNION ALL SELECT payload FROM audit_log');
    expect(seen.filter(({ payload }) => payload.includes('test.secret'))).toHaveLength(2);
    const all = seen.map(({ payload }) => payload).join('\n');
    for (const planted of [marker, accessToken, PASSWORD]) expect(all).not.toContain(planted);
  });

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
