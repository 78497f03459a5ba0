import { type Agent } from 'supertest';
import { defineSetting } from '../src/platform/settings/setting.js';
import { Settings } from '../src/platform/settings/settings.js';
import { startProcess } from './support/child-process.js';
import { eventually } from './support/eventually.js';
import { asRole, createUser, signIn, withToken } from './support/sign-in.js';
import { startProxy } from './support/tcp-proxy.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { createTestDatabase, type TestDatabase } from './support/test-database.js';

const PATH = '/api/v1/settings';

const colour = defineSetting({ key: 'test.colour', type: 'string', default: 'red', enum: ['red', 'blue'], text: 'x' });
const greeting = defineSetting({ key: 'test.greeting', type: 'string', default: 'hi', pattern: /^[a-z]*$/, text: 'x' });
const password = defineSetting({ key: 'test.password', type: 'secret', text: 'x' });
defineSetting({
  key: 'test.weights',
  type: 'json',
  default: [],
  text: 'x',
  validate: (value) => (Array.isArray(value) && value.length === 0 ? undefined : { pointer: '/0', detail: 'must hold numbers' }),
});

describe('settings on two instances', () => {
  let database: TestDatabase;
  let a: TestApp;
  let b: TestApp;
  let admin: Agent;

  beforeAll(async () => {
    database = await createTestDatabase();
    a = await startTestApp({ CADASTRE_JOBS: 'false' }, database);
    const pins = JSON.stringify({ 'test.colour': 'blue', 'test.password': 'pinned and secret' });
    b = await startTestApp({ CADASTRE_JOBS: 'false', CADASTRE_PINNED_SETTINGS: pins }, database);
    admin = await asRole(a, 'admin');
  });

  afterAll(async () => {
    await b.close();
    await a.close();
    await database.drop();
  });

  it('G3: a change on one acts on the other in less than two seconds', async () => {
    for (const [value, status] of [
      [false, 404],
      [true, 200],
    ] as const) {
      await admin.put(`${PATH}/flags.apiDocs`).send({ value }).expect(200);
      await a.anonymous.get('/docs').expect(status);
      await eventually(async () => (await b.anonymous.get('/docs')).status === status, 2000);
    }
    await admin.delete(`${PATH}/flags.apiDocs`).expect(204);
  });

  it('G3: a secret changed on one is read by the other', async () => {
    const other = defineSetting({ key: 'test.sharedPassword', type: 'secret', text: 'x' });
    await admin.put(`${PATH}/test.sharedPassword`).send({ value: 'told to both' }).expect(200);
    await eventually(() => b.app.get(Settings).getSecret(other) === 'told to both', 2000);
  });

  it('G3: what the environment pins beats what is stored, shows as pinned, and is refused to be changed', async () => {
    await admin.put(`${PATH}/test.colour`).send({ value: 'red' }).expect(200);
    await eventually(() => b.app.get(Settings).stored('test.colour') !== undefined);
    expect(b.app.get(Settings).get(colour)).toBe('blue');
    const there = await asRole(b, 'admin');
    expect((await there.get(`${PATH}/test.colour`).expect(200)).body).toMatchObject({ value: 'blue', source: 'pinned', pinned: true });
    const secret = await there.get(`${PATH}/test.password`).expect(200);
    expect(secret.body).toMatchObject({ value: { set: true }, source: 'pinned', pinned: true });
    expect(b.app.get(Settings).getSecret(password)).toBe('pinned and secret');
    for (const refused of [
      await there.put(`${PATH}/test.colour`).send({ value: 'red' }),
      await there.delete(`${PATH}/test.colour`),
      await there.post(`${PATH}/test.colour/revert`).send({ version: 1 }),
      await there.put(`${PATH}/test.password`).send({ value: null }),
    ])
      expect([refused.status, (refused.body as { code: string }).code]).toEqual([409, 'setting_pinned']);
    expect((await admin.get(`${PATH}/test.colour`).expect(200)).body).toMatchObject({ value: 'red', source: 'stored', pinned: false });
  });

  it('G3: pins that the catalogue does not have stop the start, by key and never by value', async () => {
    const start = (pins: object): Promise<TestApp> => startTestApp({ CADASTRE_PINNED_SETTINGS: JSON.stringify(pins) }, database);
    await expect(start({ 'no.such': 'marker-value' })).rejects.toThrow(/no setting no\.such$/);
    const bad = await start({ 'outbound.timeoutMs': 'marker-value', 'test.weights': ['marker-value'] }).catch((error: unknown) =>
      String(error),
    );
    expect(bad).toMatch(/outbound\.timeoutMs must be a whole number from 100 to 60000\n.*test\.weights\/0 must hold numbers/);
    expect(bad).not.toContain('marker-value');
    const server = await startProcess('dist/src/main.js', database, {
      CADASTRE_PINNED_SETTINGS: '{"no.such":"marker-value"}',
    });
    expect(await server.ended).toBe(78);
    expect(server.output()).toContain('no.such');
    expect(server.output()).not.toContain('marker-value');
  });

  it('G3: where a stored value breaks its rule the last good one stays', async () => {
    await admin.put(`${PATH}/test.greeting`).send({ value: 'good' }).expect(200);
    await eventually(() => b.app.get(Settings).get(greeting) === 'good');
    await a.sql(`UPDATE settings SET value = '"NOT GOOD"', version = version + 1 WHERE key = 'test.greeting'`);
    await eventually(() => b.app.get(Settings).stored('test.greeting')?.version === 2);
    expect(b.app.get(Settings).get(greeting)).toBe('good');
    await admin.put(`${PATH}/test.greeting`).send({ value: 'better' }).expect(200);
    await eventually(() => b.app.get(Settings).get(greeting) === 'better');
  });

  it('G3: a stored value that breaks its rule stops the start', async () => {
    await admin.put(`${PATH}/outbound.timeoutMs`).send({ value: 3000 }).expect(200);
    await a.sql(`UPDATE settings SET value = '5', version = version + 1 WHERE key = 'outbound.timeoutMs'`);
    const server = await startProcess('dist/src/main.js', database);
    expect(await server.ended).toBe(1);
    expect(server.output()).toContain('The stored setting outbound.timeoutMs must be a whole number from 100 to 60000');
    await admin.delete(`${PATH}/outbound.timeoutMs`).expect(204);
  });

  it('G3: while the database is away the last good values stay, and changes are seen once it is back', async () => {
    const proxy = await startProxy(database.url);
    const c = await startTestApp({ CADASTRE_JOBS: 'false', DATABASE_URL: proxy.url }, database);
    await admin.put(`${PATH}/outbound.timeoutMs`).send({ value: 4321 }).expect(200);
    const settings = c.app.get(Settings);
    const value = (): unknown => settings.effective('outbound.timeoutMs');
    await eventually(() => value() === 4321);
    proxy.cut();
    await admin.put(`${PATH}/outbound.timeoutMs`).send({ value: 5432 }).expect(200);
    await c.anonymous.get('/health/ready').expect(503);
    await c.anonymous.get('/docs').expect(200);
    expect(value()).toBe(4321);
    proxy.restore();
    await eventually(() => value() === 5432, 20_000);
    await c.close();
    await proxy.close();
  });

  it('G3: rows that arrive out of order never take a newer value back', async () => {
    const { accessToken } = await signIn(a, await createUser(a, { roles: ['admin'] }));
    const there = withToken(a, accessToken);
    await there.put(`${PATH}/outbound.timeoutMs`).send({ value: 7000 }).expect(200);
    const settings = a.app.get(Settings);
    const older = settings.stored('outbound.timeoutMs')!;
    await there.put(`${PATH}/outbound.timeoutMs`).send({ value: 8000 }).expect(200);
    settings.accept([older]);
    expect(settings.effective('outbound.timeoutMs')).toBe(8000);
  });
});
