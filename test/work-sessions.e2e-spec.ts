import { type Agent } from 'supertest';
import { eventsOf } from './support/audit-events.js';
import { asRole, createUser, signIn, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const PATH = '/api/v1/work-sessions';

interface Session {
  id: string;
  version: number;
  active: boolean;
  endedAt: string | null;
  entries: number;
  title: string;
  context: object;
}

interface Entries {
  items: { seq: number; kind: string; content: string | null }[];
  next: string | null;
}

describe('work sessions', () => {
  let t: TestApp;
  let ada: Agent;
  let bob: Agent;
  let adaId: string;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false' });
    const user = await createUser(t, { roles: ['viewer'] });
    adaId = user.id;
    ada = withToken(t, (await signIn(t, user)).accessToken);
    bob = await asRole(t, 'superuser');
  });

  afterAll(() => t.close());

  async function begin(body: object = {}): Promise<Session> {
    return (
      await ada
        .post(PATH)
        .send({ title: 'Plan', ...body })
        .expect(201)
    ).body as Session;
  }

  it('S2: is begun with a thread, a title and a context, renamed, ended and resumed', async () => {
    const made = await begin({ threadId: 'bern:1', context: { step: 1 } });
    expect(made).toMatchObject({ threadId: 'bern:1', title: 'Plan', context: { step: 1 }, active: true, endedAt: null, version: 1 });
    const renamed = await ada.patch(`${PATH}/${made.id}`).set('if-match', '"1"').send({ title: 'Plan for Bern' }).expect(200);
    expect(renamed.body).toMatchObject({ title: 'Plan for Bern', context: { step: 1 }, version: 2 });
    const ended = (await ada.post(`${PATH}/${made.id}/end`).expect(200)).body as Session;
    expect(ended).toMatchObject({ active: false, endedAt: expect.stringMatching(/Z$/) as string });
    const resumed = (await ada.post(`${PATH}/${made.id}/resume`).expect(200)).body as Session;
    expect(resumed).toMatchObject({ active: true, endedAt: null, title: 'Plan for Bern' });
    const again = (await ada.post(`${PATH}/${made.id}/resume`).expect(200)).body as Session;
    expect(again.version).toBe(resumed.version);
  });

  it('S2, ASVS 8.2.2: is nobody else’s, whatever their rights', async () => {
    const { id } = await begin();
    for (const [method, path] of [
      ['get', ''],
      ['patch', ''],
      ['post', '/end'],
      ['post', '/resume'],
      ['get', '/entries'],
    ] as const)
      expect((await bob[method](`${PATH}/${id}${path}`).send(method === 'patch' ? { title: 'Mine' } : undefined)).status).toBe(404);
    await bob.post(`${PATH}/${id}/messages`).send({ role: 'user', content: 'hello' }).expect(404);
    expect(((await bob.get(PATH).expect(200)).body as { items: Session[] }).items.map((s) => s.id)).not.toContain(id);
  });

  it('S2: what has ended takes nothing more: 409', async () => {
    const { id } = await begin();
    await ada.post(`${PATH}/${id}/end`).expect(200);
    for (const [path, body] of [
      ['', { title: 'Late' }],
      ['/messages', { role: 'user', content: 'late' }],
      ['/executions', { kind: 'query_agent', agent: 'a', summary: 'late', outcome: 'success' }],
    ] as const) {
      const answer = await ada[path === '' ? 'patch' : 'post'](`${PATH}/${id}${path}`).send(body);
      expect({ status: answer.status, code: (answer.body as { code: string }).code }).toEqual({ status: 409, code: 'work_session_ended' });
    }
  });

  it('S2: another version is refused: 409 by the body, 412 by If-Match; of two who write at once one is told', async () => {
    const { id } = await begin();
    await ada.patch(`${PATH}/${id}`).send({ title: 'Second' }).expect(200);
    expect((await ada.patch(`${PATH}/${id}`).send({ title: 'Third', version: 1 }).expect(409)).body).toMatchObject({
      code: 'work_session_changed',
      version: 2,
    });
    await ada.patch(`${PATH}/${id}`).set('if-match', '"1"').send({ title: 'Third' }).expect(412);
    const racers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => ada.patch(`${PATH}/${id}`).send({ title: `Race ${i}`, version: 2 })),
    );
    expect(racers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 9 }, () => 409)]);
  });

  it('S2: the context is a JSON object of at most 64 KiB', async () => {
    const { id } = await begin();
    const big = await ada.patch(`${PATH}/${id}`).send({ context: { text: 'x'.repeat(65_536) } });
    expect({ status: big.status, body: big.body as object }).toMatchObject({
      status: 422,
      body: { code: 'context_too_large', errors: [{ pointer: '/context' }] },
    });
    await ada
      .patch(`${PATH}/${id}`)
      .send({ context: { text: 'x'.repeat(60_000) } })
      .expect(200);
    await ada
      .patch(`${PATH}/${id}`)
      .send({ context: [1] })
      .expect(422);
    await ada.patch(`${PATH}/${id}`).send({ context: null }).expect(422);
    const row = await t.sql<{ n: number }>('SELECT length(context::text) AS n FROM work_sessions WHERE id = $1', [id]);
    expect(row[0]?.n).toBeGreaterThan(60_000);
  });

  it('S2: one thread has one session, also when two begin it at once', async () => {
    const racers = await Promise.all(
      Array.from({ length: 8 }, () => ada.post(PATH).send({ threadId: 'the thread'.replace(' ', ':'), title: 'T' })),
    );
    expect(racers.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 7 }, () => 409)]);
    const bobs = await bob.post(PATH).send({ threadId: 'the:thread', title: 'T' });
    expect(bobs.status).toBe(201);
  });

  it('S3: messages and executions are numbered without gaps in the order of their coming, however many come at once', async () => {
    const { id } = await begin();
    const sent = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        i % 4 === 0
          ? ada.post(`${PATH}/${id}/executions`).send({ kind: 'query_agent', agent: 'planner', summary: `q${i}`, outcome: 'success' })
          : ada.post(`${PATH}/${id}/messages`).send({ role: 'user', content: `m${i}` }),
      ),
    );
    expect(sent.map(({ status }) => status)).toEqual(sent.map(() => 201));
    const seqs = sent.map(({ body }) => (body as { seq: number }).seq).sort((a, b) => a - b);
    expect(seqs).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    const pages: Entries['items'] = [];
    let after: string | null = null;
    do {
      const page: Entries = (
        await ada
          .get(`${PATH}/${id}/entries`)
          .query(after === null ? { limit: 15 } : { limit: 15, after })
          .expect(200)
      ).body as Entries;
      pages.push(...page.items);
      after = page.next;
    } while (after !== null);
    expect(pages.map(({ seq }) => seq)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    const executions = (await ada.get(`${PATH}/${id}/entries`).query({ kind: 'query_agent' }).expect(200)).body as Entries;
    expect(executions.items).toHaveLength(10);
    expect(((await ada.get(`${PATH}/${id}`).expect(200)).body as Session).entries).toBe(40);
  });

  it('S3: each execution is an audit event of its session and its user; of a message the trail keeps no word', async () => {
    const { id } = await begin();
    await ada
      .post(`${PATH}/${id}/executions`)
      .send({ kind: 'agent_execution', agent: 'planner', summary: 'took a /28', outcome: 'failure', durationMs: 40, detail: { tries: 2 } })
      .expect(201);
    await ada.post(`${PATH}/${id}/messages`).send({ role: 'assistant', content: 'a very private sentence' }).expect(201);
    const [executed, added] = await eventsOf(t, `resource_id = $1 AND action <> 'work_session.created'`, id);
    expect(executed).toMatchObject({
      action: 'agent.executed',
      outcome: 'failure',
      actor: { id: adaId },
      resource: { type: 'work_session', id },
      detail: { agent: 'planner', summary: 'took a /28', durationMs: 40, detail: { tries: 2 }, seq: 1 },
    });
    expect(added).toMatchObject({ action: 'work_session.message_added', detail: { role: 'assistant', characters: 23, seq: 2 } });
    expect(JSON.stringify(added)).not.toContain('private');
  });
});
