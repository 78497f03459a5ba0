import { connect } from 'node:net';
import { once } from 'node:events';
import fc from 'fast-check';
import { type Agent, type Response, type Test } from 'supertest';
import { BAD_BODIES, BAD_IDS, badQueryValuesFor, type BadValue, badValuesFor, UNREADABLE } from '../support/bad-values.js';
import { Builders } from '../support/builders.js';
import { mismatches, openApi, operations, resolved, type Schema, schemaOf } from '../support/openapi-document.js';
import { nameOf, routeTable } from '../support/route-table.js';
import { CHANGES_NOTHING, type ExampleCall, routeExamples } from '../support/route-examples.js';
import { withoutThrottle } from '../support/sign-in-settings.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** Not a measurement: an answer that never comes, on however busy a machine. */
const MOST_MS = 20_000;
const STORED = ['users', 'user_roles', 'vrfs', 'pools', 'allocations', 'jobs', 'idempotency_keys', 'projects', 'api_keys', 'tenant_tokens'];
const BETRAYING = /node_modules|\.ts:\d|\bat \w+ \(|\bSELECT\b|\bINSERT\b|pg_|postgres|\b(23505|22P02)\b/;
const PROBLEM = openApi.components.schemas.Problem!;

type Verb = 'get' | 'post' | 'put' | 'patch' | 'delete';

interface Attack {
  what: string;
  path: string;
  text?: string | Buffer;
  type?: string;
  headers?: Record<string, string>;
}

const examples: [string, (make: Builders) => Promise<ExampleCall>][] = [
  ...Object.entries(routeExamples).map(([route, { works }]): [string, typeof works] => [route, works]),
  ...Object.entries(CHANGES_NOTHING).map(([route, { call }]): [string, () => Promise<ExampleCall>] => [route, () => Promise.resolve(call)]),
];
const verbOf = (route: string): Verb => route.split(' ')[0]!.toLowerCase() as Verb;

/** The body as JSON text, one field's value in a text of its own. */
function bodyWith(body: Record<string, unknown> | undefined, field: string, text: string): string {
  const members = Object.entries({ ...body, [field]: null }).map(
    ([name, value]) => `${JSON.stringify(name)}:${name === field ? text : JSON.stringify(value)}`,
  );
  return `{${members.join(',')}}`;
}

function plausible({ example, enum: list }: Schema): string {
  return [example, list?.[0]].find((value) => typeof value === 'string') ?? 'a';
}

describe('input that is wrong', () => {
  let t: TestApp;
  let make: Builders;
  const json = examples.filter(([route]) => operations[route]?.requestBody?.content?.['application/json'] !== undefined);

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false' });
    // Every refusal of a login here is a failure from one address.
    withoutThrottle(t);
    make = await Builders.of(t);
  });

  afterAll(async () => {
    await t.anonymous.get('/health/ready').expect(200);
    await t.close();
  });

  async function stored(): Promise<unknown> {
    const counts = STORED.map((table) => `(SELECT count(*)::int FROM ${table}) AS ${table}`).join(', ');
    return (await t.sql(`SELECT ${counts}`))[0];
  }

  async function attack(agent: Agent, verb: Verb, { path, text, type = 'application/json', headers = {} }: Attack): Promise<Response> {
    // Streams of lines are no text to the client unless it is told.
    const request: Test = agent[verb](path).set(headers).buffer(true);
    if (text === undefined) return request;
    return request.set('content-type', type).send(text);
  }

  /** What holds whatever was sent: an answer soon, never our fault, and a proper problem when it is refused. */
  async function expectSane(agent: Agent, verb: Verb, it: Attack): Promise<{ said: string; status: number }> {
    const began = performance.now();
    const answer = await attack(agent, verb, it);
    const ms = performance.now() - began;
    const said = `${verb} ${it.path.slice(0, 100)}, ${it.what}: ${answer.status} ${answer.text.slice(0, 300)}`;
    expect([said, answer.status < 500, ms < MOST_MS]).toEqual([said, true, true]);
    if (answer.status < 400) return { said, status: answer.status };
    const { type, title, status, code, detail, requestId, errors } = answer.body as Record<string, unknown>;
    const members = { type, title, status, code, detail, requestId, ...(errors === undefined ? {} : { errors }) };
    expect([said, mismatches(PROBLEM, members), BETRAYING.exec(answer.text)]).toEqual([said, [], null]);
    expect([said, answer.headers['content-type'], status, requestId, code]).toEqual([
      said,
      'application/problem+json; charset=utf-8',
      answer.status,
      answer.headers['x-request-id'],
      expect.stringMatching(/^[a-z0-9_]+$/),
    ]);
    return { said, status: answer.status };
  }

  /** All of them are refused, and nothing is stored. One after the other: each has the whole second for itself. */
  async function expectRefused(agent: Agent, verb: Verb, attacks: Attack[]): Promise<number[]> {
    const before = await stored();
    const answers: { said: string; status: number }[] = [];
    for (const it of attacks) answers.push(await expectSane(agent, verb, it));
    expect(answers.filter(({ status }) => status < 400)).toEqual([]);
    expect(await stored()).toEqual(before);
    return answers.map(({ status }) => status);
  }

  it('O6: has an example for every route that takes a body', () => {
    const taking = Object.entries(operations).filter(([, { requestBody }]) => requestBody);
    expect(examples.map(([route]) => route)).toEqual(expect.arrayContaining(taking.map(([route]) => route)));
  });

  describe.each(json)('%s', (route, works) => {
    const verb = verbOf(route);
    const fields = Object.entries(resolved(schemaOf(operations[route]!.requestBody)!).properties ?? {});

    it.each(fields)('I2, ASVS 1.2.4, 2.2.1, 2.2.2: refuses or bears whatever stands in %s', async (field, schema: Schema) => {
      let call = await works(make);
      const values = badValuesFor(schema, call.body?.[field] ?? 'a');
      const attackWith = ({ what, text }: BadValue): Attack => ({
        ...call,
        what: `${what} in ${field}`,
        text: bodyWith(call.body, field, text),
      });
      const always = values.filter(({ refused }) => refused);
      await expectRefused(call.by?.agent ?? make.root, verb, always.map(attackWith));
      let before = await stored();
      for (const value of values.filter(({ refused }) => !refused)) {
        const { status } = await expectSane(call.by?.agent ?? make.root, verb, attackWith(value));
        // It was right after all: the next one needs things of its own.
        if (status < 400) call = await works(make);
        const after = await stored();
        expect([value.what, status < 400 ? before : after]).toEqual([value.what, before]);
        before = after;
      }
    });

    it('I2, ASVS 3.5.1, 3.5.2, 15.3.3: refuses bodies that are no object of known fields, and every other type of content', async () => {
      const call = await works(make);
      const agent = call.by?.agent ?? make.root;
      const field = Object.keys(call.body ?? {})[0] ?? 'name';
      await expectRefused(agent, verb, [
        ...BAD_BODIES.map(({ what, text }) => ({ ...call, what, text })),
        ...UNREADABLE.map(({ what, text }) => ({ ...call, what, text: bodyWith(call.body, field, text) })),
        { ...call, what: 'an unknown field', text: bodyWith(call.body, 'colour', '"red"') },
        { ...call, what: 'no UTF-8', text: Buffer.from('{"name":"\xff\xfe"}', 'latin1') },
      ]);
      const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/xml', 'a/b'];
      const good = JSON.stringify(call.body);
      const unsupported = await expectRefused(
        agent,
        verb,
        types.map((type) => ({ ...call, what: type, text: good, type })),
      );
      expect(unsupported).toEqual(types.map(() => 415));
      const large = await expectRefused(agent, verb, [{ ...call, what: '2 MiB', text: JSON.stringify({ name: 'x'.repeat(2 ** 21) }) }]);
      expect(large).toEqual([413]);
    });
  });

  it('I2, ASVS 15.3.6: bears any JSON in any field of any route', async () => {
    const calls = await Promise.all(json.map(async ([route, works]) => ({ route, call: await works(make) })));
    const fieldsOf = (route: string): string[] => Object.keys(resolved(schemaOf(operations[route]!.requestBody)!).properties ?? {});
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...calls), fc.nat(), fc.json({ depthSize: 'small' }), async ({ route, call }, n, text) => {
        const fields = fieldsOf(route);
        const field = fields[n % fields.length]!;
        await expectSane(call.by?.agent ?? make.root, verbOf(route), {
          ...call,
          what: `${field}: ${text}`,
          text: bodyWith(call.body, field, text),
        });
      }),
      { numRuns: 100 },
    );
  });

  const withId = routeTable.map(nameOf).filter((route) => route.includes(':'));
  it.each(withId)('I2: %s: refuses ids that are none', async (route) => {
    const works = examples.find(([name]) => name === route)?.[1];
    const call = works ? await works(make) : undefined;
    const text = call?.body ? JSON.stringify(call.body) : undefined;
    const path = route.split(' ')[1]!;
    const headers = { 'if-match': '*' };
    await expectRefused(
      make.root,
      verbOf(route),
      BAD_IDS.map(([what, segment]) => ({ what, path: path.replace(/:\w+/, segment), text, headers })),
    );
  });

  it('I2: takes an id in capitals for the same id', async () => {
    const { id } = await make.aPool();
    const answer = await make.root.get(`/api/v1/ipam/pools/${id.toUpperCase()}`).expect(200);
    expect(answer.body).toMatchObject({ id });
  });

  /** The path with the id of something that exists: of what is not there many routes say so before they read their query. */
  async function existing(path: string): Promise<{ path: string; agent: Agent }> {
    const [thing = path] = /^.*?:\w+/.exec(path) ?? [];
    const example = examples.find(([name]) => name.endsWith(` ${thing}`));
    // No route of its own makes an event: the id of none gets as far as the query.
    if (!example) return { path: path.replace(/:\w+/, '01890000-0000-7000-8000-000000000000'), agent: make.root };
    const call = await example[1](make);
    return { path: path.replace(thing, call.path), agent: call.by?.agent ?? make.root };
  }

  const queried = Object.entries(operations).filter(([, { parameters }]) => parameters.some((parameter) => parameter.in === 'query'));
  it.each(queried)('I2, ASVS 15.3.7: %s: refuses or bears whatever stands in its query', async (route, { parameters }) => {
    const { path, agent } = await existing(route.split(' ')[1]!);
    const queries = (list: [string, string][]): Attack[] => list.map(([what, query]) => ({ what, path: `${path}?${query}` }));
    const own = parameters.filter((parameter) => parameter.in === 'query');
    const names = own.map(({ name }) => name);
    for (const { name, schema } of own) {
      // Whatever else it needs is there, or nobody would look at this one.
      const others = own
        .filter((other) => other.required === true && other.name !== name)
        .map((other) => `&${other.name}=${plausible(other.schema)}`)
        .join('');
      const values = badQueryValuesFor(name, schema).map(([what, value]): [string, string] => [
        `${what} in ${name}`,
        `${name}=${value}${others}`,
      ]);
      for (const it of queries(values)) await expectSane(agent, verbOf(route), it);
    }
    const never = queries([
      ...names.flatMap((name): [string, string][] => [
        ['the same parameter twice', `${name}=1&${name}=2`],
        ['a list', `${name}[]=1`],
        ['an object', `${name}[a]=1`],
      ]),
      ['an unknown parameter', 'colour=red'],
      ['__proto__', '__proto__=1'],
      ['__proto__', '__proto__[admin]=1'],
      ['a thousand unknown parameters', Array.from({ length: 1000 }, (_, i) => `p${i}=1`).join('&')],
    ]);
    expect(await expectRefused(agent, verbOf(route), never)).toEqual(never.map(() => 400));
  });

  it('I2: refuses headers that cannot mean anything', async () => {
    const { id } = await make.aPool();
    const path = `/api/v1/ipam/pools/${id}`;
    const tags = ['W/"1"', '1', '"one"', '"1", "2"', '"-1"', '"99999999999999999999"', '"999999999"', 'x'.repeat(5000), ''];
    const stale = tags.map((tag) => ({ what: `If-Match: ${tag}`, path, text: '{"description":"a"}', headers: { 'if-match': tag } }));
    expect(await expectRefused(make.root, 'patch', stale)).toEqual(tags.map(() => 412));
    const keys = ['a b', 'x'.repeat(256), 'ü'];
    const keyed = keys.map((key) => ({ what: key, path: `${path}/allocations`, text: '{}', headers: { 'idempotency-key': key } }));
    expect(await expectRefused(make.root, 'post', keyed)).toEqual(keys.map(() => 400));
    const tokens = ['Bearer', 'Bearer a.b.c', 'Basic eDp5', `Bearer ${'x'.repeat(8000)}`, 'Bearer eyJhbGciOiJub25lIn0.e30.'];
    const strangers = tokens.map((authorization) => ({ what: authorization, path, headers: { authorization } }));
    expect(await expectRefused(t.anonymous, 'get', strangers)).toEqual(tokens.map(() => 401));
  });

  it.each([
    ['a request line that is none', 'HELLO\r\n\r\n', 400],
    ['two lengths', 'POST /api/v1/auth/login HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}', 400],
    [
      'a length and chunks',
      'POST /api/v1/auth/login HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['a header with a bare line feed', 'GET /health/live HTTP/1.1\nhost: a\n\n', 400],
    ['too large a head', `GET /health/live?q=${'x'.repeat(20_000)} HTTP/1.1\r\nhost: a\r\n\r\n`, 431],
  ])('I2, ASVS 4.2.1: %s is a problem document too', async (_what, bytes, status) => {
    const { hostname, port } = new URL(t.url);
    const socket = connect(Number(port), hostname);
    let received = '';
    socket.on('data', (chunk) => (received += chunk.toString()));
    socket.write(bytes);
    await once(socket, 'close');
    const [head = '', body = ''] = received.split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(head).toMatch(/content-type: application\/problem\+json/i);
    expect(mismatches(PROBLEM, JSON.parse(body))).toEqual([]);
    expect(JSON.parse(body)).toMatchObject({ status });
  });
});
