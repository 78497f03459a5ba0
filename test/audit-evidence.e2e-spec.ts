import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Agent } from 'supertest';
import { type EvidenceView } from '../src/audit/evidence/evidence.dto.js';
import { type VerificationView } from '../src/audit/verification/verifications.dto.js';
import { AppConfig } from '../src/config/app-config.js';
import { Jobs } from '../src/platform/jobs/jobs.js';
import { eventsOf, holdFiling } from './support/audit-events.js';
import { runCadastre } from './support/run-cadastre.js';
import { eventually } from './support/eventually.js';
import { allSealed, aSigningKeyWithPluses, asAttacker, record, sharedKeys } from './support/sealed-log.js';
import { asRole } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const EVENTS = 600;
const has = (program: string, ...args: string[]): boolean => spawnSync(program, args).status === 0;
/** Ed25519 by `pkeyutl -rawin` came with OpenSSL 1.1.1. */
const secondReader = has('python3', '--version') && has('openssl', 'version');

describe('evidence', () => {
  const keys = { ...sharedKeys(), CADASTRE_AUDIT_SIGNING_KEYS: aSigningKeyWithPluses('a') };
  let t: TestApp;
  let auditor: Agent;
  let folder: string;
  let some: string[];
  let earlier: { size: number; note: string };
  let pack: EvidenceView;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'cadastre-evidence-'));
    t = await startTestApp(keys);
    auditor = await asRole(t, 'auditor');
    await record(t, 'ipam', EVENTS - 50);
    await allSealed(t);
    const page = (await auditor.get('/api/v1/audit/checkpoints?class=ipam&limit=1').expect(200)).body as { items: (typeof earlier)[] };
    earlier = page.items[0]!;
    await record(t, 'ipam', 50);
    await record(t, 'governance', 3);
    await allSealed(t);
    const rows = await t.sql<{ id: string }>(
      `SELECT id FROM audit_log WHERE action = 'test.sealed' AND (seq % 100 = 7 OR class = 7) ORDER BY class, seq`,
    );
    some = rows.map(({ id }) => id);
    pack = (
      await auditor
        .post('/api/v1/audit/evidence')
        .set('x-request-id', 'taking-evidence')
        .send({ ids: some, consistentWith: [{ class: 'ipam', size: earlier.size }] })
        .expect(200)
    ).body as EvidenceView;
  });

  afterAll(async () => {
    await t.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function run(program: string, args: string[]): Promise<{ code: number; output: string }> {
    return new Promise((resolve) => {
      execFile(program, args, { cwd: folder, env: { PATH: process.env.PATH, HOME: process.env.HOME } }, (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, output: `${stdout}${stderr}` });
      });
    });
  }

  let files = 0;
  async function file(content: object | string): Promise<string> {
    const name = path.join(folder, `file-${++files}`);
    await writeFile(name, typeof content === 'string' ? content : JSON.stringify(content));
    return name;
  }
  const check = async (content: object, ...options: string[]): Promise<{ code: number; output: string }> =>
    run(process.execPath, [path.join(root, 'verify-evidence.mjs'), await file(content), ...options]);
  const checkWithPython = async (content: object): Promise<{ code: number; output: string }> =>
    run('python3', [path.join(root, 'test/support/verify_evidence.py'), await file(content)]);
  /** The pack with something changed in it. */
  const changed = (change: (copy: EvidenceView) => void): EvidenceView => {
    const copy = structuredClone(pack);
    change(copy);
    return copy;
  };

  it('A19: a pack of events is checked by one script that has nothing but itself', async () => {
    expect(pack.logs.map((log) => [log.class, log.events.length])).toEqual([
      ['ipam', 6],
      ['governance', 3],
    ]);
    const { code, output } = await check(pack);
    expect(output).toMatch(/ipam: 6 events are in the log of 600 events[^]*No key was given[^]*sound\n$/);
    expect(code).toBe(0);
    const pinned = await check(pack, '--key', pack.keys[0]!.publicKey, '--checkpoint', await file(earlier.note));
    expect(pinned).toMatchObject({ code: 0, output: expect.not.stringContaining('No key was given') as string });
    const verifierKey = `cadastre/x+01234567+${Buffer.concat([Buffer.of(1), Buffer.from(pack.keys[0]!.publicKey, 'base64')]).toString('base64')}`;
    expect(await check(pack, '--key', verifierKey)).toEqual(expect.objectContaining({ code: 0 }));
    expect(await check(pack, '--key', 'no key')).toMatchObject({ code: 2 });
  });

  const tampered: [string, (copy: EvidenceView) => void, RegExp][] = [
    [
      'a payload',
      (copy) => (copy.logs[0]!.events[2]!.payload = copy.logs[0]!.events[2]!.payload.replace('test.sealed', 'test.healed')),
      /event 207 of ipam/,
    ],
    ['a place', (copy) => copy.logs[0]!.events[2]!.seq++, /event 208 of ipam/],
    ['a path', (copy) => copy.logs[0]!.events[5]!.path.reverse(), /event 507 of ipam/],
    ['a root', (copy) => (copy.logs[1]!.checkpoint = copy.logs[1]!.checkpoint.replace(/\n\d+\n/, '\n99\n')), /checkpoint of governance/],
    ['the log it is in', (copy) => (copy.logs[1]!.checkpoint = copy.logs[0]!.checkpoint), /checkpoint of governance/],
    ['the installation', (copy) => (copy.installation = '00000000-0000-0000-0000-000000000000'), /./],
  ];

  it.each(tampered)('A19: exit code 1 and the first bad record, when somebody changed %s', async (_what, change, named) => {
    const { code, output } = await check(changed(change));
    expect({ code, output }).toEqual({ code: 1, output: expect.stringMatching(named) as string });
  });

  it('A19: exit code 1 for a key that is not the pinned one, and for an earlier checkpoint that is not its beginning', async () => {
    expect(await check(pack, '--key', Buffer.alloc(32, 7).toString('base64'))).toMatchObject({ code: 1 });
    const other = pack.logs.find((log) => log.class === 'governance')!.checkpoint;
    expect(await check(pack, '--checkpoint', await file(other.replace('/governance\n', '/ipam\n')))).toMatchObject({ code: 1 });
    const rewritten = changed((copy) => copy.logs[0]!.consistency[0]!.path.reverse());
    expect(await check(rewritten, '--checkpoint', await file(earlier.note))).toMatchObject({ code: 1 });
  });

  it('A19: exit code 2 when something is missing', async () => {
    expect(await check({})).toMatchObject({ code: 2 });
    expect(await check(changed((copy) => (copy.keys = [])))).toMatchObject({ code: 2 });
    expect(
      await check(
        changed((copy) => (copy.logs[0]!.consistency = [])),
        '--checkpoint',
        await file(earlier.note),
      ),
    ).toMatchObject({ code: 2 });
  });

  if (!secondReader) console.warn('SKIPPED: python3 or openssl is missing, so the evidence format was not read by a second program.');
  (secondReader ? describe : describe.skip)('read by a second program', () => {
    it('A19: another program, written from the description of the format alone, comes to the same', async () => {
      expect(await checkWithPython(pack)).toEqual({ code: 0, output: 'sound\n' });
      for (const [, change] of tampered.slice(0, 5)) expect(await checkWithPython(changed(change))).toMatchObject({ code: 1 });
      expect(await checkWithPython({})).toMatchObject({ code: 2 });
    });
  });

  it('A19: taking evidence is an event, with what was asked for', async () => {
    expect(await eventsOf(t, 'correlation_id = $1', 'taking-evidence')).toMatchObject([
      {
        action: 'audit.evidence_taken',
        category: 'access',
        resource: { type: 'audit_evidence', id: pack.id },
        detail: { count: 9, ids: some },
      },
    ]);
  });

  it('A19: evidence is found by a filter too; what is not there, not sealed or too much is refused', async () => {
    const take = async (body: object, status: number): Promise<Record<string, unknown>> =>
      (await auditor.post('/api/v1/audit/evidence').send(body).expect(status)).body as Record<string, unknown>;
    const found = (await take({ resourceId: 'thing-7', category: 'ipam' }, 200)) as unknown as EvidenceView;
    expect(found.logs[0]!.events.map(({ seq }) => seq)).toEqual([7, 557]);
    expect(await check(found)).toMatchObject({ code: 0 });
    expect(await take({ ids: ['0199aaaa-0000-7000-8000-000000000000'] }, 404)).toMatchObject({ code: 'audit_event_not_found' });
    expect(await take({}, 422)).toMatchObject({ code: 'ids_or_filter' });
    expect(await take({ ids: some, consistentWith: [{ class: 'ipam', size: 10_000 }] }, 422)).toMatchObject({
      code: 'checkpoint_not_found',
    });
    await record(t, 'access', 1001);
    expect(await take({ action: 'test.sealed' }, 422)).toMatchObject({ code: 'too_many_events' });
    const letFile = await holdFiling(t);
    await record(t, 'access', 1);
    const [fresh] = await t.sql<{ id: string }>('SELECT id FROM audit_inbox ORDER BY id DESC LIMIT 1');
    expect((await auditor.get(`/api/v1/audit/events/${fresh!.id}/proof`).expect(409)).body).toMatchObject({ code: 'event_not_sealed' });
    await letFile();
    await allSealed(t);
    await auditor.get(`/api/v1/audit/events/${fresh!.id}/proof`).expect(200);
  });

  it('A4: the proof of one event, and that one checkpoint is the beginning of another, are had by themselves', async () => {
    const { body } = (await auditor.get(`/api/v1/audit/events/${some[3]}/proof`).expect(200)) as {
      body: { installation: string; class: string; event: object; checkpoint: string };
    };
    const {
      from,
      to,
      path: hashes,
    } = (await auditor.get(`/api/v1/audit/consistency?class=ipam&from=${earlier.size}&to=${EVENTS}`).expect(200)).body as {
      from: number;
      to: number;
      path: string[];
    };
    expect([from, to]).toEqual([earlier.size, EVENTS]);
    const made = {
      format: pack.format,
      installation: body.installation,
      keys: pack.keys,
      logs: [{ class: 'ipam', checkpoint: body.checkpoint, events: [body.event], consistency: [{ size: from, path: hashes }] }],
    };
    expect(await check(made, '--checkpoint', await file(earlier.note))).toMatchObject({ code: 0 });
    await auditor.get('/api/v1/audit/consistency?class=ipam&from=5&to=4').expect(404);
    await auditor.get(`/api/v1/audit/consistency?class=ipam&from=5&to=10000`).expect(404);
  });

  it('A4: checkpoints are listed newest first, in pages', async () => {
    const numbers: number[] = [];
    for (let after: string | null = ''; after !== null;) {
      const query: string = after === '' ? '' : `&after=${after}`;
      const page = (await auditor.get(`/api/v1/audit/checkpoints?class=ipam&limit=2${query}`).expect(200)).body as {
        items: { number: number }[];
        next: string | null;
      };
      numbers.push(...page.items.map(({ number }) => number));
      after = page.next;
    }
    expect(numbers).toEqual(numbers.map((_, i) => numbers.length - 1 - i));
    const viewer = await asRole(t, 'viewer');
    await viewer.get('/api/v1/audit/checkpoints?class=ipam').expect(403);
  });

  it('A4: whoever may read the trail has it verified; the result is kept, and is an event', async () => {
    const { body } = (await auditor.post('/api/v1/audit/verifications').set('x-request-id', 'verifying').send({}).expect(201)) as {
      body: VerificationView;
    };
    expect(body).toMatchObject({ state: 'done', result: 'sound', findings: [], findingCount: 0 });
    expect((await auditor.get(`/api/v1/audit/verifications/${body.id}`).expect(200)).body).toEqual(body);
    expect((await auditor.get('/api/v1/audit/verifications?limit=1').expect(200)).body).toMatchObject({ items: [{ id: body.id }] });
    const events = await eventsOf(t, 'correlation_id = $1', 'verifying');
    expect(events).toMatchObject([
      { action: 'audit.verification_requested', outcome: 'unknown', resource: { id: body.id } },
      { action: 'audit.verified', outcome: 'success', resource: { id: body.id }, detail: { attempt: events[0]!.id, result: 'sound' } },
    ]);
  });

  it('A4: a verification that nobody will try again says so, and why', async () => {
    const [row] = await t.sql<{ id: string }>(
      `INSERT INTO audit_verification (requested_by, options) VALUES ('somebody', '{"log": "gone"}') RETURNING id`,
    );
    await t.app.get(Jobs).send('audit.verify', { id: row!.id }, { maxAttempts: 1 });
    const failed = await eventually(async () => {
      const { body } = (await auditor.get(`/api/v1/audit/verifications/${row!.id}`).expect(200)) as { body: VerificationView };
      return body.state === 'failed' && body;
    });
    expect(failed).toMatchObject({ result: null, reason: expect.stringContaining('gone') as string });
    expect(await eventsOf(t, `resource_id = $1`, row!.id)).toMatchObject([
      { action: 'audit.verification_abandoned', outcome: 'failure', severity: 'high', detail: { reason: failed.reason } },
    ]);
  });

  it('A4: the nightly job verifies too', async () => {
    await t.sql(`INSERT INTO jobs (name) VALUES ('audit.verify-nightly')`);
    const row = await eventually(
      async () => (await t.sql(`SELECT result FROM audit_verification WHERE requested_by = 'system' AND state = 'done'`))[0],
    );
    expect(row).toEqual({ result: 'sound' });
    const [attempt, result] = await eventsOf(
      t,
      `action LIKE 'audit.verif%' AND actor_id = 'system' AND action <> 'audit.verification_abandoned'`,
    );
    expect([attempt, result]).toMatchObject([
      { action: 'audit.verification_requested', outcome: 'unknown' },
      { action: 'audit.verified', detail: { attempt: attempt!.id } },
    ]);
  });

  it('A4: cadastre audit verify says so with its exit code: 0 sound, 2 incomplete, 1 tampered, others without a verdict; with threads too', async () => {
    await allSealed(t);
    const config = t.app.get(AppConfig);
    const variables = {
      CADASTRE_ENV: 'test',
      CADASTRE_VAR_DIR: folder,
      DATABASE_URL: t.database.url,
      DATABASE_DIRECT_URL: t.database.ownerUrl,
      ...keys,
    };
    const run_ = (...args: string[]): Promise<{ code: number; output: string }> =>
      runCadastre(['audit', 'verify', '--anchors', config.audit.anchorDirectory, ...args], variables);
    const sound = await run_('--workers', '2');
    expect(sound).toEqual({ code: 0, output: expect.stringMatching(/ipam +600 events, 600 read[^]*The audit log is sound/) as string });
    const attempts = (): Promise<unknown[]> => eventsOf(t, `action = 'audit.verification_requested'`);
    const before = await attempts();
    for (const wrong of [['--class', 'nothing'], ['--bogus'], ['--workers', '0']])
      expect({ wrong, ...(await run_(...wrong)) }).toMatchObject({ wrong, code: 64 });
    expect(await attempts()).toEqual(before);
    const away = { ...variables, DATABASE_URL: 'postgres://127.0.0.1:1/none', DATABASE_DIRECT_URL: 'postgres://127.0.0.1:1/none' };
    expect(await runCadastre(['audit', 'verify'], away)).toMatchObject({
      code: 75,
      output: expect.stringContaining('The database cannot be reached') as string,
    });
    expect(await runCadastre(['audit', 'verify'], { ...variables, CADASTRE_PORT: 'none' })).toMatchObject({ code: 78 });
    await asAttacker(t.database, 'ALTER TABLE audit_tile RENAME TO audit_tile_gone');
    expect(await run_()).toMatchObject({ code: 75 });
    await asAttacker(t.database, 'ALTER TABLE audit_tile_gone RENAME TO audit_tile');
    await asAttacker(t.database, `UPDATE audit_log SET actor_id = 'somebody else' WHERE class = 3 AND seq = 207`);
    expect(await run_('--class', 'ipam', '--workers', '2')).toEqual({
      code: 1,
      output: expect.stringMatching(/tampered {2}column_altered {2}Event 207 of ipam[^]*The audit log is tampered/) as string,
    });
    await asAttacker(
      t.database,
      `UPDATE audit_log SET payload = replace(payload, 'test.sealed', 'test.healed') WHERE class = 3 AND seq = 207`,
    );
    const ids = await t.sql<{ id: string }>('SELECT id FROM audit_log WHERE class = 3 AND seq = 207');
    expect((await auditor.get(`/api/v1/audit/events/${ids[0]!.id}/proof`).expect(409)).body).toMatchObject({ code: 'audit_log_unsound' });
  }, 180_000);
});
