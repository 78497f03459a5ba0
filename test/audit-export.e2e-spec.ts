import { createHash } from 'node:crypto';
import { parse } from 'csv-parse/sync';
import supertest, { type Agent } from 'supertest';
import { type AuditEventPage, type AuditEventView } from '../src/audit/log/audit-event.dto.js';
import { csvColumns } from '../src/audit/reports/export-formats.js';
import { ocsfClasses, ocsfMapping, ocsfMappingOf, ocsfOf } from '../src/audit/reports/ocsf.js';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { runInContext } from '../src/platform/context/request-context.js';
import { allFiled, eventsOf, holdFiling } from './support/audit-events.js';
import { startProcess } from './support/child-process.js';
import { eventually } from './support/eventually.js';
import { asRole, createUser, signIn } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const EXPORT = '/api/v1/audit/export';
const ROWS = 300_000;
/** How much more the process may hold while it sends several hundred. */
const MOST_MIB = 160;

/** The text before the last line, and the last line. */
function split(text: string): [body: string, last: string] {
  const at = text.lastIndexOf('\n', text.length - 2) + 1;
  return [text.slice(0, at), text.slice(at)];
}

const sha256 = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;

describe('exporting the trail', () => {
  let t: TestApp;
  let auditor: Agent;
  let token: string;
  const evil = [`=1+1`, `+44 79`, `-2+3`, '@SUM(A1)', '\t=1', '\r=1', `'=1`, '-5', 'a "quote", and\na line'];

  async function exported(query: Record<string, string>, requestId = 'an-export'): Promise<{ text: string; type: string }> {
    const answer = await fetch(`${t.url}${EXPORT}?${new URLSearchParams(query).toString()}`, {
      headers: { authorization: `Bearer ${token}`, 'x-request-id': requestId },
    });
    expect(answer.status).toBe(200);
    return { text: await answer.text(), type: answer.headers.get('content-type') ?? '' };
  }

  beforeAll(async () => {
    t = await startTestApp();
    token = (await signIn(t, await createUser(t, { roles: ['auditor'] }))).accessToken;
    auditor = await asRole(t, 'auditor');
    const trail = t.app.get(AuditTrail);
    for (const [n, name] of evil.entries())
      await runInContext({ requestId: `evil-${n}`, userAgent: name, clientAddress: '192.0.2.1' }, () =>
        trail.recordAlone({ action: 'evil.named', category: 'ipam', resource: { type: 'evil', id: String(n), name }, detail: { n } }),
      );
    await allFiled(t);
    const letFile = await holdFiling(t);
    await trail.recordAlone({ action: 'evil.fresh', category: 'ipam', resource: { type: 'evil', id: 'fresh' } });
    await letFile();
  });

  afterAll(() => t.close());

  const shown = async (): Promise<AuditEventView[]> =>
    ((await auditor.get('/api/v1/audit/events?resourceType=evil&limit=1000').expect(200)).body as AuditEventPage).items.toReversed();

  it('A14: NDJSON has every event as the search shows it, oldest first, and the digest of the lines before in its last', async () => {
    await allFiled(t);
    const { text, type } = await exported({ resourceType: 'evil' });
    const [body, last] = split(text);
    expect(type).toBe('application/x-ndjson; charset=utf-8');
    const events = body.trimEnd().split('\n');
    expect(events.map((line) => JSON.parse(line) as unknown)).toEqual(JSON.parse(JSON.stringify(await shown())));
    expect(JSON.parse(last)).toEqual({ count: evil.length + 1, digest: sha256(body), archivedMonths: 0 });
  });

  it('A14: JSON is one document with its count and digest', async () => {
    const { text, type } = await exported({ resourceType: 'evil', format: 'json' });
    const { events, count, digest } = JSON.parse(text) as { events: AuditEventView[]; count: number; digest: string };
    expect(type).toBe('application/json; charset=utf-8');
    expect(events).toEqual(JSON.parse(JSON.stringify(await shown())));
    expect([count, digest]).toEqual([events.length, sha256(text.slice(0, text.lastIndexOf('\n],"count"')))]);
    expect(JSON.parse((await exported({ resourceType: 'none', format: 'json' })).text)).toMatchObject({ events: [], count: 0 });
  });

  it('A14, ASVS 1.2.10: CSV starts no formula in any cell, and says everything nevertheless', async () => {
    const { text } = await exported({ resourceType: 'evil', format: 'csv' });
    const [body, last] = split(text);
    const rows = parse<Record<string, string>>(body, { columns: true });
    const end = parse(last, {});
    expect(Object.keys(rows[0]!)).toEqual(Object.keys(csvColumns));
    expect(end).toEqual([
      [
        '#end',
        String(evil.length + 1),
        sha256(body),
        'archivedMonths:0',
        ...Object.keys(csvColumns)
          .slice(4)
          .map(() => ''),
      ],
    ]);
    const risky = rows.flatMap((row) => Object.values(row)).filter((cell) => /^[=+\-@\t\r]/.test(cell));
    expect(risky).toEqual(['-5', '-5']);
    const guarded = evil.map((name) => (name === '-5' || name.startsWith('a ') ? name : `'${name}`));
    expect(rows.slice(0, -1).map((row) => row.resource_name)).toEqual(guarded);
    expect(rows.map((row) => row.user_agent).slice(0, -1)).toEqual(guarded);
    expect(JSON.parse(rows[0]!.detail!)).toEqual({ n: 0 });
  });

  it('A14: OCSF has each event in its class, with what the class requires', async () => {
    const { text } = await exported({ format: 'ocsf' });
    const [body, last] = split(text);
    const events = body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(JSON.parse(last)).toEqual({ count: events.length, digest: sha256(body), archivedMonths: 0 });
    for (const event of events) {
      expect(Object.keys(event)).toEqual(
        expect.arrayContaining([
          'metadata',
          'category_uid',
          'class_uid',
          'activity_id',
          'type_uid',
          'time',
          'severity_id',
          'status_id',
          'actor',
          'src_endpoint',
        ]),
      );
      expect(event.type_uid).toBe(Number(event.class_uid) * 100 + Number(event.activity_id));
      const needed = { 3001: 'user', 3002: 'user', 3004: 'entity', 6003: 'api' }[String(event.class_uid)];
      expect(event[needed!]).toEqual(expect.any(Object));
    }
    expect(events.find(({ message }) => message === 'login.succeeded')).toMatchObject({
      class_uid: 3002,
      activity_id: 1,
      status_id: 1,
      severity_id: 1,
      service: { name: 'Cadastre' },
      http_request: { http_method: 'POST', url: { path: '/api/v1/auth/login' } },
      src_endpoint: { ip: '127.0.0.1' },
    });
  });

  it.each([
    ['login.failed', 'authentication', 1],
    ['login.locked', 'account_change', 9],
    ['session.ended', 'authentication', 2],
    ['session.refreshed', 'authentication', 99],
    ['user.created', 'account_change', 1],
    ['user.password_changed', 'account_change', 3],
    ['user.deactivated', 'account_change', 5],
    ['user.roles_changed', 'account_change', 99],
    ['second_factor.added', 'account_change', 10],
    ['pool.created', 'entity_management', 1],
    ['pool.updated', 'entity_management', 3],
    ['allocation.released', 'entity_management', 4],
    ['key.created', 'entity_management', 1],
    ['audit.read', 'api_activity', 2],
    ['request.denied', 'api_activity', 99],
    ['something.new', 'api_activity', 99],
  ])('A14: %s is %s, activity %i', (action, as, activity) => {
    expect(ocsfMappingOf(action)).toMatchObject({ as, activity });
  });

  it('A14: the mapping names classes and activities of OCSF 1.3 alone, and an event of the program itself has what is required too', () => {
    const most = { account_change: 12, authentication: 6, entity_management: 13, api_activity: 4 };
    for (const { as, activity } of ocsfMapping) expect(activity === 99 || (activity > 0 && activity <= most[as])).toBe(true);
    expect(Object.values(ocsfClasses).map(({ uid }) => uid)).toEqual([3001, 3002, 3004, 6003]);
    const event: AuditEventView = {
      id: 'x',
      at: '2026-01-31T12:00:00.000Z',
      actor: { kind: 'system', id: 'system', name: 'job' },
      action: 'job.failed',
      category: 'governance',
      severity: 'high',
      outcome: 'failure',
      flags: [],
      filed: true,
      seq: '0',
      quarantined: null,
    };
    expect(ocsfOf(event)).toMatchObject({
      time: 1769860800000,
      status_id: 2,
      severity_id: 4,
      api: { operation: 'job.failed' },
      src_endpoint: { name: 'internal' },
    });
  });

  it('A14, A12: an export is in the trail with filter, count and digest before it is complete', async () => {
    const { text } = await exported({ resourceType: 'evil', format: 'csv', action: 'evil.*' }, 'exporting-evil');
    const [body] = split(text);
    const events = await eventsOf(t, 'correlation_id = $1', 'exporting-evil');
    expect(events).toMatchObject([
      {
        action: 'audit.export_started',
        outcome: 'unknown',
        detail: { format: 'csv', filters: { resourceType: 'evil', action: 'evil.*' } },
      },
      {
        action: 'audit.exported',
        severity: 'medium',
        outcome: 'success',
        detail: {
          attempt: events[0]!.id,
          format: 'csv',
          filters: { resourceType: 'evil', action: 'evil.*' },
          count: evil.length + 1,
          digest: sha256(body),
        },
      },
    ]);
  });

  it('A14: an export that cannot be recorded has no end', async () => {
    await t.sql(`ALTER TABLE audit_inbox ADD CONSTRAINT refuse_exports CHECK (payload NOT LIKE '%audit.exported%') NOT VALID`);
    const broken = fetch(`${t.url}${EXPORT}?resourceType=evil`, { headers: { authorization: `Bearer ${token}` } }).then((answer) =>
      answer.text(),
    );
    await expect(broken).rejects.toThrow();
    await t.sql('ALTER TABLE audit_inbox DROP CONSTRAINT refuse_exports');
  });

  it('A14: HEAD exports nothing, and unknown forms and filters are refused', async () => {
    await auditor.head(EXPORT).set('x-request-id', 'head-of-an-export').expect(200);
    expect(await eventsOf(t, 'correlation_id = $1', 'head-of-an-export')).toEqual([]);
    await auditor.get(`${EXPORT}?format=xml`).expect(400);
    await auditor.get(`${EXPORT}?limit=5`).expect(400);
  });

  describe(`of ${ROWS} events`, () => {
    beforeAll(async () => {
      // Nobody asks for words here, and their index takes most of the time that writing so many takes.
      await t.sql('DROP INDEX audit_log_words');
      await t.sql(
        `INSERT INTO audit_log (class, seq, sealed_at, occurred_at, recorded_at, id, xid, actor_id, action, category, severity, outcome, flags, payload, leaf, emit_mac)
         SELECT 3, 1000000 + n, now(), now(), now(), uuidv7(n * interval '-1 ms'), '1', 'many', 'many.made', 'ipam', 'info', 'success', '{}',
                jsonb_build_object('action', 'many.made', 'category', 'ipam', 'severity', 'info', 'outcome', 'success', 'at', now(), 'flags', '[]'::jsonb,
                  'actor', jsonb_build_object('kind', 'user', 'id', 'many', 'name', 'many'), 'detail', jsonb_build_object('n', n, 'text', repeat('x', 900))),
                sha256('x'), sha256('x')
           FROM generate_series(1, $1) n`,
        [ROWS],
      );
      await t.sql('ANALYZE audit_log');
    }, 180_000);

    it('A14: is complete, whatever its length, and sent in little memory', async () => {
      // A process of its own, so that what it holds is for the export alone.
      const server = await startProcess('dist/src/main.js', t.database, {
        CADASTRE_JOBS: 'false',
        CADASTRE_LOG_FORMAT: 'json',
        // As on a small machine: without it memory is not given back while there is more.
        NODE_OPTIONS: '--max-old-space-size=192 --max-semi-space-size=8',
      });
      try {
        const url = await eventually(() => /"url":"(http:[^"]+)"/.exec(server.output())?.[1], 60_000);
        const { accessToken } = await signIn({ ...t, url, anonymous: supertest.agent(url) }, await createUser(t, { roles: ['superuser'] }));
        const ask = (path: string, requestId = 'streamed'): Promise<globalThis.Response> =>
          fetch(`${url}${path}`, { headers: { authorization: `Bearer ${accessToken}`, 'x-request-id': requestId } });
        let looks = 0;
        // An event says how much memory its process had.
        const residentMiB = async (): Promise<number> => {
          const id = `resident-${looks++}`;
          await (await ask('/api/v1/audit/events?limit=1', id)).text();
          return (await eventsOf(t, 'correlation_id = $1', id))[0]?.processing?.rssMiB ?? NaN;
        };
        // What any export needs.
        await (await ask(`${EXPORT}?resourceType=evil`)).text();
        const before = await residentMiB();
        let [lines, bytes, tail, most, looked] = [0, 0, '', before, 0];
        const answer = await ask(`${EXPORT}?action=many.made`);
        for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
          for (const byte of chunk) lines += byte === 10 ? 1 : 0;
          bytes += chunk.length;
          tail = (tail + Buffer.from(chunk).toString()).slice(-200);
          if (lines - looked > ROWS / 30) [most, looked] = [Math.max(most, await residentMiB()), lines];
        }
        expect(lines).toBe(ROWS + 1);
        expect(JSON.parse(tail.trimEnd().split('\n').at(-1)!)).toMatchObject({ count: ROWS });
        expect(bytes).toBeGreaterThan(1.5 * MOST_MIB * 2 ** 20);
        expect(most - before).toBeLessThan(MOST_MIB);
      } finally {
        server.child.kill('SIGKILL');
        await server.ended;
      }
    }, 180_000);

    it('A14: is read as fast as the client does, so that little of it is held; one that goes away ends it, which the trail says', async () => {
      const gone = new AbortController();
      const answer = await fetch(`${t.url}${EXPORT}?action=many.made`, {
        headers: { authorization: `Bearer ${token}`, 'x-request-id': 'export-gone' },
        signal: gone.signal,
      });
      const reader = answer.body!.getReader();
      await reader.read();
      // The export goes on until what lies between is full, and waits there.
      for (let n = 0; n < 50; n++) await auditor.get('/api/v1/audit/events?limit=1000').expect(200);
      gone.abort();
      const event = await eventually(async () => (await eventsOf(t, 'correlation_id = $1', 'export-gone'))[1]);
      expect(event).toMatchObject({ action: 'audit.exported', outcome: 'failure', detail: { brokenOff: true } });
      expect((event.detail as { count: number }).count).toBeLessThan(ROWS / 2);
    });
  });
});
