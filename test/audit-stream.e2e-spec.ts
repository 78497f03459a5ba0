import { type AuditEventView } from '../src/audit/log/audit-event.dto.js';
import { StreamSettings } from '../src/audit/stream/stream-settings.js';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { UnitOfWork } from '../src/platform/database/unit-of-work.js';
import { allFiled, eventsOf } from './support/audit-events.js';
import { eventually } from './support/eventually.js';
import { asRole, createUser, signIn, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const STREAM = '/api/v1/audit/stream';

interface Frame {
  event?: string;
  id?: string;
  data?: string;
  comment?: string;
}

/** A client of server-sent events that reads when it is told to. */
class Listener {
  readonly frames: Frame[] = [];
  ended = false;

  private constructor(
    readonly answer: Response,
    private readonly abort: AbortController,
  ) {}

  static async of(t: TestApp, token: string, query = '', headers: Record<string, string> = {}): Promise<Listener> {
    const abort = new AbortController();
    const answer = await fetch(`${t.url}${STREAM}${query}`, {
      headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream', ...headers },
      signal: abort.signal,
    });
    const listener = new Listener(answer, abort);
    if (answer.status === 200) void listener.read().catch(() => undefined);
    return listener;
  }

  get events(): AuditEventView[] {
    return this.frames.flatMap(({ event, data }) => (event === 'audit' ? [JSON.parse(data ?? '') as AuditEventView] : []));
  }

  numbers(action: string): number[] {
    return this.events.filter((event) => event.action === action).map(({ detail }) => (detail as { n: number }).n);
  }

  get lastId(): string {
    return this.frames.findLast(({ id }) => id !== undefined)?.id ?? '';
  }

  close(): void {
    this.abort.abort();
  }

  private async read(): Promise<void> {
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of this.answer.body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
      const parts = text.split('\n\n');
      text = parts.pop() ?? '';
      this.frames.push(...parts.map(frameOf));
    }
    this.ended = true;
  }
}

function frameOf(part: string): Frame {
  const frame: Frame = {};
  for (const line of part.split('\n')) {
    const [, name = '', value = ''] = /^([a-z]*): ?(.*)$/.exec(line) ?? [];
    if (name === '') frame.comment = value;
    else if (name === 'event' || name === 'id' || name === 'data') frame[name] = value;
  }
  return frame;
}

describe('following the trail', () => {
  let t: TestApp;
  let trail: AuditTrail;
  let settings: StreamSettings;
  let token: string;
  const open: Listener[] = [];

  beforeAll(async () => {
    t = await startTestApp();
    trail = t.app.get(AuditTrail);
    settings = t.app.get(StreamSettings);
    Object.assign(settings, { pollMs: 50, recheckMs: 200, heartbeatMs: 300, mostPerUser: 3 });
    token = await aToken();
  });

  afterEach(async () => {
    for (const listener of open.splice(0)) listener.close();
    Object.assign(settings, { mostBehind: 5000 });
    await eventually(async () => (await streamsOpen()) === 0);
  });

  afterAll(() => t.close());

  /** By what the trail says: each that was opened says at its end how much it gave. */
  async function streamsOpen(): Promise<number> {
    const events = await eventsOf(t, `payload LIKE '%"question":"stream"%'`);
    return events.reduce((open, { action }) => open + (action === 'audit.stream_started' ? 1 : -1), 0);
  }

  async function aToken(): Promise<string> {
    return (await signIn(t, await createUser(t, { roles: ['auditor'] }))).accessToken;
  }

  async function listen(query = '', headers: Record<string, string> = {}, as = token): Promise<Listener> {
    const listener = await Listener.of(t, as, query, headers);
    open.push(listener);
    if (listener.answer.status === 200) await eventually(() => listener.frames.length > 0);
    return listener;
  }

  const say = (action: string, n: number, more: object = {}): Promise<void> =>
    trail.recordAlone({ action, category: 'ipam', detail: { n }, ...more });

  it('A11: sends what happens as it is filed, as the search shows it, and what a filter leaves out not at all', async () => {
    const [all, some] = [await listen(), await listen('?action=live.odd')];
    expect(all.answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(all.answer.headers.get('x-content-type-options')).toBe('nosniff');
    for (let n = 0; n < 10; n++) await say(n % 2 === 0 ? 'live.even' : 'live.odd', n);
    await eventually(() => some.events.length === 5 && all.numbers('live.even').length === 5);
    expect(some.numbers('live.odd')).toEqual([1, 3, 5, 7, 9]);
    expect(all.numbers('live.odd')).toEqual([1, 3, 5, 7, 9]);
    const [first] = some.events;
    const shown = await withToken(t, token).get(`/api/v1/audit/events/${first!.id}`).expect(200);
    expect(shown.body).toEqual(first);
  });

  it('A11: loses nothing to a transaction that ends late', async () => {
    const listener = await listen('?action=late.*');
    const work = t.app.get(UnitOfWork);
    let commit = (): void => undefined;
    const held = new Promise<void>((resolve) => (commit = resolve));
    const long = work.run(async () => {
      await trail.record({ action: 'late.long', category: 'ipam', detail: { n: 0 } });
      await work.query('SELECT pg_current_xact_id()');
      await held;
    });
    await say('late.short', 1);
    commit();
    await long;
    await say('late.short', 2);
    await eventually(() => listener.events.length === 3);
    expect(new Set(listener.events.map(({ detail }) => (detail as { n: number }).n))).toEqual(new Set([0, 1, 2]));
  });

  it('A11: Last-Event-ID resumes without a gap and without a repetition, in every class', async () => {
    const listener = await listen('?action=resume.*');
    const categories = ['meta', 'access', 'ipam', 'governance'] as const;
    for (let n = 0; n < 8; n++) await say('resume.first', n, { category: categories[n % 4] });
    await eventually(() => listener.events.length === 8);
    const middle = listener.frames.filter(({ event }) => event === 'audit')[4]!;
    const seen = new Set(listener.events.slice(0, 5).map(({ id }) => id));
    listener.close();
    for (let n = 8; n < 12; n++) await say('resume.first', n, { category: categories[n % 4] });
    await allFiled(t);
    const again = await listen('?action=resume.*', { 'last-event-id': middle.id! });
    await eventually(() => again.events.length === 7);
    const everything = (await eventsOf(t, `action = 'resume.first'`)).map(({ id }) => id);
    expect(again.events.map(({ id }) => id).sort()).toEqual(everything.filter((id) => !seen.has(id)).sort());
  });

  it('A11: says when nothing happens, with an id to resume from', async () => {
    const listener = await listen('?action=nothing.of_the_kind');
    const heartbeat = await eventually(() => listener.frames.find(({ comment }) => comment === 'heartbeat'));
    expect(heartbeat.id).toBeDefined();
    await say('heard.after', 1);
    await allFiled(t);
    const again = await listen('?action=heard.after', { 'last-event-id': heartbeat.id! });
    await eventually(() => again.numbers('heard.after').length === 1);
  });

  it('A11: whoever is too far behind is told how much they missed, and goes on from there', async () => {
    const before = await listen('?action=gap.*');
    const id = await eventually(() => before.frames.find((frame) => frame.id !== undefined)?.id);
    before.close();
    for (let n = 0; n < 30; n++) await say('gap.missed', n);
    await allFiled(t);
    Object.assign(settings, { mostBehind: 20 });
    const listener = await listen('?action=gap.*', { 'last-event-id': id });
    const gap = await eventually(() => listener.frames.find(({ event }) => event === 'gap'));
    expect((JSON.parse(gap.data!) as { skipped: number }).skipped).toBeGreaterThanOrEqual(30);
    expect(listener.events).toEqual([]);
    await say('gap.heard', 1);
    await eventually(() => listener.numbers('gap.heard').length === 1);
  });

  it('A12: ends within seconds when the session does', async () => {
    const user = await createUser(t, { roles: ['auditor'] });
    const { accessToken } = await signIn(t, user);
    const listener = await listen('', {}, accessToken);
    await withToken(t, accessToken).post('/api/v1/auth/logout').expect(204);
    await eventually(() => listener.ended, 5000);
    expect(listener.frames.at(-1)).toMatchObject({ event: 'end', data: '{"reason":"unauthenticated"}' });
  });

  it('A12: ends when the right to it is taken', async () => {
    const user = await createUser(t, { roles: ['auditor'] });
    const listener = await listen('', {}, (await signIn(t, user)).accessToken);
    await t.sql('DELETE FROM user_roles WHERE user_id = $1', [user.id]);
    await expect(eventually(() => listener.ended, 5000)).resolves.toBe(true);
  });

  it('A11: nobody has more than so many streams, and one that is closed makes room', async () => {
    const mine = [await listen(), await listen(), await listen()];
    const refused = await listen();
    expect([refused.answer.status, refused.answer.headers.get('retry-after')]).toEqual([429, '5']);
    expect(await refused.answer.json()).toMatchObject({ code: 'too_many_streams' });
    expect((await listen('', {}, await aToken())).answer.status).toBe(200);
    mine[0]!.close();
    await eventually(async () => (await listen()).answer.status === 200);
  });

  it('A11, A12: a stream that cannot be recorded is refused, and takes nobody’s place', async () => {
    await t.sql(`ALTER TABLE audit_inbox ADD CONSTRAINT refuse_streams CHECK (payload NOT LIKE '%audit.stream_started%') NOT VALID`);
    try {
      for (let n = 0; n <= settings.mostPerUser; n++) expect((await listen()).answer.status).toBe(422);
    } finally {
      await t.sql('ALTER TABLE audit_inbox DROP CONSTRAINT refuse_streams');
    }
    expect((await listen()).answer.status).toBe(200);
  });

  it('A12: that somebody listens is in the trail from the beginning, and at the end how much they heard', async () => {
    const listener = await listen('?action=told.*', { 'x-request-id': 'a-stream-of-mine' });
    const told = (): Promise<AuditEventView[]> => eventsOf(t, 'correlation_id = $1', 'a-stream-of-mine');
    expect(await told()).toMatchObject([
      { action: 'audit.stream_started', outcome: 'unknown', detail: { question: 'stream', filters: { action: 'told.*' } } },
    ]);
    await say('told.it', 1);
    await eventually(() => listener.events.length === 1);
    listener.close();
    const events = await eventually(async () => ((await told()).length === 2 ? told() : undefined));
    expect(events[1]).toMatchObject({ action: 'audit.read', detail: { attempt: events[0]!.id, question: 'stream', count: 1 } });
  });

  it('A11: who does not accept an event stream gets what there is, and the end', async () => {
    const listener = await listen('?action=once.*');
    const id = await eventually(() => listener.frames.find((frame) => frame.id !== undefined)?.id);
    await say('once.said', 7);
    await allFiled(t);
    const agent = withToken(t, token);
    const { text } = await agent.get(`${STREAM}?action=once.*`).set('last-event-id', id).set('x-request-id', 'once-only').expect(200);
    expect(text).toContain('"action":"once.said"');
    expect(await eventsOf(t, 'correlation_id = $1', 'once-only')).toMatchObject([
      { action: 'audit.stream_started', outcome: 'unknown' },
      { action: 'audit.read', detail: { question: 'stream', count: 1 } },
    ]);
    await agent.head(STREAM).set('accept', 'text/event-stream').expect(200);
  });

  it.each([
    'x',
    'WyJhIl0',
    Buffer.from('["0~yesterday~5"]').toString('base64url'),
    Buffer.from('["0~9999-99-99 00:00:00+00~5"]').toString('base64url'),
    Buffer.from('["0~2026-02-30 00:00:00+00~5"]').toString('base64url'),
    Buffer.from('["0~2026-02-03 24:00:01+00~5"]').toString('base64url'),
    Buffer.from('["0~0000-02-03 00:00:00+00~5"]').toString('base64url'),
    Buffer.from('["0~2026-02-03 00:00:00+99~5"]').toString('base64url'),
    '',
  ])('A11: an id that no stream gave is refused: %s', async (id) => {
    const answer = await withToken(t, token).get(STREAM).set('last-event-id', id);
    expect([answer.status, (answer.body as { code?: string }).code]).toEqual([400, 'bad_event_id']);
  });

  it('A12: only who may read the trail may follow it', async () => {
    await (await asRole(t, 'viewer')).get(STREAM).expect(403);
    await t.anonymous.get(STREAM).expect(401);
  });

  it('A11: an open stream does not keep the server from closing', async () => {
    const other = await startTestApp({}, t.database);
    const listener = await Listener.of(other, (await signIn(other, await createUser(other, { roles: ['auditor'] }))).accessToken);
    await eventually(() => listener.frames.length > 0);
    const began = performance.now();
    await other.close();
    expect(performance.now() - began).toBeLessThan(8000);
    listener.close();
  });
});
