import { type Response } from 'supertest';
import { personal } from '../../src/platform/auth/permissions.js';
import { type RouteAccess, RouteAccessList } from '../../src/platform/auth/route-access.js';
import { aKeyOfKind, aProject, aSecurityEvent } from '../support/examples/keys.js';
import { Sealer } from '../../src/audit/sealing/sealer.js';
import { Builders } from '../support/builders.js';
import { anArchiveRun } from '../support/examples/archive.js';
import { askingQueries } from '../support/examples/asking.js';
import { aGroup, aRole } from '../support/examples/accounts.js';
import { aHold, aPolicy } from '../support/examples/retention.js';
import { identityProviderReads } from '../support/examples/identity-providers.js';
import { type Content, mismatches, openApi, operations, resolved, type Schema, schemaOf } from '../support/openapi-document.js';
import { isDescribed, nameOf } from '../support/route-table.js';
import { routeExamples, send } from '../support/route-examples.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const each = Object.entries(operations);
const anything = expect.anything() as unknown;

/** Every schema of the document with where it stands. */
function* schemas(node: unknown, at = '#'): Generator<[string, Schema]> {
  if (typeof node !== 'object' || node === null) return;
  for (const [key, value] of Object.entries(node)) {
    const here = `${at}/${key}`;
    if (key === 'schema') yield [here, value as Schema];
    if (key === 'properties' || key === 'schemas')
      for (const [name, schema] of Object.entries(value as object)) yield [`${here}/${name}`, schema as Schema];
    yield* schemas(value, here);
  }
}

function typeAndDefault({ type, default: value }: Schema): Schema {
  return value === undefined ? { type } : { type, default: value };
}

function saysSomething(schema: Schema): boolean {
  const { type, properties, allOf, oneOf, anyOf } = resolved(schema);
  return (type ?? properties ?? allOf ?? oneOf ?? anyOf) !== undefined;
}

function success({ responses }: { responses: Record<string, Content> }): [string, Content][] {
  return Object.entries(responses).filter(([status]) => /^2|^303$/.test(status));
}

describe('docs/openapi.json', () => {
  let t: TestApp;
  let make: Builders;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false' });
    make = await Builders.of(t);
  });

  afterAll(() => t.close());

  const routes = (): RouteAccess[] => t.app.get(RouteAccessList).list().filter(isDescribed);

  it('O6: is an OpenAPI 3 document of every route, and of no other', () => {
    expect(openApi.openapi).toMatch(/^3\.\d+\.\d+$/);
    expect(openApi.info).toMatchObject({ title: 'Cadastre', version: expect.stringMatching(/\d/) as string });
    expect(Object.keys(operations).sort()).toEqual(routes().map(nameOf).sort());
    const ids = each.map(([, { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('O6: says of every route which permission it needs, or why anyone may call it', () => {
    const documented = each.map(([name, operation]) => ({
      name,
      permission: operation['x-permission'],
      public: operation['x-public'],
      bearer: operation.security?.some((way) => 'bearer' in way) ?? false,
    }));
    const declared = routes().map((route) => ({
      name: nameOf(route),
      permission: route.access?.kind === 'permission' ? route.access.permission : undefined,
      public: route.access?.kind === 'public' ? route.access.why : undefined,
      bearer: route.access?.kind === 'permission',
    }));
    const byName = (a: { name: string }, b: { name: string }): number => a.name.localeCompare(b.name);
    expect(documented.sort(byName)).toEqual(declared.sort(byName));
    expect(openApi.components.securitySchemes).toMatchObject({ bearer: { type: 'http', scheme: 'bearer' } });
  });

  it.each(each)('O6: %s says what it takes and what it answers', (name, operation) => {
    const inPath = [...name.matchAll(/:(\w+)/g)].map(([, parameter]) => parameter);
    const parameters = operation.parameters.filter((parameter) => parameter.in === 'path');
    expect(parameters.map((parameter) => [parameter.name, parameter.required])).toEqual(inPath.map((parameter) => [parameter, true]));
    const answers = success(operation).map(([status, answer]) => ({ hasBody: !['204', '303'].includes(status), schema: schemaOf(answer) }));
    expect(answers).toEqual([{ hasBody: answers[0]?.hasBody, schema: answers[0]?.hasBody === true ? anything : undefined }]);
    const taken = operation.requestBody ? [schemaOf(operation.requestBody)] : [];
    const empty = [...answers.map(({ schema }) => schema), ...taken].filter((schema) => schema && !saysSomething(schema));
    expect(empty).toEqual([]);
    expect(operation.responses.default).toMatchObject({
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    });
  });

  it('O6: says which routes understand If-Match and Idempotency-Key, and which a key may call', () => {
    const with_ = (header: string): string[] =>
      each
        .filter(([, { parameters }]) => parameters.some(({ name, in: where }) => where === 'header' && name === header))
        .map(([name]) => name);
    expect(with_('If-Match')).toEqual(
      expect.arrayContaining(['PATCH /api/v1/ipam/pools/:id', 'DELETE /api/v1/ipam/allocations/:id', 'PATCH /api/v1/users/:id']),
    );
    expect(with_('Idempotency-Key')).toEqual(expect.arrayContaining(['POST /api/v1/ipam/pools/:id/allocations']));
    const forKeys = each.filter(([, { security }]) => security?.some((way) => 'key' in way) === true).map(([, o]) => o['x-permission']);
    const forPeople = each
      .filter(([, { security }]) => security?.some((way) => 'bearer' in way) === true)
      .map(([, o]) => o['x-permission']);
    expect(forKeys).toEqual(forPeople.filter((permission) => !personal.has(String(permission))));
  });

  it('O6: refers to schemas that are there, and gives every value a type', () => {
    const vague = [...schemas(openApi)].filter(([, schema]) => !saysSomething(schema)).map(([at]) => at);
    expect(vague).toEqual([]);
    const empty = Object.entries(openApi.components.schemas).filter(([, { properties }]) => Object.keys(properties ?? {}).length === 0);
    expect(empty.map(([name]) => name)).toEqual([]);
  });

  it('O6: describes problems in full', () => {
    expect(openApi.components.schemas.Problem?.required?.sort()).toEqual(['code', 'detail', 'requestId', 'status', 'title', 'type']);
    expect(openApi.components.schemas.FieldProblem?.required?.sort()).toEqual(['code', 'detail', 'pointer']);
  });

  it('O6: pages the same way everywhere', () => {
    const paged = each.flatMap(([name, { parameters }]) => parameters.map((parameter) => ({ route: name, ...parameter })));
    const of = (name: string): typeof paged => paged.filter((parameter) => parameter.name === name && parameter.in === 'query');
    expect(of('limit').length).toBeGreaterThan(5);
    for (const limit of of('limit')) {
      expect(limit).toMatchObject({ required: false, schema: { minimum: 1, maximum: expect.any(Number) as number } });
      expect([{ type: 'integer', default: 50 }, { type: 'number' }]).toContainEqual(typeAndDefault(limit.schema));
    }
    for (const offset of of('offset'))
      expect(offset).toMatchObject({ required: false, schema: { type: 'integer', minimum: 0, default: 0 } });
    for (const after of of('after')) expect(after).toMatchObject({ required: false, schema: { type: 'string' } });
  });

  describe('and the answers', () => {
    function expectAsDocumented(name: string, answer: Response): void {
      const [status, documented] = success(operations[name]!)[0]!;
      expect({ name, status: answer.status, text: answer.status >= 400 ? answer.text : '' }).toEqual({
        name,
        status: Number(status),
        text: '',
      });
      const schema = schemaOf(documented);
      const body: unknown = answer.type === 'application/json' ? answer.body : answer.text;
      expect({ name, mismatches: schema ? mismatches(schema, body) : answer.text }).toEqual({ name, mismatches: schema ? [] : '' });
    }

    it.each(Object.entries(routeExamples))('O6: %s answers what it says it does', async (name, example) => {
      const call = await example.works(make);
      expectAsDocumented(name, await send(name.split(' ')[0]!, call, call.by?.agent ?? make.root));
    });

    it('O6: every read answers what it says it does', async () => {
      const { id, pool, address } = await make.anAddress({ hostname: 'web01.example.net' });
      const vrf = await make.aVrf();
      const user = await make.aUser();
      const group = await aGroup(make);
      const role = await aRole(make);
      await make.aJob('dead');
      await t.app.get(Sealer).turn();
      const [event] = await t.sql<{ id: string }>('SELECT id FROM audit_log LIMIT 1');
      const verification = (await make.root.post('/api/v1/audit/verifications').send({}).expect(201)).body as { id: string };
      const queries: Record<string, Record<string, string>> = {
        'GET /api/v1/audit/checkpoints': { class: 'ipam' },
        'GET /api/v1/audit/consistency': { class: 'ipam' },
        ...askingQueries,
        'GET /api/v1/ipam/history': { ip: address },
        'GET /api/v1/ipam/search': { q: address },
        'GET /api/v1/search': { q: 'web01' },
        'GET /api/v1/ipam/calculator/info': { network: pool.network },
        'GET /api/v1/ipam/calculator/split': { network: pool.network, length: '26' },
        'GET /api/v1/ipam/calculator/validate': { network: pool.network },
      };
      const begun = await make.root.post('/api/v1/work-sessions').send({ title: 'Plan' }).expect(201);
      const ids: [RegExp, string | undefined][] = [
        [/allocations\/:id$/, id],
        [/pools\/:id/, pool.id],
        [/vrfs\/:id/, vrf.id],
        [/users\/:id/, user.id],
        [/work-sessions\/:id/, (begun.body as { id: string }).id],
        [/groups\/:id/, group.id],
        [/roles\/:id/, role.id],
        [/security-events\/:id/, (await aSecurityEvent(make)).id],
        [/events\/:id/, event?.id],
        [/projects\/:id/, (await aProject(make)).id],
        [/keys\/:id/, (await aKeyOfKind(make, 'tenant')).id],
        [/verifications\/:id/, verification.id],
        [/retention\/policies\/:id/, (await aPolicy(make)).id],
        [/holds\/:id/, (await aHold(make)).id],
        [/archive\/runs\/:id/, (await anArchiveRun(make)).id],
        [/subjects\/:id/, user.id],
      ];
      for (const [name] of each.filter(([route]) => route.startsWith('GET '))) {
        const example = await identityProviderReads[name]?.(make);
        if (example) {
          expectAsDocumented(name, await send('GET', example, make.root));
          continue;
        }
        const withId = ids.reduce((route, [where, of]) => (where.test(route) ? route.replace(':id', of ?? '') : route), name.slice(4));
        const path = withId.replace('/settings/:key', '/settings/outbound.timeoutMs');
        expectAsDocumented(
          name,
          await make.root
            .get(path)
            .query(queries[name] ?? {})
            .buffer(true),
        );
      }
    });
  });
});
