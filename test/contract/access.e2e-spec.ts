import { Controller, Get } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { type NestFastifyApplication, FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import supertest, { type Agent, type Response } from 'supertest';
import { Public } from '../../src/platform/auth/access.js';
import { permissions, personal } from '../../src/platform/auth/permissions.js';
import { RouteAccessList } from '../../src/platform/auth/route-access.js';
import { keyKinds } from '../../src/users/api-keys/key-format.js';
import { isGrantable } from '../../src/users/api-keys/key-rights.js';
import { systemRoles } from '../../src/users/roles/system-roles.js';
import { Builders } from '../support/builders.js';
import { aKeyOf, aKeyOfKind, withKey } from '../support/examples/keys.js';
import { nameOf, type RouteLine, routeTable } from '../support/route-table.js';
import { servedRoutes } from '../support/served-routes.js';
import { asRole, createUser } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** Answered by the server without a controller. */
const NO_CONTROLLER: Record<string, string> = {
  'OPTIONS *': 'answers the preflight requests of browsers, which carry no credentials',
};

const SOME_ID = '01890000-0000-7000-8000-000000000000';

/** What the guard had to say: the outcome a caller sees without a right, or that the route was reached. */
function verdictOf({ status, body }: Response): 401 | 403 | 'let in' | `broken: ${number}` {
  if (status === 401 || status === 403) return status;
  // With a placeholder id most are 404 and without a body 400; a path nobody serves is not let in.
  return status >= 500 || (body as { code?: string }).code === 'route_not_found' ? `broken: ${status}` : 'let in';
}

function call(agent: Agent, { method, path }: { method: string; path: string }): Promise<Response> {
  const verb = method.toLowerCase() as 'get' | 'head' | 'post' | 'put' | 'patch' | 'delete';
  return agent[verb](path.replaceAll(/:\w+/g, SOME_ID)).then((answer) => answer);
}

describe('access to every route', () => {
  let t: TestApp;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false', CADASTRE_CORS_ORIGINS: 'https://console.example.net' });
  });

  afterAll(() => t.close());

  /** Every route's verdict for one caller. The one that ends the caller's session comes last; HEAD is asked wherever GET is. */
  async function verdicts(agent: Agent): Promise<Record<string, unknown>> {
    const routes = [...routeTable].sort((a, b) => Number(a.path.endsWith('/logout')) - Number(b.path.endsWith('/logout')));
    const found: Record<string, unknown> = {};
    for (const route of routes) {
      const verdict = verdictOf(await call(agent, route));
      const head = route.method === 'GET' ? verdictOf(await call(agent, { ...route, method: 'HEAD' })) : verdict;
      found[nameOf(route)] = head === verdict ? verdict : { get: verdict, head };
    }
    return found;
  }

  function expected(forGuarded: (route: RouteLine) => 401 | 403 | 'let in'): Record<string, unknown> {
    return Object.fromEntries(routeTable.map((route) => [nameOf(route), route.public === undefined ? forGuarded(route) : 'let in']));
  }

  /** What a program with these permissions may call. A key may look at itself, but it is nobody: what a session alone has stays closed. */
  function ofPrograms(held: readonly string[]): (route: RouteLine) => 403 | 'let in' {
    const all = new Set<string | undefined>([...held, 'profile:read']);
    const isOfPeople = ({ path, permission }: RouteLine): boolean => path.startsWith('/api/v1/me') && permission === 'profile:read';
    return (route) => (all.has(route.permission) && !isOfPeople(route) ? 'let in' : 403);
  }

  it('U6, ASVS 8.2.1: what the server answers is what the controllers declare, and nothing else', () => {
    const declared = t.app.get(RouteAccessList).list().map(nameOf);
    const heads = declared.filter((name) => name.startsWith('GET ')).map((name) => name.replace('GET', 'HEAD'));
    expect(servedRoutes(t)).toEqual([...declared, ...heads, ...Object.keys(NO_CONTROLLER)].sort());
  });

  it('U6, ASVS 8.1.1: the committed role × route table is what the program does', () => {
    const actual = t.app
      .get(RouteAccessList)
      .list()
      .map(({ method, path, access }) =>
        access?.kind === 'permission'
          ? {
              method,
              path,
              permission: access.permission,
              roles: systemRoles.filter((role) => role.permissions.includes(access.permission)).map(({ name }) => name),
            }
          : { method, path, public: access?.why },
      );
    expect(routeTable).toEqual(actual);
  });

  it('U6, ASVS 8.3.1: nobody is let in anywhere but on public routes', async () => {
    // Without credentials a refused login is 401 too; what tells it apart is that it looks at the body first.
    expect(await verdicts(t.anonymous)).toEqual(expected(() => 401));
  });

  it('U6: somebody signed in without a role is let in nowhere', async () => {
    expect(await verdicts(await asRole(t))).toEqual(expected(() => 403));
  });

  it.each(systemRoles.map(({ name }) => name))('U6, ASVS 8.2.1, 8.3.1: %s is let in exactly where the table says', async (role) => {
    expect(await verdicts(await asRole(t, role))).toEqual(expected(({ roles }) => (roles?.includes(role) === true ? 'let in' : 403)));
  });

  /** Calls as the console's own page does, or another site's. */
  async function withCookie(role: string, site: 'same-origin' | 'cross-site'): Promise<Agent> {
    const { username, password } = await createUser(t, { roles: [role] });
    const answer = await t.anonymous.post('/api/v1/auth/login').send({ username, password, mode: 'console' }).expect(200);
    const [cookie = ''] = String(answer.headers['set-cookie']).split(';');
    return supertest.agent(t.url).set('cookie', cookie).set('sec-fetch-site', site);
  }

  it('U6, U9, ASVS 8.3.1: with the console’s cookie the same people are let in as with a token', async () => {
    expect(await verdicts(await withCookie('operator', 'same-origin'))).toEqual(
      expected(({ roles }) => (roles?.includes('operator') === true ? 'let in' : 403)),
    );
  });

  it('U6, ASVS 3.5.1: with the console’s cookie a page of another site can change nothing', async () => {
    expect(await verdicts(await withCookie('operator', 'cross-site'))).toEqual(
      expected(({ method, roles }) => (method === 'GET' && roles?.includes('operator') === true ? 'let in' : 403)),
    );
  });

  it.each(keyKinds)('U6, K2: a key of the kind %s, with all that one can have, is let in exactly where that says', async (kind) => {
    const make = await Builders.of(t);
    const limited = kind === 'tenant' || kind === 'public';
    const terms = {
      permissions: permissions.filter((permission) => isGrantable(permission, kind, limited)),
      ...(limited ? { networks: ['0.0.0.0/0', '::/0'] } : {}),
    };
    const ownerId = (await createUser(t, { roles: ['superuser'] })).id;
    const { secret } = kind === 'owner' ? await aKeyOf(make.root, terms) : await aKeyOfKind(make, kind, { ...terms, ownerId });
    expect(await verdicts(withKey(t, secret))).toEqual(expected(ofPrograms(terms.permissions)));
    expect(terms.permissions.filter((permission) => personal.has(permission))).toEqual([]);
  });

  it.each([
    ['all that its key has', {}],
    ['a part of it', { permissions: ['pool:read', 'search:read'] }],
    ['what is restricted', { preset: 'restricted', networks: ['10.0.0.0/8'] }],
  ])('U6, K5: a token that a tenant’s key derived, with %s, is let in exactly where that says', async (_what, narrower) => {
    const granted = permissions.filter((permission) => isGrantable(permission, 'tenant', true));
    const make = await Builders.of(t);
    const ownerId = (await createUser(t, { roles: ['superuser'] })).id;
    const { secret } = await aKeyOfKind(make, 'tenant', { permissions: granted, networks: ['0.0.0.0/0', '::/0'], ownerId });
    const answer = await withKey(t, secret)
      .post('/api/v1/tenant-tokens')
      .send({ ttlSeconds: 600, ...narrower })
      .expect(201);
    const { token, permissions: held } = answer.body as { token: string; permissions: string[] };
    expect(held.length < granted.length).toBe(Object.keys(narrower).length > 0);
    expect(await verdicts(withKey(t, token))).toEqual(expected(ofPrograms(held)));
  });

  it('U6: the database has the roles of the code, and no permission that is in neither', async () => {
    const rows = await t.sql<{ name: string; permissions: string[] }>(
      `SELECT r.name, array_agg(rp.permission ORDER BY rp.permission) AS permissions
         FROM roles r JOIN role_permissions rp ON rp.role_id = r.id GROUP BY r.name ORDER BY r.name`,
    );
    expect(rows).toEqual(
      systemRoles
        .map(({ name, permissions: held }) => ({ name, permissions: [...held].sort() }))
        .sort((a, b) => a.name.localeCompare(b.name)),
    );
    const unknown = rows.flatMap((row) => row.permissions).filter((held) => !permissions.some((known) => known === held));
    expect(unknown).toEqual([]);
  });
});

describe('a route that does not say who may call it', () => {
  @Controller('declared')
  class Declared {
    @Get()
    @Public('the test calls it')
    get(): string {
      return 'declared';
    }
  }

  @Controller('silent')
  class Silent {
    @Get('one')
    @Public('the test calls it')
    one(): string {
      return 'one';
    }

    @Get('two')
    two(): string {
      return 'two';
    }
  }

  async function start(...controllers: (new () => object)[]): Promise<NestFastifyApplication> {
    const module = await Test.createTestingModule({ imports: [DiscoveryModule], providers: [RouteAccessList], controllers }).compile();
    return module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger: false }).init();
  }

  it('U6: keeps the application from starting, and is named', async () => {
    await expect(start(Declared, Silent)).rejects.toThrow(/^Routes without @Requires or @Public: GET \/+silent\/two$/);
    await (await start(Declared)).close();
  });
});
