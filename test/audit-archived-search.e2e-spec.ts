import { type Agent } from 'supertest';
import { ArchiveRepository } from '../src/audit/archive/archive.repository.js';
import { Archiver } from '../src/audit/archive/archiver.js';
import { ArchiveSettings } from '../src/audit/archive/archive-settings.js';
import { matcherOf } from '../src/audit/archive/event-matcher.js';
import { MonthReader } from '../src/audit/archive/month-reader.js';
import { RetentionRun } from '../src/audit/archive/retention-run.js';
import { type AuditEventPage, type AuditEventView } from '../src/audit/log/audit-event.dto.js';
import { type AuditQuestion } from '../src/audit/log/audit-query.js';
import { type SubjectView } from '../src/audit/personal/erasure.dto.js';
import { type AuditEvent, type AuditSeverity } from '../src/audit/trail/audit-event.js';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { Clock } from '../src/kernel/clock.js';
import { runInContext } from '../src/platform/context/request-context.js';
import { cursorOf } from '../src/platform/http/cursor.js';
import { type OpenedObject } from '../src/platform/storage/object-storage.js';
import { eventsOf, holdFiling } from './support/audit-events.js';
import { eventually } from './support/eventually.js';
import { FaultyStorage } from './support/faulty-storage.js';
import { allSealed, asAttacker, sharedKeys } from './support/sealed-log.js';
import { asRole } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { copyTestDatabase, createTestDatabase, type TestDatabase } from './support/test-database.js';
import { monthsClosed, setTrailBack, statesOf } from './support/years.js';

const EVENTS = '/api/v1/audit/events';
const DAY = 86_400_000;
/** Long past everything, in two months; and today, which stays in the log. */
const AGO = [1500, 1440, 0];
const EACH = 40;
const keys = { ...sharedKeys(), CADASTRE_SECRET_KEYS: `a:${Buffer.alloc(32, 7).toString('base64url')}` };
const ANN = { kind: 'user', id: '0198a000-0000-7000-8000-00000000000a', name: 'Ann Elk' };
const BOB = { kind: 'user', id: '0198a000-0000-7000-8000-00000000000b', name: 'bob@example.net' };
const ROBOT = { kind: 'system', id: 'robot', name: 'robot' };
const ACTIONS = ['told.created', 'told.updated', 'told_pool.created', 'toldXpool.created', 'other.failed'];
const ADDRESSES = ['81.2.69.160', '81.2.70.1', '2a02:d500::1', undefined];
const SEVERITIES: AuditSeverity[] = ['info', 'low', 'high'];
const WORDS = ['heron', 'under-the "loud" viaduct', 'web01.example.net', '192.0.2.77', 'a\tb', 'C:\\temp\\x', 'heronry'];

/** The same sequence every time: a small linear congruential generator. */
function randomly(seed: number): <T>(among: readonly T[]) => T {
  let state = seed;
  return (among) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return among[Math.floor((state / 2 ** 31) * among.length)]!;
  };
}

async function tell(t: TestApp, count: number, batch: string): Promise<void> {
  const pick = randomly(batch.length * 77 + batch.charCodeAt(batch.length - 1));
  for (let n = 0; n < count; n++) {
    const event: AuditEvent = {
      action: pick(ACTIONS),
      category: pick(['ipam', 'ipam', 'governance']),
      actor: pick([ANN, BOB, ROBOT]),
      severity: pick(SEVERITIES),
      outcome: pick(['success', 'failure']),
      flags: pick([[], ['sox'], ['sox', 'gdpr']]),
      resource: {
        type: pick(['thing', 'place']),
        id: pick([`of-${batch}-1`, `of-${batch}-2`, `of-${batch}-3`, 'of-all']),
        name: pick(WORDS),
      },
      detail: { n, words: pick(WORDS) },
    };
    const from = pick(ADDRESSES);
    const context = { requestId: `told-${batch}-${n % 20}`, ...(from === undefined ? {} : { clientAddress: from }) };
    await runInContext(context, () => t.app.get(AuditTrail).recordAlone(event));
  }
}

const at = (days: number): Date => new Date(Date.now() - days * DAY);

/** What this file has told, without what the trail says of itself. */
const toldIds = (items: readonly AuditEventView[]): string[] =>
  items.filter(({ correlationId }) => correlationId?.startsWith('told-')).map(({ id }) => id);

const questions: AuditQuestion[] = [
  {},
  { actor: ANN.id },
  { action: 'told.created' },
  { action: 'told_*' },
  { action: 'CREATE' },
  { category: 'governance' },
  { severity: 'high' },
  { outcome: 'failure' },
  { resourceType: 'place' },
  { resourceId: 'of-batch0-2' },
  { correlationId: 'told-batch1-7' },
  { clientAddress: '81.2.69.160' },
  { clientAddress: '::ffff:81.2.69.160' },
  { clientAddress: '81.2.0.0/16' },
  { clientAddress: '2a02:d500::/32' },
  { flag: 'gdpr' },
  { text: 'heron' },
  { text: 'her* told' },
  { text: 'WEB01 example' },
  { text: '"loud" under-the' },
  { text: 'C:\\temp' },
  { text: '!!' },
  { actorName: 'ann ELK' },
  { actorName: BOB.name },
  { actorName: 'robot' },
  { from: at(1470) },
  { to: at(1470) },
  { from: at(1600), to: at(1000) },
  { text: 'heron', actor: BOB.id, category: 'ipam', flag: 'sox' },
];

const queryOf = ({ from, to, ...rest }: AuditQuestion): Record<string, unknown> => ({
  ...rest,
  ...(from ? { from: from.toISOString() } : {}),
  ...(to ? { to: to.toISOString() } : {}),
});

/** How often what was fetched. */
class CountingStorage extends FaultyStorage {
  readonly fetched: string[] = [];

  override get(key: string, options?: { range?: { offset: number; length: number } }): Promise<OpenedObject> {
    this.fetched.push(key);
    return super.get(key, options);
  }
}

let original: TestDatabase;

beforeAll(async () => {
  original = await createTestDatabase();
  // Before anything is sealed: the log's time never goes back.
  await setTrailBack(original, AGO[0]!);
  const t = await startTestApp(keys, original);
  const clock = t.app.get(Clock);
  const real = clock.now.bind(clock);
  for (const [i, days] of AGO.entries()) {
    await setTrailBack(original, days);
    clock.now = () => new Date(real().getTime() - days * DAY);
    await tell(t, EACH, `batch${i}`);
    clock.now = real;
    await allSealed(t);
  }
  await monthsClosed(t);
  await allSealed(t);
  await t.close();
}, 180_000);

afterAll(() => original.drop());

interface Archived {
  t: TestApp;
  auditor: Agent;
  store: CountingStorage;
}

/** The application on a copy of that database. */
async function onCopy(work: (archived: Archived) => Promise<void>): Promise<void> {
  const copy = await copyTestDatabase(original);
  try {
    const t = await startTestApp(keys, copy);
    try {
      const settings = t.app.get(ArchiveSettings);
      const store = new CountingStorage(await settings.store());
      settings.store = () => Promise.resolve(store);
      await work({ t, store, auditor: await asRole(t, 'superuser') });
    } finally {
      await t.close();
    }
  } finally {
    await copy.drop();
  }
}

async function archive(t: TestApp): Promise<void> {
  expect(await t.app.get(RetentionRun).run({ requestedBy: 'test' })).toMatchObject({ state: 'done', error: null });
}

async function hot(auditor: Agent, question: AuditQuestion): Promise<AuditEventView[]> {
  const answer = await auditor
    .get(EVENTS)
    .query({ limit: 1000, ...queryOf(question) })
    .expect(200);
  return (answer.body as AuditEventPage).items;
}

/** Everything, in pages. */
async function paged(auditor: Agent, question: AuditQuestion, limit = 7, path = EVENTS): Promise<AuditEventView[]> {
  const items: AuditEventView[] = [];
  for (let after: string | undefined, pages = 0; ; pages++) {
    const answer = await auditor
      .get(path)
      .query({ archived: true, limit, ...queryOf(question), ...(after === undefined ? {} : { after }) })
      .expect(200);
    const page = answer.body as AuditEventPage;
    expect(page.items.length).toBeLessThanOrEqual(limit);
    items.push(...page.items);
    if (page.next === null) return items;
    if (pages > 200) throw new Error('The pages do not end.');
    after = page.next;
  }
}

describe('searching months that are no longer in the database', () => {
  it('A11, T5: finds by every filter what was found before they left, each once, and marks it', async () => {
    await onCopy(async ({ t, auditor, store }) => {
      const before: string[][] = [];
      for (const question of questions) before.push(toldIds(await hot(auditor, question)));
      expect(before.filter((ids) => ids.length > 0).length).toBeGreaterThan(questions.length - 3);
      await archive(t);
      expect(await statesOf(t, 'ipam')).toEqual(['detached', 'detached']);
      for (const [i, question] of questions.entries()) {
        const found = await paged(auditor, question);
        const ids = toldIds(found);
        expect([question, ids.toSorted()]).toEqual([question, before[i]!.toSorted()]);
        expect(ids).toEqual(ids.toSorted().reverse());
        const kept = found.filter(({ archived }) => archived === true).map(({ id }) => id);
        expect(new Set(found.map(({ id }) => id)).size).toBe(found.length);
        expect(found.slice(-kept.length || found.length).every(({ archived }) => archived === true || kept.length === 0)).toBe(true);
      }
      expect(toldIds(await hot(auditor, {}))).toHaveLength(EACH);
      const [event] = (await paged(auditor, { to: at(1470), actor: ANN.id })).filter(({ correlationId }) =>
        correlationId?.startsWith('told-'),
      );
      expect(event).toMatchObject({ archived: true, filed: true, actor: ANN, quarantined: null });
      expect(store.fetched.some((key) => key.endsWith('.zst'))).toBe(true);

      // The same once their tables are dropped, with what is not filed yet in front.
      await t.sql(`UPDATE audit_archive SET detached_at = detached_at - interval '8 days'`);
      await archive(t);
      expect(await statesOf(t, 'ipam')).toEqual(['dropped', 'dropped']);
      const release = await holdFiling(t);
      try {
        await tell(t, 9, 'batch3');
        const found = await paged(auditor, {});
        expect(new Set(toldIds(found)).size).toBe(AGO.length * EACH + 9);
        expect(toldIds(found)).toHaveLength(AGO.length * EACH + 9);
        expect(found.slice(0, 9).every(({ filed }) => !filed)).toBe(true);
      } finally {
        await release();
      }
    });
  });

  it('A13, A14: an export and a report have what is archived too, or say how many months they leave out', async () => {
    await onCopy(async ({ t, auditor, store }) => {
      const exported = async (question: AuditQuestion, archived: boolean): Promise<{ events: AuditEventView[]; end: unknown }> => {
        const { text } = await auditor
          .get('/api/v1/audit/export')
          .query({ archived, ...queryOf(question) })
          .buffer()
          .expect(200);
        const lines = text.trimEnd().split('\n');
        const end: unknown = JSON.parse(lines.pop() ?? '');
        return { events: lines.map((line) => JSON.parse(line) as AuditEventView), end };
      };
      const before: string[][] = [];
      for (const question of questions) before.push(toldIds(await hot(auditor, question)));
      await archive(t);
      const both = await t.app.get(ArchiveRepository).archived();
      for (const [i, question] of questions.entries()) {
        const { events, end } = await exported(question, true);
        expect([question, toldIds(events).toSorted()]).toEqual([question, before[i]!.toSorted()]);
        const isArchived = events.map(({ archived }) => archived === true);
        expect(isArchived).toEqual(isArchived.toSorted((a, b) => Number(b) - Number(a)));
        expect(end).toMatchObject({ count: events.length, archivedMonths: 0 });
      }
      const short = await exported({}, false);
      expect(short.events.some(({ archived }) => archived)).toBe(false);
      expect(short.end).toMatchObject({ archivedMonths: both.length });
      expect((await exported({ from: at(1) }, false)).end).toMatchObject({ archivedMonths: 0 });

      const report = async (query: Record<string, unknown>): Promise<string[]> =>
        (await auditor.get('/api/v1/audit/reports/data-subject').query(query).buffer().expect(200)).text.trimEnd().split('\n');
      const whole = await report({ user: ANN.id });
      const [, , ...ofAnn] = [whole.pop(), whole.shift(), ...whole.map((line) => JSON.parse(line) as AuditEventView)] as const;
      expect(toldIds(ofAnn).toSorted()).toEqual(before[1]!.toSorted());
      expect(JSON.parse((await report({ user: ANN.id, archived: false })).pop()!)).toMatchObject({ archivedMonths: both.length });

      // What one page, the timeline and the figures leave out, they say.
      for (const [path, query] of [
        ['events', { actor: ANN.id }],
        ['timeline', { resourceType: 'place', resourceId: 'of-batch0-1' }],
        ['stats', { from: at(2000).toISOString() }],
      ] as const)
        expect((await auditor.get(`/api/v1/audit/${path}`).query(query).expect(200)).body).toMatchObject({ archivedMonths: both.length });
      expect((await auditor.get('/api/v1/audit/stats').expect(200)).body).toMatchObject({ archivedMonths: 0 });

      // A month that comes back meanwhile would be in it twice, or not at all.
      const reader = t.app.get(MonthReader);
      const repository = t.app.get(ArchiveRepository);
      const frames = reader.frames.bind(reader);
      reader.frames = async function* (month, asked) {
        yield* frames(month, asked);
        if (month.log === 'ipam') await t.app.get(Archiver).undo(await repository.claim(month), new Date());
        reader.frames = frames;
      };
      await expect(exported({}, true)).rejects.toThrow();
      expect(await eventsOf(t, `action = 'audit.exported' AND outcome = 'failure'`)).toMatchObject([
        { detail: { brokenOff: true, reason: 'archive_state_changed' } },
      ]);

      store.fault = 'get is altered';
      const refused = await auditor.get('/api/v1/audit/export').query({ archived: true }).expect(409);
      expect(refused.body).toMatchObject({ code: 'archive_broken' });
    });
  });

  it('A11: months that are back for a while are exported from there', async () => {
    await onCopy(async ({ t, auditor, store }) => {
      await archive(t);
      const [month] = (await t.app.get(ArchiveRepository).archived()).filter(({ log }) => log === 'ipam');
      await auditor
        .post(`/api/v1/audit/archive/periods/ipam/${month!.period.slice(0, 7)}/rehydrate`)
        .send({ days: 1 })
        .expect(202);
      await eventually(async () => (await t.sql(`SELECT FROM audit_rehydration WHERE state = 'ready'`)).length === 1, 20_000);
      store.fetched.length = 0;
      const { text } = await auditor
        .get('/api/v1/audit/export')
        .query({ archived: true, category: 'ipam', to: at(1470).toISOString() })
        .buffer()
        .expect(200);
      expect(text.trimEnd().split('\n').length).toBeGreaterThan(10);
      expect(store.fetched.filter((key) => key.includes('/ipam/') && key.includes(month!.period.slice(0, 7)))).toEqual([]);
    });
  });

  it('A11, A13: a timeline has what is archived too, from its beginning or from now backwards, also of months that are back', async () => {
    await onCopy(async ({ t, auditor, store }) => {
      // One thing that lives in all three months.
      const thing = { resourceType: 'thing', resourceId: 'of-all' };
      const before = toldIds(await hot(auditor, thing)).toSorted();
      await archive(t);
      const kept = toldIds(await hot(auditor, thing)).length;
      expect(kept > 1 && before.length - kept > 3).toBe(true);
      const timeline = async (order: 'oldest' | 'newest', limit: number): Promise<AuditEventView[]> =>
        paged(auditor, { ...thing, order } as AuditQuestion, limit, '/api/v1/audit/timeline');
      const all = async (): Promise<void> => {
        for (const limit of [1, 2, before.length - kept, before.length, 1000]) {
          const oldest = await timeline('oldest', limit);
          expect(toldIds(oldest)).toEqual(before);
          expect(oldest.map(({ archived }) => archived === true)).toEqual(before.map((_, i) => i < before.length - kept));
          expect(toldIds(await timeline('newest', limit))).toEqual(before.toReversed());
        }
      };
      await all();
      const [month] = (await t.app.get(ArchiveRepository).archived()).filter(({ log }) => log === 'ipam');
      await auditor
        .post(`/api/v1/audit/archive/periods/ipam/${month!.period.slice(0, 7)}/rehydrate`)
        .send({ days: 1 })
        .expect(202);
      await eventually(async () => (await t.sql(`SELECT FROM audit_rehydration WHERE state = 'ready'`)).length === 1, 20_000);
      await all();
      store.fault = 'get is altered';
      const broken = await auditor
        .get('/api/v1/audit/timeline')
        .query({ ...thing, archived: true, limit: 1000 })
        .expect(409);
      expect(broken.body).toMatchObject({ code: 'archive_broken' });
    });
  });

  it('T5: is said in the trail', async () => {
    await onCopy(async ({ t, auditor }) => {
      await archive(t);
      const found = await paged(auditor, { correlationId: 'told-batch0-3' }, 100);
      const said = await eventsOf(t, `action = 'audit.read' AND payload LIKE '%"archived"%'`);
      expect(said.map(({ detail }) => detail)).toEqual([
        { question: 'archived', filters: { correlationId: 'told-batch0-3' }, firstPage: true, count: found.length },
      ]);
    });
  });

  it('A11: does not fetch an archive that cannot have it', async () => {
    await onCopy(async ({ t, auditor, store }) => {
      await archive(t);
      const fetched = async (question: AuditQuestion): Promise<string[]> => {
        store.fetched.length = 0;
        await paged(auditor, question, 100);
        return [...new Set(store.fetched)];
      };
      expect((await fetched({})).length).toBe(4);
      for (const question of [
        { severity: 'critical' },
        { resourceType: 'constructor' },
        { category: 'reads' },
        { from: at(-1) },
        { to: at(2000) },
      ] as AuditQuestion[])
        expect([question, await fetched(question)]).toEqual([question, []]);
      const ipam = async (question: AuditQuestion): Promise<string[]> => (await fetched(question)).filter((key) => key.includes('/ipam/'));
      const [older, newer] = [await ipam({ to: at(1470) }), await ipam({ from: at(1470) })];
      expect([older.length, newer.length]).toEqual([1, 1]);
      expect(older).not.toEqual(newer);
      // These by Bloom filters, of which one in a hundred may be wrong.
      for (const question of [{ resourceId: 'of-nowhere' }, { actor: 'nobody-at-all' }, { correlationId: 'told-never' }])
        expect([question, (await fetched(question)).length <= 1]).toEqual([question, true]);
    });
  });

  it('T6: shows nothing of an archive that is not what was stored', async () => {
    await onCopy(async ({ t, auditor, store }) => {
      await archive(t);
      const broken = async (): Promise<void> => {
        const answer = await auditor
          .get(EVENTS)
          .query({ archived: true, limit: 1000, to: at(1470).toISOString() })
          .expect(409);
        expect(answer.body).toMatchObject({ code: 'archive_broken' });
        expect(answer.body).not.toHaveProperty('items');
      };
      for (const fault of ['get is altered', 'get is cut', 'get is empty'] as const) {
        store.fault = fault;
        await broken();
      }
      store.fault = undefined;
      // Others are not concerned.
      expect(toldIds(await paged(auditor, { from: at(1470) }))).toHaveLength(2 * EACH);
      const manifests = `UPDATE audit_archive SET manifest = `;
      const months = await t.app.get(ArchiveRepository).archived();
      const rows = await t.sql<{ class: number; period: string; manifest: string }>(
        'SELECT class, period::text, manifest FROM audit_archive WHERE manifest IS NOT NULL ORDER BY class, period',
      );
      expect(rows).toHaveLength(months.length);
      const [first, second] = rows;
      // A true one, of another month; and one that nobody signed.
      await asAttacker(t.database, `${manifests}$m$${second!.manifest}$m$ WHERE class = ${first!.class} AND period = '${first!.period}'`);
      await broken();
      const forged = first!.manifest.replace('"rows":', '"rows": ');
      expect(forged).not.toBe(first!.manifest);
      await asAttacker(t.database, `${manifests}$m$${forged}$m$ WHERE class = ${first!.class} AND period = '${first!.period}'`);
      await broken();
      await asAttacker(t.database, `${manifests}$m$${first!.manifest}$m$ WHERE class = ${first!.class} AND period = '${first!.period}'`);
      expect(toldIds(await paged(auditor, { to: at(1470) }))).toHaveLength(EACH);
      // Gone from its store.
      await store.delete(months[0]!.objectKey!);
      await broken();
    });
  });

  it('T5, T7: who was erased stays erased', async () => {
    await onCopy(async ({ t, auditor }) => {
      await archive(t);
      expect((await paged(auditor, { actorName: ANN.name })).length).toBeGreaterThan(0);
      await auditor.post(`/api/v1/audit/subjects/${ANN.id}/erasure`).send({ reason: 'She asked for it.' }).expect(202);
      // The log forgets her names a little later; an archive never had them.
      await eventually(async () => {
        const { logs } = (await auditor.get(`/api/v1/audit/subjects/${ANN.id}`).expect(200)).body as SubjectView;
        return logs.every(({ findable }) => findable === 0);
      }, 20_000);
      for (const question of [{ actorName: ANN.name }, { actorName: ANN.id }, { text: 'elk' }])
        expect([question, toldIds(await paged(auditor, question))]).toEqual([question, []]);
      expect(toldIds(await paged(auditor, { clientAddress: '0.0.0.0/0', actor: ANN.id }))).toEqual([]);
      const left = (await paged(auditor, { actor: ANN.id })).filter(({ archived }) => archived === true);
      expect(left.length).toBeGreaterThan(5);
      for (const event of left) expect(event).toMatchObject({ erased: true, actor: { id: ANN.id, name: ANN.id } });
    });
  });

  it('T5: a cursor that no page gave is refused', async () => {
    await onCopy(async ({ t, auditor }) => {
      await archive(t);
      const cursors = [
        'nonsense',
        cursorOf(['archived', '2020-01-02', 'g']),
        cursorOf(['archived', '2020-01-01', 'h']),
        cursorOf(['archived', '2020-01-01']),
        cursorOf(['other', '2020-01-01', 'g']),
      ];
      for (const after of cursors) {
        const answer = await auditor.get(EVENTS).query({ archived: true, after }).expect(400);
        expect(answer.body).toMatchObject({ code: 'bad_cursor' });
      }
      await auditor
        .get(EVENTS)
        .query({ after: cursorOf(['archived', '2020-01-01', 'g']) })
        .expect(400);
      await auditor.get(EVENTS).query({ archived: 'perhaps' }).expect(400);
    });
  });
});

describe('the filters for archived events', () => {
  it('A11: say the same as those of the log, of random questions', async () => {
    await onCopy(async ({ t, auditor }) => {
      const events = await eventsOf(t, `correlation_id LIKE 'told-%'`);
      expect(events).toHaveLength(AGO.length * EACH);
      const pick = randomly(4711);
      const maybe = <K extends string, T>(name: K, among: readonly T[]): Partial<Record<K, T>> =>
        pick([true, false, false, false]) ? ({ [name]: pick(among) } as Partial<Record<K, T>>) : {};
      let matched = 0;
      for (let n = 0; n < 150; n++) {
        const question = {
          ...maybe('actor', [ANN.id, BOB.id, 'robot']),
          ...maybe('action', [...ACTIONS, '*.created', 'told*', 'CREATE', 'ERROR', 'told_*', '*']),
          ...maybe('category', ['ipam', 'governance', 'access']),
          ...maybe('severity', SEVERITIES),
          ...maybe('outcome', ['success', 'failure', 'denied']),
          ...maybe('resourceType', ['thing', 'place', 'thin']),
          ...maybe('resourceId', ['of-batch0-1', 'of-batch2-3']),
          ...maybe('correlationId', ['told-batch0-1', 'told-batch1-2']),
          ...maybe('clientAddress', ['81.2.69.160', '81.2.0.0/16', '::/0', '0.0.0.0/0', '2a02:d500:0::1']),
          ...maybe('flag', ['sox', 'gdpr', 'so']),
          ...maybe('text', [
            'heron',
            'her*',
            'web01',
            'loud',
            '192.0.2.77',
            'c:\\temp',
            'x',
            'elk',
            'bob@example.net',
            'ann a b',
            '0',
            'of batch1',
          ]),
          ...maybe('actorName', ['Ann Elk', 'ANN ELK', 'robot', 'ann']),
          ...maybe('from', [at(1470), at(700), at(0.001)]),
          ...maybe('to', [at(1470), at(700), at(0.001)]),
        } as AuditQuestion;
        const { matches, matchesOpened } = matcherOf(question);
        const said = events.map((event) => event as unknown as Parameters<typeof matches>[0]);
        const byMatcher = said.filter((event) => matches(event) && (matchesOpened?.(event) ?? true)).map(({ id }) => id);
        expect([question, byMatcher.toSorted()]).toEqual([question, toldIds(await hot(auditor, question)).toSorted()]);
        if (byMatcher.length > 0) matched++;
      }
      expect(matched).toBeGreaterThan(30);
    });
  });
});
