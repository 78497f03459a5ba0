import { type Agent } from 'supertest';
import { type AuditEventView } from '../../src/audit/log/audit-event.dto.js';
import { actionsOfRoute } from '../../src/audit/catalogue/route-actions.js';
import { type RouteAccess, RouteAccessList } from '../../src/platform/auth/route-access.js';
import { eventsOf, expectSeveritiesOfCatalogue } from '../support/audit-events.js';
import { askingQueries } from '../support/examples/asking.js';
import { Builders } from '../support/builders.js';
import { nameOf } from '../support/route-table.js';
import { CHANGES_NOTHING, routeExamples, send, type Trace } from '../support/route-examples.js';
import { createUser, signIn, type TestUser, withToken } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const READS = ['GET', 'HEAD', 'OPTIONS'];
const SOME_ID = '01890000-0000-7000-8000-000000000000';

/** Queries without which a read is refused. */
const QUERIES: Record<string, Record<string, string>> = {
  'GET /api/v1/audit/checkpoints': { class: 'ipam' },
  'GET /api/v1/audit/consistency': { class: 'ipam' },
  ...askingQueries,
  'GET /api/v1/ipam/history': { ip: '10.0.0.1' },
  'GET /api/v1/ipam/search': { q: '10.0.0.1' },
  'GET /api/v1/search': { q: '10.0.0.1' },
  'GET /api/v1/ipam/calculator/info': { network: '10.0.0.0/24' },
  'GET /api/v1/ipam/calculator/split': { network: '10.0.0.0/24', length: '26' },
  'GET /api/v1/ipam/calculator/validate': { network: '10.0.0.0/24' },
};

const examples = Object.entries(routeExamples);
const keysOf = (kept: Trace['keeps']): string[] => (kept === 'nothing' ? [] : [kept]);

describe('what every route leaves in the trail', () => {
  let t: TestApp;
  let make: Builders;
  let root: { agent: Agent; user: TestUser };
  let stranger: { agent: Agent; user: TestUser };
  let calls = 0;

  beforeAll(async () => {
    // Every kind of read is recorded before its answer, so that what a route leaves is there to be seen.
    t = await startTestApp({ CADASTRE_JOBS: 'false', CADASTRE_PINNED_SETTINGS: '{"audit.reads.network":"durable"}' });
    make = await Builders.of(t);
    root = await person('superuser');
    stranger = await person();
  });

  afterAll(() => t.close());

  async function person(...roles: string[]): Promise<{ agent: Agent; user: TestUser }> {
    const user = await createUser(t, { roles });
    return { agent: withToken(t, (await signIn(t, user)).accessToken), user };
  }

  const routes = (): RouteAccess[] => t.app.get(RouteAccessList).list();
  const aRequestId = (): string => `coverage-${++calls}`;
  const eventsOfRequest = (id: string): Promise<AuditEventView[]> => eventsOf(t, 'correlation_id = $1', id);

  it('A5: every route that may change something is in the table, and the table has no other', () => {
    const mutating = routes().filter(({ method }) => !READS.includes(method));
    expect([...Object.keys(routeExamples), ...Object.keys(CHANGES_NOTHING)].sort()).toEqual(mutating.map(nameOf).sort());
    const open = examples.filter(([, example]) => example.public).map(([route]) => route);
    expect(open.sort()).toEqual(
      mutating
        .filter(({ access }) => access?.kind === 'public')
        .map(nameOf)
        .sort(),
    );
  });

  describe.each(examples)('%s', (route, example) => {
    const [method = ''] = route.split(' ');

    it('A5: leaves exactly one event for each object, with who, where, what and how it was', async () => {
      const call = await example.works(make);
      const { agent, user } = call.by ?? root;
      const requestId = aRequestId();
      const answer = await send(method, call, agent, { 'x-request-id': requestId });
      expect({ status: answer.status, body: answer.status < 400 || (answer.body as unknown) }).toEqual({
        status: expect.any(Number) as number,
        body: true,
      });
      const events = await eventsOfRequest(requestId);
      expect(events.map(({ action, category, outcome }) => ({ action, category, outcome }))).toEqual(
        example.leaves.map(({ action, category, outcome = 'success' }) => ({ action, category, outcome })),
      );
      for (const [i, event] of events.entries()) {
        const { on, keeps } = example.leaves[i]!;
        expect(event).toMatchObject({
          actor: { kind: call.by?.kind ?? 'user', id: user.id, name: user.username },
          correlationId: requestId,
          request: { method, route: route.replace(`${method} `, ''), clientIp: '127.0.0.1' },
          // A month of a log has no id but its name.
          resource: { type: on, id: expect.stringMatching(/^([0-9a-f-]{36}|[a-z]+\/\d{4}-\d\d-01)$/) as string },
        });
        expect(Object.keys(event).filter((key) => ['before', 'after', 'changes'].includes(key))).toEqual(keysOf(keeps));
        expect({ changes: event.changes }).not.toEqual({ changes: [] });
      }
      // That something began is no change yet: its result is of the same object.
      const changes = events.filter(({ outcome }) => outcome !== 'unknown');
      expect(new Set(changes.map(({ resource }) => resource?.id)).size).toBe(changes.length);
    });

    if (typeof example.fails !== 'string') {
      const { status, call: failing } = example.fails;
      it(`A10: refused with ${status}, leaves request.failed and no event of a change`, async () => {
        const call = await failing(make);
        const { agent, user } = call.by ?? root;
        const requestId = aRequestId();
        const answer = await send(method, call, agent, { 'x-request-id': requestId });
        expect({ status: answer.status, code: (answer.body as { code?: string }).code }).toEqual({
          status,
          code: expect.any(String) as string,
        });
        expect(await eventsOfRequest(requestId)).toMatchObject([
          {
            action: 'request.failed',
            outcome: 'failure',
            actor: { id: user.id },
            resource: { type: 'route', id: route },
            detail: { code: (answer.body as { code: string }).code },
          },
        ]);
      });
    }

    if (example.public !== true)
      it('A10, ASVS 16.3.2: denied to a stranger, leaves request.denied and no event of a change', async () => {
        const call = await example.works(make);
        const requestId = aRequestId();
        const answer = await send(method, call, stranger.agent, { 'x-request-id': requestId });
        expect(answer.status).toBe(403);
        expect(await eventsOfRequest(requestId)).toMatchObject([
          { action: 'request.denied', outcome: 'denied', actor: { id: stranger.user.id }, resource: { type: 'route', id: route } },
        ]);
      });
  });

  it.each(Object.entries(CHANGES_NOTHING))('A5: %s leaves nothing', async (route, { call }) => {
    const requestId = aRequestId();
    const answer = await send(route.split(' ')[0]!, call, root.agent, { 'x-request-id': requestId });
    expect(answer.status).toBe(200);
    expect(await eventsOfRequest(requestId)).toEqual([]);
  });

  it('A5: a request repeated under its Idempotency-Key leaves no second event', async () => {
    const keyed = ['pools', 'pools/:id/next-pools', 'pools/:id/allocations', 'pools/:id/range-actions', 'allocations/bulk'];
    for (const route of keyed.map((path) => `POST /api/v1/ipam/${path}`)) {
      const call = await routeExamples[route]!.works(make);
      const [first, second] = [aRequestId(), aRequestId()];
      const key = { 'idempotency-key': `key-of-${first}` };
      const answer = await send('POST', call, root.agent, { ...key, 'x-request-id': first });
      const again = await send('POST', call, root.agent, { ...key, 'x-request-id': second });
      expect({ route, status: again.status, text: again.text }).toEqual({ route, status: answer.status, text: answer.text });
      expect(await eventsOfRequest(second)).toEqual([]);
    }
  });

  it('A5, A6, ASVS 3.5.3: reads change nothing, and leave what the catalogue says of their route', async () => {
    const [event] = await eventsOf(t, `action = 'pool.created'`);
    for (const route of routes().filter(({ method }) => READS.includes(method))) {
      const name = nameOf(route);
      const requestId = aRequestId();
      const id = name === 'GET /api/v1/audit/events/:id' ? event!.id : SOME_ID;
      const answer = await root.agent
        .get(route.path.replace(/:\w+/, id))
        .query(QUERIES[name] ?? {})
        .set('x-request-id', requestId);
      const missing = route.path.includes(':') && id === SOME_ID;
      expect({ name, status: answer.status }).toEqual({ name, status: missing ? 404 : 200 });
      const actions = (await eventsOfRequest(requestId)).map(({ action }) => action);
      expect({ name, actions }).toEqual({ name, actions: missing ? [] : actionsOfRoute(name) });
    }
  });

  it('A5: every route, refused or not, leaves events as grave as the catalogue says', () => expectSeveritiesOfCatalogue(t));
});
