import { type Agent, type Response } from 'supertest';
import { eventsOf } from './support/audit-events.js';
import { OidcIdp } from './support/oidc-idp.js';
import { aProvider, Browser, type MadeProvider, whoIs } from './support/providers.js';
import { asRole, createUser } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const CLIENT = { clientId: 'cadastre', clientSecret: 'a secret between the two of them' };

describe('identity providers', () => {
  let t: TestApp;
  let root: Agent;
  let idp: OidcIdp;

  beforeAll(async () => {
    [t, idp] = await Promise.all([startTestApp({ CADASTRE_JOBS: 'false' }), OidcIdp.start()]);
    root = await asRole(t, 'superuser');
  });

  afterAll(async () => {
    idp.close();
    await t.close();
  });

  const anOpenId = (issuer: string): Promise<MadeProvider> =>
    aProvider(
      root,
      { kind: 'oidc', issuer, clientId: CLIENT.clientId },
      { secrets: { clientSecret: CLIENT.clientSecret }, createsAccounts: true, defaultRoles: ['viewer'] },
    );

  async function whole(options: Parameters<OidcIdp['answer']>[1], at: string): Promise<Response> {
    const browser = new Browser(t);
    const { headers } = await browser.get(`/api/v1/auth/providers/${at}/callback?${idp.answer(await browser.leave(at), options)}`);
    return browser.exchange(headers.location);
  }

  const PROVIDERS = '/api/v1/identity-providers';

  it('U14: secrets are written and never read; absent stays, null clears', async () => {
    const { id, version } = await anOpenId(idp.issuer);
    const at = `${PROVIDERS}/${id}`;
    const read = async (): Promise<Response> => root.get(at).expect(200);
    expect((await read()).body).toMatchObject({ version, secrets: { clientSecret: { set: true } } });
    const [before] = await t.sql<{ secrets: Buffer }>('SELECT secrets FROM identity_providers WHERE id = $1', [id]);
    expect(before!.secrets.includes(Buffer.from(CLIENT.clientSecret))).toBe(false);
    await root.patch(at).send({ name: 'Renamed' }).expect(200);
    expect((await read()).body).toMatchObject({ name: 'Renamed', secrets: { clientSecret: { set: true } } });
    await root
      .patch(at)
      .send({ secrets: { clientSecret: 'the next one' } })
      .expect(200);
    await root
      .patch(at)
      .send({ secrets: { clientSecret: null } })
      .set('if-match', '"1"')
      .expect(412);
    await root
      .patch(at)
      .send({ secrets: { clientSecret: null } })
      .expect(200);
    expect((await read()).body).toMatchObject({ secrets: { clientSecret: { set: false } } });
    const events = await eventsOf(t, `resource_id = $1 AND category <> 'reads'`, id);
    expect(events.map(({ action }) => action)).toEqual([
      'identity_provider.created',
      ...Array<string>(3).fill('identity_provider.updated'),
    ]);
    for (const secret of [CLIENT.clientSecret, 'the next one']) {
      expect(JSON.stringify(events)).not.toContain(secret);
      expect((await read()).text).not.toContain(secret);
    }
  });

  it.each([
    [
      'an unknown role',
      {
        roleMap: [
          { group: 'a', role: 'viewer' },
          { group: 'b', role: 'emperor' },
        ],
      },
      'unknown_role',
      '/roleMap/1/role',
    ],
    ['an unknown default role', { defaultRoles: ['emperor'] }, 'unknown_role', '/defaultRoles/0'],
    ['a mapped superuser', { roleMap: [{ group: 'a', role: 'superuser' }] }, 'superuser_not_allowed', '/roleMap/0/role'],
    ['a superuser by default', { defaultRoles: ['superuser'], mayGrantSuperuser: true }, 'superuser_not_allowed', '/defaultRoles/0'],
    ['a secret of another kind', { secrets: { bindPassword: 'x' } }, 'secret_of_another_kind', '/secrets/bindPassword'],
    ['plain text', { config: { kind: 'oidc', issuer: 'http://login.example.net', clientId: 'a' } }, 'plaintext_refused', '/config/issuer'],
    [
      'a target nobody should reach',
      { config: { kind: 'oidc', issuer: 'https://169.254.169.254', clientId: 'a' } },
      'target_refused',
      '/config/issuer',
    ],
    ['an unknown kind', { config: { kind: 'kerberos' } }, 'invalid_body', '/config/kind'],
  ])('U14: refuses %s', async (_what, more, code, pointer) => {
    const body = { slug: 'refused', name: 'Refused', config: { kind: 'oidc', issuer: idp.issuer, clientId: 'a' }, ...more };
    const answer = await root.post(PROVIDERS).send(body).expect(422);
    expect(answer.body).toMatchObject({ code, errors: [{ pointer }] });
  });

  it('U14: mapped superuser refused at sign-in too, should the row have been written past the program', async () => {
    const { slug: raw, id } = await anOpenId(idp.issuer);
    await t.sql(
      `INSERT INTO identity_provider_roles (provider_id, external_group, role_id) SELECT $1, 'root', id FROM roles WHERE name = 'superuser'`,
      [id],
    );
    expect((await whoIs(t, await whole({ claims: { sub: 'root', groups: ['root'] } }, raw))).roles).toEqual(['viewer']);
    await t.sql('UPDATE identity_providers SET may_grant_superuser = true, version = version + 1 WHERE id = $1', [id]);
    expect((await whoIs(t, await whole({ claims: { sub: 'root', groups: ['root'] } }, raw))).roles).toEqual(['superuser', 'viewer']);
  });

  it('U14, U6: whoever could become a superuser through a provider may not be an admin only', async () => {
    const admin = await asRole(t, 'admin');
    const config = { kind: 'oidc', issuer: idp.issuer, clientId: 'a' };
    const refused = await admin.post(PROVIDERS).send({ slug: 'mine', name: 'Mine', config, mayGrantSuperuser: true }).expect(403);
    expect(refused.body).toMatchObject({ code: 'superuser_required' });
    const linked = await anOpenId(idp.issuer);
    await admin.patch(`${PROVIDERS}/${linked.id}`).send({ name: 'Still mine' }).expect(200);
    const boss = await createUser(t, { roles: ['superuser'] });
    await t.sql(`INSERT INTO user_identities (provider_id, external_id, user_id) VALUES ($1, 'boss', $2)`, [linked.id, boss.id]);
    await admin
      .patch(`${PROVIDERS}/${linked.id}`)
      .send({ config: { ...config, issuer: 'https://mine.example' } })
      .expect(403);
  });

  it('U14: a provider keeps its issuer while somebody is linked to it, and is not deleted', async () => {
    const kept = await anOpenId(idp.issuer);
    await whole({ claims: { sub: 'keeper' } }, kept.slug);
    const at = `${PROVIDERS}/${kept.id}`;
    const moved = await root
      .patch(at)
      .send({ config: { kind: 'oidc', issuer: 'https://elsewhere.example', clientId: 'a' } })
      .expect(409);
    expect(moved.body).toMatchObject({ code: 'issuer_is_fixed' });
    expect((await root.delete(at).expect(409)).body).toMatchObject({ code: 'provider_in_use' });
    const unused = await anOpenId(idp.issuer);
    await root.delete(`${PROVIDERS}/${unused.id}`).expect(204);
  });

  it('U14: a test discovers the provider and finds its keys, or says why not', async () => {
    expect((await root.post(`${PROVIDERS}/${(await anOpenId(idp.issuer)).id}/test`).expect(200)).body).toMatchObject({
      ok: true,
      steps: [{ name: 'discover', detail: idp.issuer }, { name: 'keys' }],
    });
    const away = await anOpenId('http://127.0.0.1:1');
    const answer = await root.post(`${PROVIDERS}/${away.id}/test`).expect(200);
    expect(answer.body).toMatchObject({ ok: false, steps: [{ name: 'discover', ok: false }] });
    const start = await t.anonymous.post(`/api/v1/auth/providers/${away.slug}/start`).send({}).expect(503);
    expect(start.body).toMatchObject({ code: 'provider_unavailable' });
  });
});
