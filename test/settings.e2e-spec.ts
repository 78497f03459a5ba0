import { readFileSync } from 'node:fs';
import supertest, { type Agent } from 'supertest';
import { defineSetting, settingRules } from '../src/platform/settings/setting.js';
import { Settings } from '../src/platform/settings/settings.js';
import { type SettingView } from '../src/platform/settings/settings.dto.js';
import { eventsOf } from './support/audit-events.js';
import { startProcess, type TestProcess } from './support/child-process.js';
import { eventually } from './support/eventually.js';
import { asRole, createUser, signIn } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';
import { withoutPins } from './support/test-pins.js';
import { createTestDatabase, type TestDatabase } from './support/test-database.js';

const PATH = '/api/v1/settings';

const colour = defineSetting({ key: 'test.colour', type: 'string', default: 'red', enum: ['red', 'blue'], text: 'x' });
defineSetting({
  key: 'test.greeting',
  type: 'string',
  default: 'hi',
  maxLength: 10,
  pattern: /^[a-z]*$/,
  text: 'x',
});
const weights = defineSetting<number[]>({
  key: 'test.weights',
  type: 'json',
  default: [1],
  text: 'x',
  validate: (value) =>
    Array.isArray(value) && value.every((item) => typeof item === 'number') ? undefined : { pointer: '/0', detail: 'must hold numbers' },
});
const password = defineSetting({ key: 'test.password', type: 'secret', maxLength: 100, text: 'x' });

describe('settings', () => {
  let t: TestApp;
  let admin: Agent;

  beforeAll(async () => {
    t = await startTestApp({ CADASTRE_JOBS: 'false', CADASTRE_LOG_LEVEL: 'silent', CADASTRE_PINNED_SETTINGS: withoutPins });
    admin = await asRole(t, 'admin');
  });

  afterAll(() => t.close());

  const view = async (key: string): Promise<SettingView> => (await admin.get(`${PATH}/${key}`).expect(200)).body as SettingView;
  const put = (key: string, value: unknown): ReturnType<Agent['put']> => admin.put(`${PATH}/${key}`).send({ value });

  it('G1: every key the sources define is in the catalogue, with its type, limits and default, and no other', async () => {
    const { items, total } = (await admin.get(PATH).expect(200)).body as { items: SettingView[]; total: number };
    const keys = items.map(({ key }) => key);
    expect(keys).toEqual(settingRules().map(({ key }) => key));
    // What is generated from the sources without a server has the same ones.
    const page = readFileSync(new URL('../docs/settings.md', import.meta.url), 'utf8');
    const written = [...page.matchAll(/^\| `([^`]+)` \|/gm)].map(([, key = '']) => key);
    expect(keys.filter((key) => !key.startsWith('test.'))).toEqual(written);
    expect(written.length).toBeGreaterThan(50);
    expect([keys.length, new Set(keys).size]).toEqual([total, total]);
    expect(items.find(({ key }) => key === 'outbound.timeoutMs')).toEqual({
      key: 'outbound.timeoutMs',
      type: 'integer',
      text: expect.stringMatching(/^How long .*\.$/) as string,
      unit: 'milliseconds',
      limits: { min: 100, max: 60_000, maxLength: null, pattern: null, enum: null },
      default: 10_000,
      value: 10_000,
      source: 'default',
      pinned: false,
      version: 0,
      updatedAt: null,
      updatedBy: null,
    });
    expect(await view(weights.key)).toMatchObject({ type: 'json', default: [1] });
    expect(await view(colour.key)).toMatchObject({ limits: { enum: ['red', 'blue'] } });
  });

  it('G1: a setting cannot be defined twice, nor with a default that breaks its own rule', () => {
    expect(() => defineSetting({ key: 'test.colour', type: 'boolean', default: true, text: 'x' })).toThrow('defined twice');
    expect(() => defineSetting({ key: 'test.low', type: 'integer', default: 0, min: 1, max: 2, text: 'x' })).toThrow('default');
    expect(() => defineSetting({ key: 'Test', type: 'boolean', default: true, text: 'x' })).toThrow('no key');
  });

  it.each([
    ['outbound.timeoutMs', '5000', '/value'],
    ['outbound.timeoutMs', 99, '/value'],
    ['outbound.timeoutMs', 60_001, '/value'],
    ['outbound.timeoutMs', 100.5, '/value'],
    ['outbound.timeoutMs', null, '/value'],
    ['outbound.timeoutMs', [5000], '/value'],
    ['flags.apiDocs', 'true', '/value'],
    ['flags.apiDocs', 1, '/value'],
    ['test.colour', 'green', '/value'],
    ['test.greeting', 'HELLO', '/value'],
    ['test.greeting', 'x'.repeat(11), '/value'],
    ['test.greeting', {}, '/value'],
    ['test.weights', ['a'], '/value/0'],
    ['test.password', 'x'.repeat(101), '/value'],
    ['test.password', '', '/value'],
    ['test.password', { set: true }, '/value'],
    ['outbound.allowedNetworks', ['10.0.0.0/8', '10.0.0.1/8'], '/value/1'],
  ])('G1: %s refuses %j with 422 and a pointer', async (key, value, pointer) => {
    const answer = await put(key, value).expect(422);
    expect(answer.body).toMatchObject({ code: 'setting_invalid', errors: [{ pointer, code: 'setting_invalid' }] });
    expect(await view(key)).toMatchObject({ source: 'default', version: 0 });
  });

  it('G1: a JSON value has an end', async () => {
    const answer = await put(
      'test.weights',
      Array.from({ length: 20_000 }, () => 1),
    ).expect(422);
    expect(answer.body).toMatchObject({ code: 'setting_invalid', errors: [{ pointer: '/value' }] });
  });

  it('G1: a body without a value is 422, an unknown key 404, whatever is asked of it', async () => {
    expect((await admin.put(`${PATH}/test.colour`).send({}).expect(422)).body).toMatchObject({
      errors: [{ pointer: '/value', code: 'required' }],
    });
    for (const key of ['test.nothing', 'constructor', '__proto__', 'x'.repeat(199)]) {
      const answers = await Promise.all([
        admin.get(`${PATH}/${key}`),
        put(key, 1),
        admin.delete(`${PATH}/${key}`),
        admin.get(`${PATH}/${key}/history`),
        admin.post(`${PATH}/${key}/revert`).send({ version: 1 }),
      ]);
      expect(answers.map(({ status, body }) => [status, (body as { code: string }).code])).toEqual(
        answers.map(() => [404, 'setting_not_found']),
      );
    }
  });

  it('G1: a change is effective at once, has a version and an ETag, and is told to who listens', async () => {
    const settings = t.app.get(Settings);
    const heard: string[] = [];
    settings.onChange(colour, () => heard.push(settings.get(colour)));
    const answer = await put('test.colour', 'blue').expect(200);
    expect(answer.body).toMatchObject({
      value: 'blue',
      default: 'red',
      source: 'stored',
      version: 1,
      updatedBy: expect.stringMatching(/^admin-/) as string,
    });
    expect(answer.headers.etag).toBe('"1"');
    expect(heard).toEqual(['blue']);
    // The same value again changes nothing.
    expect((await put('test.colour', 'blue').expect(200)).headers.etag).toBe('"1"');
    await admin.delete(`${PATH}/test.colour`).expect(204);
    expect(await view('test.colour')).toMatchObject({ value: 'red', source: 'default', version: 2 });
    await admin.delete(`${PATH}/test.colour`).expect(204);
    expect(await view('test.colour')).toMatchObject({ version: 2 });
    expect(heard).toEqual(['blue', 'red']);
  });

  it('G1: a revert is a new, audited change; the history keeps all of them and cannot be altered', async () => {
    for (const value of ['one', 'two']) await put('test.greeting', value).expect(200);
    const reverted = await admin.post(`${PATH}/test.greeting/revert`).send({ version: 1 }).expect(200);
    expect(reverted.body).toMatchObject({ value: 'one', version: 3 });
    await admin.delete(`${PATH}/test.greeting`).expect(204);
    await admin.post(`${PATH}/test.greeting/revert`).send({ version: 2 }).expect(200);
    await admin.post(`${PATH}/test.greeting/revert`).send({ version: 4 }).expect(200);
    const history = (await admin.get(`${PATH}/test.greeting/history`).expect(200)).body as { items: object[]; total: number };
    expect(history).toMatchObject({
      total: 6,
      items: [
        { version: 6, action: 'reverted', value: null, revertedTo: 4 },
        { version: 5, action: 'reverted', value: 'two', revertedTo: 2 },
        { version: 4, action: 'reset', value: null, revertedTo: null },
        { version: 3, action: 'reverted', value: 'one', revertedTo: 1 },
        { version: 2, action: 'changed', value: 'two' },
        { version: 1, action: 'changed', value: 'one', by: expect.stringMatching(/^admin-/) as string },
      ],
    });
    const events = await eventsOf(t, `resource_type = 'setting' AND payload::jsonb #>> '{resource,name}' = 'test.greeting'`);
    expect(events.map(({ action, changes }) => [action, changes?.[0]?.before, changes?.[0]?.after])).toEqual([
      ['setting.changed', null, 'one'],
      ['setting.changed', 'one', 'two'],
      ['setting.reverted', 'two', 'one'],
      ['setting.reset', 'one', null],
      ['setting.reverted', null, 'two'],
      ['setting.reverted', 'two', null],
    ]);
    expect(events.every(({ category }) => category === 'governance')).toBe(true);
    expect((await admin.post(`${PATH}/test.greeting/revert`).send({ version: 99 }).expect(404)).body).toMatchObject({
      code: 'setting_version_not_found',
    });
    for (const statement of [`UPDATE setting_history SET value = '"x"'`, 'DELETE FROM setting_history', 'TRUNCATE setting_history'])
      await expect(t.sql(statement)).rejects.toThrow('insert-only');
  });

  it('G1: of many who change the same version one wins, and the others are told', async () => {
    const { version } = await view('outbound.timeoutMs');
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => put('outbound.timeoutMs', 2000 + i).set('if-match', `"${version}"`)),
    );
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([200, ...Array.from({ length: 7 }, () => 412)]);
    expect(answers.find(({ status }) => status === 412)?.body).toMatchObject({ code: 'stale_version', currentETag: `"${version + 1}"` });
    const won = answers.find(({ status }) => status === 200)?.body as SettingView;
    expect(await view('outbound.timeoutMs')).toMatchObject({ value: won.value, version: version + 1 });
    await admin.delete(`${PATH}/outbound.timeoutMs`).set('if-match', `"${version}"`).expect(412);
    await admin.post(`${PATH}/outbound.timeoutMs/revert`).send({ version: 1 }).set('if-match', `"${version}"`).expect(412);
  });

  it('G1: without If-Match changes follow each other and none is lost from the history', async () => {
    await Promise.all(Array.from({ length: 10 }, (_, i) => put('test.weights', [i]).expect(200)));
    const { items } = (await admin.get(`${PATH}/test.weights/history`).expect(200)).body as {
      items: { version: number; value: unknown }[];
    };
    expect(items.map(({ version }) => version)).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    expect(await view('test.weights')).toMatchObject({ value: items[0]?.value, version: 10 });
  });

  it('G1: a flag switches what it names, and everybody may read it', async () => {
    const viewer = await asRole(t, 'viewer');
    expect((await viewer.get('/api/v1/feature-flags').expect(200)).body).toEqual({ apiDocs: true });
    await t.anonymous.get('/docs').expect(200);
    await put('flags.apiDocs', false).expect(200);
    for (const page of ['/docs', '/docs/start.js', '/docs/openapi.json', '/docs/ui/swagger-ui.css'])
      await t.anonymous.get(page).expect(404);
    expect((await viewer.get('/api/v1/feature-flags').expect(200)).body).toEqual({ apiDocs: false });
    await admin.delete(`${PATH}/flags.apiDocs`).expect(204);
    await t.anonymous.get('/docs').expect(200);
    await viewer.get(PATH).expect(403);
  });

  it('G2: a secret is ciphertext in the database, and nowhere in answers or in the trail', async () => {
    const marker = 'vulture-by-the-frozen-lake';
    const settings = t.app.get(Settings);
    const answers = [
      await put('test.password', marker).expect(200),
      await admin.get(`${PATH}/test.password`).expect(200),
      await admin.get(PATH).expect(200),
      await put('test.password', `${marker}!`).expect(200),
      await admin.get(`${PATH}/test.password/history`).expect(200),
    ];
    expect(settings.getSecret(password)).toBe(`${marker}!`);
    expect(answers[0]?.body).toMatchObject({ value: { set: true }, default: null, source: 'stored' });
    expect((answers[4]?.body as { items: object[] }).items).toMatchObject([{ value: { set: true } }, { value: { set: true } }]);
    const [row] = await t.sql<{ sealed: Buffer; value: unknown }>(`SELECT sealed, value FROM settings WHERE key = 'test.password'`);
    expect(row?.value).toBeNull();
    const tables = ['settings', 'setting_history', 'audit_events', 'idempotency_keys', 'jobs'];
    const dump = await Promise.all(tables.map((table) => t.sql(`SELECT x::text AS row FROM ${table} x`)));
    const everything = [JSON.stringify(dump), row?.sealed.toString('latin1'), ...answers.map(({ text }) => text)].join('\n');
    for (const form of [marker, Buffer.from(marker).toString('hex'), Buffer.from(marker).toString('base64').slice(0, 30)])
      expect(everything).not.toContain(form);
    expect((await admin.post(`${PATH}/test.password/revert`).send({ version: 1 }).expect(409)).body).toMatchObject({
      code: 'setting_not_kept',
    });
    expect((await put('test.password', null).expect(200)).body).toMatchObject({ value: { set: false }, source: 'default' });
    expect(settings.getSecret(password)).toBeUndefined();
    const events = await eventsOf(t, `resource_type = 'setting' AND payload::jsonb #>> '{resource,name}' = 'test.password'`);
    expect(
      events.map(({ action, changes }) => [action, ...(changes ?? []).map(({ field, after }) => `${field}: ${JSON.stringify(after)}`)]),
    ).toEqual([
      ['setting.changed', 'revision: 1', 'set: true'],
      ['setting.changed', 'revision: 2'],
      ['setting.reset', 'revision: 3', 'set: false'],
    ]);
  });

  it('G2: a secret that was sealed for one setting cannot be opened as another', async () => {
    await put('test.password', 'a secret of its own').expect(200);
    const settings = t.app.get(Settings);
    const row = settings.stored('test.password')!;
    const other = defineSetting({ key: 'test.otherPassword', type: 'secret', text: 'x' });
    settings.accept([{ ...row, key: other.key, version: 1 }]);
    expect(() => settings.getSecret(other)).toThrow();
    await admin.delete(`${PATH}/test.password`).expect(204);
  });
});

describe('settings of a server that prints all it has to say', () => {
  let database: TestDatabase;
  let helper: TestApp;
  let server: TestProcess;

  beforeAll(async () => {
    database = await createTestDatabase();
    helper = await startTestApp({ CADASTRE_JOBS: 'false', CADASTRE_PINNED_SETTINGS: withoutPins }, database);
    server = await startProcess('test/support/secret-holder.mjs', database, { CADASTRE_LOG_LEVEL: 'trace', CADASTRE_LOG_FORMAT: 'json' });
  });

  afterAll(async () => {
    server.child.kill('SIGTERM');
    await server.ended;
    await helper.close();
    await database.drop();
  });

  it('G2: a secret is not in the log, whether it is accepted or refused', async () => {
    const url = await eventually(() => /"url":"(http:[^"]+)"/.exec(server.output())?.[1], 60_000);
    const admin = supertest.agent(url);
    const user = await createUser(helper, { roles: ['admin'] });
    const { accessToken } = await signIn({ ...helper, anonymous: admin }, user);
    admin.set('authorization', `Bearer ${accessToken}`);
    const marker = 'cormorant-on-the-broken-pier';
    const at = `${PATH}/test.connectorPassword`;
    await admin.put(at).send({ value: marker }).expect(200);
    await admin
      .put(at)
      .send({ value: marker.repeat(200) })
      .expect(422);
    await admin.put(at).send({ value: { marker } }).expect(422);
    await admin.put(at).send({ value: marker }).set('if-match', '"77"').expect(412);
    await eventually(() => (server.output().match(/"status":422/g) ?? []).length === 2);
    expect(server.output()).not.toContain(marker);
  });
});
