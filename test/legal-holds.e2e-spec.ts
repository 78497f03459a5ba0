import { Client } from 'pg';
import { type Agent } from 'supertest';
import { type HeldMonthView, type LegalHoldPage, type LegalHoldView } from '../src/audit/holds/hold.dto.js';
import { PeriodFates } from '../src/audit/retention/period-fates.js';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { UnitOfWork } from '../src/platform/database/unit-of-work.js';
import { eventsOf } from './support/audit-events.js';
import { eventually } from './support/eventually.js';
import { createUser, signIn, type TestUser, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { monthsLater } from './support/trail-clock.js';

const HOLDS = '/api/v1/audit/holds';
const IPAM = 3;
const OWNER = '01890000-0000-7000-8000-00000000000a';

describe('legal holds', () => {
  let t: TestApp;
  let placer: Agent;
  let placingUser: TestUser;
  let other: Agent;
  let period: string;
  let names = 0;

  beforeAll(async () => {
    t = await startTestApp();
    placingUser = await createUser(t, { roles: ['admin'] });
    placer = withToken(t, (await signIn(t, placingUser)).accessToken);
    other = withToken(t, (await signIn(t, await createUser(t, { roles: ['admin'] }))).accessToken);
    const trail = t.app.get(AuditTrail);
    await t.app.get(UnitOfWork).run(async () => {
      for (let n = 0; n < 6; n++)
        await trail.record({
          action: 'pool.updated',
          category: 'ipam',
          resource: { type: n < 4 ? 'pool' : 'vrf', id: `thing-${n}` },
          actor: { kind: 'user', id: n % 2 === 0 ? 'ada' : 'grace', name: 'somebody' },
        });
      const byKey = { kind: 'api_key', id: 'the-key', name: 'a key', ownerId: OWNER };
      await trail.record({ action: 'pool.updated', category: 'ipam', resource: { type: 'pool', id: 'by-key' }, actor: byKey });
    });
    await monthsLater(t, 40, ['ipam']);
    const [month] = await t.sql<{ period: string }>('SELECT min(period)::text AS period FROM audit_period WHERE class = $1', [IPAM]);
    period = month!.period;
    await t.app.get(PeriodFates).all();
  }, 90_000);

  afterAll(() => t.close());

  /** Each test begins without one in force. */
  afterEach(() =>
    t.sql(
      `UPDATE audit_legal_hold SET released_at = now(), released_by = 'the test', released_by_name = 'test', release_reason = 'over' WHERE released_at IS NULL`,
    ),
  );

  const aHold = (scope: object): object => ({ name: `case ${++names}`, reason: 'a lawsuit', ...scope });
  const place = async (scope: object): Promise<LegalHoldView> =>
    (await placer.post(HOLDS).send(aHold(scope)).expect(201)).body as LegalHoldView;
  const held = async (): Promise<boolean> =>
    (await t.sql<{ held: boolean }>('SELECT audit_held($1::smallint, $2::date) AS held', [IPAM, period]))[0]!.held;
  const monthIn = ({ months }: LegalHoldView): HeldMonthView | undefined =>
    months.find((month) => month.log === 'ipam' && month.period === period);

  async function connection(): Promise<Client> {
    const client = new Client(t.database.adminUrl);
    await client.connect();
    return client;
  }

  it.each([
    ['everything', { everything: true }, 7],
    ['a log', { logs: ['ipam'] }, 7],
    ['a resource type', { resourceType: 'vrf' }, 2],
    ['one thing', { resourceId: 'thing-3' }, 1],
    ['what somebody did', { actor: 'ada' }, 3],
    ['what somebody’s keys did', { actor: OWNER.toUpperCase() }, 1],
    ['what somebody did to things of a type', { actor: 'ada', resourceType: 'pool' }, 2],
    ['a time', { from: '2000-01-01T00:00:00Z', to: '2100-01-01T00:00:00Z' }, 7],
  ])('T1: holds %s: the month stays, and the hold says how much it is about', async (_what, scope, rows) => {
    expect(await held()).toBe(false);
    const hold = await place(scope);
    expect(await held()).toBe(true);
    expect(monthIn(hold)).toMatchObject({ rows, exact: true, bytes: expect.any(Number) as number });
    const [fate] = (await t.app.get(PeriodFates).all()).filter((one) => one.log === 'ipam');
    expect(fate?.holds).toEqual([hold.name]);
    const preview = await other.post('/api/v1/audit/retention/preview').send({}).expect(200);
    expect((preview.body as { totals: object }).totals).toMatchObject({ rowsHeld: expect.any(Number) as number });
  });

  it.each([
    ['another log', { logs: ['access'] }],
    ['another thing', { resourceId: 'thing-99' }],
    ['somebody who did nothing', { actor: '01890000-0000-7000-8000-00000000000b' }],
    ['another time', { to: '2001-01-01T00:00:00Z' }],
    ['somebody who did nothing to such a thing', { actor: 'ada', resourceId: 'thing-3' }],
  ])('T1: a hold on %s keeps no month it has no event in', async (_what, scope) => {
    const hold = await place(scope);
    expect([await held(), monthIn(hold)]).toEqual([false, undefined]);
  });

  it('T1: of an archived month it is known what it is about, not who acted: it is held when it may be meant', async () => {
    const part = `audit_log_ipam_${period.slice(0, 7).replace('-', '_')}`;
    const bounds = await t.sql<{ bounds: string }>(`SELECT pg_get_expr(relpartbound, oid) AS bounds FROM pg_class WHERE relname = $1`, [
      part,
    ]);
    await t.sql(`ALTER TABLE audit_log_ipam DETACH PARTITION ${part}`);
    const scopes: [object, boolean][] = [
      [{ actor: 'somebody who did nothing' }, true],
      [{ resourceId: 'nothing' }, true],
      [{ resourceType: 'vrf' }, true],
      [{ resourceType: 'user' }, false],
      [{ to: '2001-01-01T00:00:00Z' }, false],
      [{ logs: ['access'] }, false],
    ];
    for (const [scope, expected] of scopes) {
      const { id } = await place(scope);
      expect([scope, await held()]).toEqual([scope, expected]);
      const month = monthIn((await other.get(`${HOLDS}/${id}`)).body as LegalHoldView);
      expect([scope, month?.exact]).toEqual([scope, expected ? false : undefined]);
      await other.post(`${HOLDS}/${id}/release`).send({ reason: 'settled' }).expect(200);
    }
    await t.sql(`ALTER TABLE audit_log_ipam ATTACH PARTITION ${part} ${bounds[0]!.bounds}`);
  });

  it('T1: one person places, at once; another one releases, once; both are events that say why', async () => {
    const { id, name } = await place({ actor: 'grace' });
    const own = await placer.post(`${HOLDS}/${id}/release`).send({ reason: 'mine' }).expect(409);
    expect(own.body).toMatchObject({ code: 'hold_four_eyes' });
    expect(await held()).toBe(true);
    const released = await other.post(`${HOLDS}/${id}/release`).send({ reason: 'settled' }).expect(200);
    expect(released.body).toMatchObject({ placedBy: placingUser.id, releaseReason: 'settled', months: [], rows: 0 });
    expect(await held()).toBe(false);
    expect((await other.post(`${HOLDS}/${id}/release`).send({ reason: 'again' }).expect(409)).body).toMatchObject({
      code: 'hold_released',
    });
    expect(await eventsOf(t, `resource_id = $1 AND action LIKE 'hold.%'`, id)).toMatchObject([
      { action: 'hold.placed', category: 'governance', severity: 'high', after: { name, reason: 'a lawsuit', actor: 'grace' } },
      { action: 'hold.released', category: 'governance', severity: 'high', resource: { name } },
    ]);
    const { items } = (await other.get(HOLDS).query({ active: true }).expect(200)).body as LegalHoldPage;
    expect(items.map((hold) => hold.id)).not.toContain(id);
  });

  it('T1: of two who release at once one does', async () => {
    const third = withToken(t, (await signIn(t, await createUser(t, { roles: ['superuser'] }))).accessToken);
    const { id } = await place({ everything: true });
    const answers = await Promise.all([other, third].map((agent) => agent.post(`${HOLDS}/${id}/release`).send({ reason: 'settled' })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(await eventsOf(t, `resource_id = $1 AND action = 'hold.released'`, id)).toHaveLength(1);
  });

  it('T1: releasing needs a proof of identity that is not old, and no key can', async () => {
    const { id } = await place({ everything: true });
    await t.sql(`UPDATE auth_sessions SET authenticated_at = now() - interval '1 day' WHERE user_id <> $1`, [placingUser.id]);
    // What a session may is remembered for up to a second.
    await eventually(async () => (await other.post(`${HOLDS}/${OWNER}/release`).send({ reason: 'settled' })).status === 403);
    expect((await other.post(`${HOLDS}/${id}/release`).send({ reason: 'settled' })).body).toMatchObject({ code: 'recent_proof_required' });
    expect(await held()).toBe(true);
    const proof = await other.post('/api/v1/auth/step-up').send({ password: placingUser.password }).expect(200);
    other = withToken(t, (proof.body as { accessToken: string }).accessToken);
    await other.post(`${HOLDS}/${id}/release`).send({ reason: 'settled' }).expect(200);
    const key = { name: 'a key', permissions: ['audit-hold:write'] };
    expect((await other.post('/api/v1/me/keys').send(key)).body).toMatchObject({ code: 'permission_not_grantable' });
  });

  it('T1: the database itself refuses a release by who placed, a second release, a change and a removal', async () => {
    const { id } = await place({ everything: true });
    const set = (what: string): string => `UPDATE audit_legal_hold SET ${what} WHERE id = '${id}'`;
    const release = (by: string): string => set(`released_at = now(), released_by = '${by}', released_by_name = 'x', release_reason = 'x'`);
    await expect(t.sql(release(placingUser.id))).rejects.toThrow('audit_legal_hold_four_eyes');
    await expect(t.sql(set(`everything = false, logs = '{access}'`))).rejects.toThrow('stays as it was placed');
    await expect(t.sql('DELETE FROM audit_legal_hold')).rejects.toThrow('stays as it was placed');
    await expect(t.sql('TRUNCATE audit_legal_hold')).rejects.toThrow('insert-only');
    const work = t.app.get(UnitOfWork);
    await expect(work.query(set(`actor_id = 'nobody'`))).rejects.toThrow('permission denied');
    await expect(work.query('DELETE FROM audit_legal_hold')).rejects.toThrow('permission denied');
    await t.sql(release('somebody else'));
    await expect(t.sql(release('a third'))).rejects.toThrow('stays as it was placed');
  });

  it.each([
    ['nothing at all', {}, 'hold_says_nothing'],
    ['everything and something', { everything: true, actor: 'ada' }, 'hold_says_nothing'],
    ['a time that ends before it begins', { from: '2026-02-01T00:00:00Z', to: '2026-01-01T00:00:00Z' }, 'hold_period'],
  ])('T1: refuses a hold on %s', async (_what, scope, code) => {
    expect((await placer.post(HOLDS).send(aHold(scope)).expect(422)).body).toMatchObject({ code });
  });

  it('T1: refuses names and reasons that are blank', async () => {
    for (const blank of [{ name: ' ' }, { reason: ' \t' }, { reason: '\u00a0' }])
      expect(
        (
          await placer
            .post(HOLDS)
            .send(aHold({ everything: true, ...blank }))
            .expect(422)
        ).body,
      ).toMatchObject({
        errors: [{ pointer: `/${Object.keys(blank)[0]!}` }],
      });
    const { id } = await place({ everything: true });
    await other.post(`${HOLDS}/${id}/release`).send({ reason: '  ' }).expect(422);
    await other.post(`${HOLDS}/${id}/release`).send({ reason: 'settled' }).expect(200);
  });

  it('T1: a hold that is being placed while a month is about to be dropped wins: who drops waits for it, and sees it', async () => {
    const [placing, dropping] = [await connection(), await connection()];
    await placing.query('BEGIN');
    await placing.query(
      `INSERT INTO audit_legal_hold (name, reason, everything, placed_by, placed_by_name) VALUES ('race', 'x', true, 'x', 'x')`,
    );
    await dropping.query('BEGIN');
    const asked = dropping.query<{ held: boolean }>('SELECT audit_held($1::smallint, $2::date) AS held', [IPAM, period]);
    await eventually(
      async () => (await t.sql(`SELECT FROM pg_locks WHERE NOT granted AND relation = 'audit_legal_hold'::regclass`)).length === 1,
    );
    await placing.query('COMMIT');
    expect((await asked).rows).toEqual([{ held: true }]);
    await dropping.query('ROLLBACK');
    await Promise.all([placing.end(), dropping.end()]);
  });

  it('T1: once a month is being dropped, a hold is placed right after, and says no month it did not keep', async () => {
    const dropping = await connection();
    await dropping.query('BEGIN');
    const { rows } = await dropping.query<{ held: boolean }>('SELECT audit_held($1::smallint, $2::date) AS held', [IPAM, period]);
    expect(rows).toEqual([{ held: false }]);
    let placed = false;
    const placing = place({ everything: true }).then((hold) => {
      placed = true;
      return hold;
    });
    await eventually(
      async () => (await t.sql(`SELECT FROM pg_locks WHERE NOT granted AND relation = 'audit_legal_hold'::regclass`)).length === 1,
    );
    expect(placed).toBe(false);
    await dropping.query('COMMIT');
    expect((await placing).everything).toBe(true);
    await dropping.end();
  });

  it('T1: whoever asks with an older snapshot is refused an answer', async () => {
    const client = await connection();
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await expect(client.query('SELECT audit_held($1::smallint, $2::date)', [IPAM, period])).rejects.toThrow('read committed');
    await client.end();
  });

  it('T1: a subject is held by name, as actor or resource, and by every hold that names nobody', async () => {
    const heldSubject = async (subject: string): Promise<boolean> =>
      (await t.app.get(UnitOfWork).query<{ held: boolean }>('SELECT audit_subject_held($1) AS held', [subject]))[0]!.held;
    expect(await heldSubject('ada')).toBe(false);
    await place({ actor: 'ada' });
    await place({ resourceId: 'thing-1' });
    expect([await heldSubject('ada'), await heldSubject('thing-1'), await heldSubject('grace')]).toEqual([true, true, false]);
    await place({ logs: ['access'] });
    expect(await heldSubject('grace')).toBe(true);
  });
});
