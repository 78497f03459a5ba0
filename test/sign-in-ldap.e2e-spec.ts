import { Client } from 'ldapts';
import { type Agent, type Response } from 'supertest';
import { LdapReconcile } from '../src/users/identity-providers/ldap/ldap-reconcile.js';
import { eventsOf } from './support/audit-events.js';
import { selfSigned } from './support/certificate.js';
import { describeWith } from './support/programs.js';
import { aProvider, loginsOf, type MadeProvider, whoIs } from './support/providers.js';
import { codeOf, codesRest } from './support/second-factor.js';
import { asRole, createUser, signIn, withToken } from './support/sign-in.js';
import { type Slapd, startSlapd } from './support/slapd.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const PASSWORD = 'a word known to the directory';
const PROVIDERS = '/api/v1/identity-providers';
const FAILED = { code: 'login_failed', detail: 'The username or the password is wrong.' };

const person = (uid: string, more: string[] = []): string =>
  [
    `dn: uid=${uid},ou=people,dc=example,dc=net`,
    'objectClass: inetOrgPerson',
    'objectClass: posixAccount',
    'objectClass: shadowAccount',
    `uid: ${uid}`,
    `cn: ${uid} of Example`,
    'sn: Example',
    `userPassword: ${PASSWORD}`,
    'uidNumber: 4711',
    'gidNumber: 100',
    'loginShell: /bin/zsh',
    `homeDirectory: /home/${uid}`,
    ...more,
    '',
    '',
  ].join('\n');
const PEOPLE = ['ada', 'grace', 'twin', 'leaver', 'locked', 'boss', 'linker', 'tls', 'collide'];
const TREE = [
  'dn: ou=people,dc=example,dc=net\nobjectClass: organizationalUnit\nou: people\n\n',
  'dn: ou=groups,dc=example,dc=net\nobjectClass: organizationalUnit\nou: groups\n\n',
  'dn: ou=guests,ou=people,dc=example,dc=net\nobjectClass: organizationalUnit\nou: guests\n\n',
  ...PEOPLE.map((uid) => person(uid, uid === 'ada' ? ['mail: ada@example.net'] : [])),
  person('twin').replace('uid=twin,ou=people', 'uid=twin,ou=guests,ou=people'),
  'dn: cn=netops,ou=groups,dc=example,dc=net\nobjectClass: groupOfNames\ncn: netops\nmember: uid=ada,ou=people,dc=example,dc=net\nmember: uid=boss,ou=people,dc=example,dc=net\n\n',
  'dn: cn=posixops,ou=groups,dc=example,dc=net\nobjectClass: posixGroup\ncn: posixops\ngidNumber: 500\nmemberUid: grace\n\n',
  'dn: cn=bosses,ou=groups,dc=example,dc=net\nobjectClass: groupOfNames\ncn: bosses\nmember: uid=boss,ou=people,dc=example,dc=net\n\n',
].join('');

describeWith(
  'slapd',
  'ldapadd',
  'ldapmodify',
)('signing in with a directory', () => {
  let t: TestApp;
  let slapd: Slapd;
  let root: Agent;

  beforeAll(async () => {
    [t, slapd] = await Promise.all([startTestApp({ CADASTRE_JOBS: 'false' }), startSlapd()]);
    await slapd.load('ldapadd', TREE);
    root = await asRole(t, 'superuser');
  });

  afterAll(async () => {
    await slapd.close();
    await t.close();
  });

  const config = (more: object = {}): object => ({
    kind: 'ldap',
    url: slapd.url,
    tls: 'none',
    bindDn: slapd.rootDn,
    userBase: 'ou=people,dc=example,dc=net',
    groupStyle: 'member',
    groupBase: 'ou=groups,dc=example,dc=net',
    ...more,
  });
  const aDirectory = (more: object = {}, provider: object = {}): Promise<MadeProvider> =>
    aProvider(root, config(more), {
      secrets: { bindPassword: slapd.rootPassword },
      createsAccounts: true,
      defaultRoles: ['viewer'],
      ...provider,
    });
  const login = (slug: string, username: string, password: string): Promise<Response> =>
    t.anonymous
      .post(`/api/v1/auth/providers/${slug}/login`)
      .send({ username, password })
      .then((answer) => answer);
  const rolesOf = (userId: string): Promise<unknown[]> =>
    t.sql(
      `SELECT r.name, ur.source FROM user_roles ur JOIN roles r ON r.id = ur.role_id WHERE ur.user_id = $1 ORDER BY r.name, ur.source`,
      [userId],
    );

  it('U14: makes an account with the default role at the first sign-in, and knows the person again', async () => {
    const { slug } = await aDirectory();
    const answer = await login(slug, 'ada', PASSWORD);
    expect(answer.status).toBe(200);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.body).toMatchObject({ tokenType: 'Bearer', mustChangePassword: false });
    const ada = await whoIs(t, answer);
    expect(ada).toMatchObject({ username: 'ada', email: 'ada@example.net', displayName: 'ada of Example', roles: ['viewer'] });
    expect((await whoIs(t, await login(slug, 'ADA', PASSWORD))).id).toBe(ada.id);
    expect(await loginsOf(t, 'login.succeeded', slug)).toHaveLength(2);
    expect(await eventsOf(t, `action = 'user.created' AND resource_id = $1`, ada.id)).toMatchObject([
      { actor: { name: `provider ${slug}` }, detail: { provider: slug } },
    ]);
    expect(await t.sql('SELECT methods FROM auth_sessions WHERE user_id = $1', [ada.id])).toEqual([
      { methods: ['ldap'] },
      { methods: ['ldap'] },
    ]);
    expect(await t.sql('SELECT posix FROM user_identities WHERE user_id = $1', [ada.id])).toEqual([
      { posix: { uidNumber: 4711, gidNumber: 100, loginShell: '/bin/zsh', homeDirectory: '/home/ada' } },
    ]);
  });

  it('U14, U8, ASVS 6.3.1: guessing a directory’s passwords is slowed as guessing ours is, by name, directory and network', async () => {
    const { slug } = await aDirectory();
    for (let i = 0; i < 5; i++) expect((await login(slug, 'grace', `wrong ${i}`)).status).toBe(401);
    const locked = await login(slug, 'Grace', PASSWORD);
    expect({ status: locked.status, code: (locked.body as { code: string }).code }).toEqual({ status: 423, code: 'login_locked' });
    expect(Number(locked.headers['retry-after'])).toBeGreaterThan(1000);
    expect((await login(slug, 'ada', PASSWORD)).status).toBe(200);
    const { slug: another } = await aDirectory();
    expect((await login(another, 'grace', PASSWORD)).status).toBe(200);
  });

  it('U8: unlocking a user ends the lock of their name at a directory too, and no other', async () => {
    const [{ slug }, { slug: another }] = [await aDirectory(), await aDirectory()];
    const { id } = await whoIs(t, await login(slug, 'grace', PASSWORD));
    for (const directory of [slug, another])
      for (let i = 0; i < 5; i++) expect((await login(directory, 'grace', `wrong ${i}`)).status).toBe(401);
    expect((await login(slug, 'Grace', PASSWORD)).status).toBe(423);
    await root.post(`/api/v1/users/${id}/unlock`).expect(204);
    expect((await login(slug, 'Grace', PASSWORD)).status).toBe(200);
    expect((await login(another, 'grace', PASSWORD)).status).toBe(423);
    expect(await eventsOf(t, `action = 'user.unlocked' AND resource_id = $1`, id)).toMatchObject([{ detail: { networks: 1 } }]);
  });

  it('U14: a console signs in with a cookie here too', async () => {
    const { slug } = await aDirectory();
    const answer = await t.anonymous
      .post(`/api/v1/auth/providers/${slug}/login`)
      .send({ username: 'ada', password: PASSWORD, mode: 'console' });
    expect(answer.status).toBe(200);
    expect(answer.body).not.toHaveProperty('accessToken');
    expect(String(answer.headers['set-cookie'])).toMatch(/^__Host-cadastre=/);
  });

  it('U14, ASVS 1.3.6, 13.2.4: connects only where the outbound policy lets it', async () => {
    const strict = await startTestApp({
      CADASTRE_JOBS: 'false',
      CADASTRE_PINNED_SETTINGS: JSON.stringify({ 'outbound.allowedNetworks': [] }),
    });
    try {
      const admin = await asRole(strict, 'superuser');
      const refused = await admin
        .post('/api/v1/identity-providers')
        .send({ slug: 'here', name: 'Here', config: config(), secrets: { bindPassword: 'x' } });
      expect([refused.status, refused.body]).toMatchObject([422, { code: 'target_refused', errors: [{ pointer: '/config/url' }] }]);
    } finally {
      await strict.close();
    }
  });

  it('U14: an account of that name is somebody else’s; the new one gets a suffix, and never the other one’s e-mail address', async () => {
    const { id } = await createUser(t, { username: 'collide' });
    await t.sql(`UPDATE users SET email = 'collide@example.net' WHERE id = $1`, [id]);
    await slapd.load(
      'ldapmodify',
      'dn: uid=collide,ou=people,dc=example,dc=net\nchangetype: modify\nadd: mail\nmail: collide@example.net\n',
    );
    const { slug } = await aDirectory();
    expect(await whoIs(t, await login(slug, 'collide', PASSWORD))).toMatchObject({ username: 'collide-2', email: null });
    expect(await t.sql('SELECT FROM user_identities WHERE user_id = $1', [id])).toEqual([]);
  });

  it.each([
    ['member', 'ada', 'netops'],
    ['memberUid', 'grace', 'posixops'],
    ['memberOf', 'ada', 'netops'],
  ])('U14, U5: groups by %s become roles, and stop being them; roles given by hand stay', async (groupStyle, uid, group) => {
    const { slug } = await aDirectory({ groupStyle }, { roleMap: [{ group, role: 'operator' }] });
    const { id } = await whoIs(t, await login(slug, uid, PASSWORD));
    expect(await rolesOf(id)).toEqual([
      { name: 'operator', source: 'identity_provider' },
      { name: 'viewer', source: 'manual' },
    ]);
    const [provider] = await t.sql<{ id: string }>('SELECT id FROM identity_providers WHERE slug = $1', [slug]);
    await root
      .patch(`${PROVIDERS}/${provider!.id}`)
      .send({ roleMap: [{ group, role: 'analyst' }] })
      .expect(200);
    await t.sql(`INSERT INTO user_roles (user_id, role_id, assigned_by) SELECT $1, id, 'test' FROM roles WHERE name = 'operator'`, [id]);
    await login(slug, uid, PASSWORD);
    expect(await rolesOf(id)).toEqual([
      { name: 'analyst', source: 'identity_provider' },
      { name: 'operator', source: 'manual' },
      { name: 'viewer', source: 'manual' },
    ]);
    const changes = await eventsOf(t, `action = 'user.roles_changed' AND resource_id = $1`, id);
    expect(changes).toHaveLength(2);
  });

  it('U14: every failure is the answer of a failed login here, letter for letter', async () => {
    const { slug } = await aDirectory();
    const local = await t.anonymous.post('/api/v1/auth/login').send({ username: 'nobody', password: PASSWORD });
    const failures: Record<string, [string, string]> = {
      'a wrong password': ['ada', 'something else'],
      'an unknown name': ['nobody', PASSWORD],
      'two entries of one name': ['twin', PASSWORD],
      'no name': ['', PASSWORD],
    };
    for (const [what, [username, password]] of Object.entries(failures)) {
      const answer = await login(slug, username, password);
      const expected = { ...(local.body as object), requestId: expect.any(String) as string };
      expect({ what, status: answer.status, body: answer.body as unknown }).toEqual({ what, status: local.status, body: expected });
    }
    const events = await loginsOf(t, 'login.failed', slug);
    expect(events.map(({ detail }) => (detail as { reason: string }).reason)).toEqual([
      'wrong_password',
      'unknown_user',
      'unknown_user',
      'wrong_password',
    ]);
    expect(JSON.stringify(events)).not.toContain('nobody');
  });

  it('U14: an empty password is refused before the directory is asked, though it would agree to an unauthenticated bind', async () => {
    const { slug } = await aDirectory();
    // What the directory makes of it: proof that the refusal is ours.
    const client = new Client({ url: slapd.url });
    await expect(client.bind('uid=ada,ou=people,dc=example,dc=net', '')).resolves.toBeUndefined();
    await client.unbind();
    const answer = await login(slug, 'ada', '');
    expect(answer.status).toBe(401);
    expect(answer.body).toMatchObject(FAILED);
    await slapd.stop();
    try {
      expect((await login(slug, 'ada', '')).status).toBe(401);
      expect((await login(slug, 'ada', PASSWORD)).status).toBe(503);
    } finally {
      await slapd.start();
    }
  });

  it.each(['*', 'a*', 'ada)(uid=*', '*)(objectClass=*', 'ada\\2a', '(|(uid=*))', 'ada)(|(uid=ada', 'uid=ada'])(
    'U14, ASVS 1.2.6: filter injection: %s is nobody’s name',
    async (username) => {
      const { slug } = await aDirectory();
      const answer = await login(slug, username, PASSWORD);
      expect(answer.status).toBe(401);
      expect(answer.body).toMatchObject(FAILED);
    },
  );

  it('U14, U18, ASVS 6.3.4: asks for the second factor of the account like a login by password', async () => {
    const { slug } = await aDirectory();
    const first = await login(slug, 'tls', PASSWORD);
    const { id } = await whoIs(t, first);
    const agent = withToken(t, (first.body as { accessToken: string }).accessToken);
    const { secret } = (await agent.post('/api/v1/me/second-factors/totp').expect(201)).body as { secret: string };
    await agent
      .post('/api/v1/me/second-factors/totp/confirm')
      .send({ code: codeOf(secret) })
      .expect(200);
    await codesRest(t, id);
    const asked = await login(slug, 'tls', PASSWORD);
    expect(asked.body).toMatchObject({ secondFactorRequired: true, methods: ['code', 'recoveryCode'] });
    const { ticket } = asked.body as { ticket: string };
    const second = (code: string): Promise<Response> =>
      t.anonymous
        .post('/api/v1/auth/second-factor')
        .send({ ticket, code })
        .then((answer) => answer);
    expect((await second('000000')).status).toBe(401);
    const opened = await second(codeOf(secret));
    expect((await whoIs(t, opened)).id).toBe(id);
    expect(
      await t.sql('SELECT methods, provider_id IS NOT NULL AS provided FROM auth_sessions WHERE user_id = $1 ORDER BY created_at', [id]),
    ).toEqual([
      { methods: ['ldap', 'otp'], provided: true },
      { methods: ['ldap', 'otp'], provided: true },
    ]);
    expect(await loginsOf(t, 'login.succeeded', slug)).toMatchObject([{}, { detail: { methods: ['ldap', 'otp'], provider: slug } }]);
    expect((await second(codeOf(secret))).status).toBe(401);
  });

  it('U14, ASVS 6.3.4: an account that is deactivated here stays out', async () => {
    const { slug } = await aDirectory();
    const { id } = await whoIs(t, await login(slug, 'grace', PASSWORD));
    await t.sql('UPDATE users SET active = false WHERE id = $1', [id]);
    const answer = await login(slug, 'grace', PASSWORD);
    expect(answer.status).toBe(401);
    expect(answer.body).toMatchObject(FAILED);
  });

  it('U14: somebody without an account is told to link one where the provider makes none', async () => {
    const { slug } = await aDirectory({}, { createsAccounts: false });
    const answer = await login(slug, 'linker', PASSWORD);
    expect(answer.status).toBe(403);
    expect(answer.body).toMatchObject({ code: 'account_not_linked' });
    const user = await createUser(t, { roles: ['viewer'] });
    const me = withToken(t, (await signIn(t, user)).accessToken);
    const linked = await me.post(`/api/v1/me/identities/${slug}/login`).send({ username: 'linker', password: PASSWORD }).expect(201);
    expect(linked.body).toMatchObject({ provider: slug, name: 'linker' });
    expect((await whoIs(t, await login(slug, 'linker', PASSWORD))).id).toBe(user.id);
    const again = await me.post(`/api/v1/me/identities/${slug}/login`).send({ username: 'ada', password: PASSWORD }).expect(409);
    expect(again.body).toMatchObject({ code: 'provider_already_linked' });
    const other = await asRole(t, 'viewer');
    const taken = await other.post(`/api/v1/me/identities/${slug}/login`).send({ username: 'linker', password: PASSWORD }).expect(409);
    expect(taken.body).toMatchObject({ code: 'identity_taken' });
    await other.delete(`/api/v1/me/identities/${slug}`).expect(404);
    await me.delete(`/api/v1/me/identities/${slug}`).expect(204);
    expect((await login(slug, 'linker', PASSWORD)).status).toBe(403);
  });

  it('U14: nobody unlinks the last way into their account', async () => {
    const { slug } = await aDirectory();
    const { accessToken } = (await login(slug, 'tls', PASSWORD)).body as { accessToken: string };
    const me = withToken(t, accessToken);
    const refused = await me.delete(`/api/v1/me/identities/${slug}`).expect(409);
    expect(refused.body).toMatchObject({ code: 'last_way_in' });
  });

  describe('over TLS', () => {
    it.each([
      ['starttls', () => slapd.url.replace('127.0.0.1', 'localhost')],
      ['ldaps', () => slapd.ldapsUrl],
      ['ldaps', () => slapd.ldapsUrl.replace('localhost', '127.0.0.1')],
    ])('U14, ASVS 12.3.2: %s with the pinned authority signs in', async (tls, url) => {
      const { slug } = await aDirectory({ tls, url: url(), caPem: slapd.certificate });
      expect((await login(slug, 'ada', PASSWORD)).status).toBe(200);
    });

    it.each(['starttls', 'ldaps'])('U14, ASVS 12.3.2: %s with a certificate of an untrusted authority sends no password', async (tls) => {
      const url = tls === 'ldaps' ? slapd.ldapsUrl : slapd.url;
      for (const caPem of [undefined, selfSigned('localhost', ['127.0.0.1']).certificate]) {
        const { slug, id } = await aDirectory({ tls, url, caPem });
        const answer = await login(slug, 'ada', PASSWORD);
        expect(answer.status).toBe(503);
        expect(answer.body).toMatchObject({ code: 'provider_unavailable' });
        const test = await root.post(`${PROVIDERS}/${id}/test`).expect(200);
        expect(test.body).toMatchObject({ ok: false, steps: [{ name: 'connect with TLS', ok: false }] });
        expect(test.text).toMatch(/self.signed|unable to verify/i);
      }
    });
  });

  it('U14: a provider that is away is 503 with Retry-After, and its test says what failed', async () => {
    const { slug, id } = await aDirectory({ url: 'ldap://127.0.0.1:1', timeoutMs: 500 });
    const answer = await login(slug, 'ada', PASSWORD);
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBe('5');
    const test = await root.post(`${PROVIDERS}/${id}/test`).expect(200);
    expect(test.body).toMatchObject({
      ok: false,
      steps: [{ name: 'connect', ok: false }],
    });
    expect(test.text).toContain('ECONNREFUSED');
  });

  it('U14: a test connects for real, step by step', async () => {
    const good = await aDirectory();
    expect((await root.post(`${PROVIDERS}/${good.id}/test`).expect(200)).body).toMatchObject({
      ok: true,
      steps: [{ name: 'connect' }, { name: 'bind', detail: slapd.rootDn }, { name: 'search' }],
    });
    const wrong = await aDirectory({}, { secrets: { bindPassword: 'not the one' } });
    const answer = await root.post(`${PROVIDERS}/${wrong.id}/test`).expect(200);
    expect(answer.body).toMatchObject({ ok: false, steps: [{ ok: true }, { name: 'bind', ok: false }] });
    expect(answer.text).not.toContain('not the one');
    const nowhere = await aDirectory({ userBase: 'ou=nowhere,dc=example,dc=net' });
    expect((await root.post(`${PROVIDERS}/${nowhere.id}/test`).expect(200)).body).toMatchObject({
      ok: false,
      steps: [{}, {}, { name: 'search' }],
    });
  });

  describe('every night', () => {
    const reconcile = (): Promise<Record<string, unknown>> => t.app.get(LdapReconcile).all();

    it('U14: who is gone or switched off there is out here, sessions and all; groups are followed', async () => {
      await t.sql('UPDATE identity_providers SET enabled = false');
      const { slug } = await aDirectory({}, { roleMap: [{ group: 'netops', role: 'operator' }] });
      const answers = Object.fromEntries(
        await Promise.all(['leaver', 'locked', 'ada'].map(async (uid) => [uid, await login(slug, uid, PASSWORD)] as const)),
      );
      const [leaver, locked, ada] = await Promise.all(['leaver', 'locked', 'ada'].map((uid) => whoIs(t, answers[uid]!)));
      expect(await reconcile()).toEqual({ [slug]: { seen: 3, deactivated: 0, refused: 0 } });
      await slapd.load(
        'ldapmodify',
        [
          'dn: uid=leaver,ou=people,dc=example,dc=net\nchangetype: delete\n',
          'dn: uid=locked,ou=people,dc=example,dc=net\nchangetype: modify\nadd: shadowExpire\nshadowExpire: 1\n',
          'dn: cn=netops,ou=groups,dc=example,dc=net\nchangetype: modify\ndelete: member\nmember: uid=ada,ou=people,dc=example,dc=net\n',
        ].join('\n'),
      );
      expect(await reconcile()).toEqual({ [slug]: { seen: 3, deactivated: 2, refused: 0 } });
      for (const gone of [leaver!, locked!]) {
        expect(await t.sql('SELECT active FROM users WHERE id = $1', [gone.id])).toEqual([{ active: false }]);
        expect(await eventsOf(t, `action = 'user.deactivated' AND resource_id = $1`, gone.id)).toMatchObject([
          { actor: { name: `provider ${slug}` }, detail: { endedSessions: 1 } },
        ]);
        expect(await t.sql('SELECT end_reason FROM auth_sessions WHERE user_id = $1', [gone.id])).toEqual([{ end_reason: 'deactivated' }]);
      }
      expect(await rolesOf(ada!.id)).toEqual([{ name: 'viewer', source: 'manual' }]);
      expect(await reconcile()).toEqual({ [slug]: { seen: 1, deactivated: 0, refused: 0 } });
    });

    it('U14: never the last superuser: that is reported', async () => {
      await t.sql('UPDATE identity_providers SET enabled = false');
      const { slug } = await aDirectory({}, { roleMap: [{ group: 'bosses', role: 'superuser' }], mayGrantSuperuser: true });
      const boss = await whoIs(t, await login(slug, 'boss', PASSWORD));
      expect(boss.roles).toContain('superuser');
      const others = await t.sql<{ id: string }>(
        `UPDATE users u SET active = false FROM user_roles ur JOIN roles r ON r.id = ur.role_id
          WHERE ur.user_id = u.id AND r.name IN ('superuser', 'admin') AND u.active AND u.id <> $1 RETURNING u.id`,
        [boss.id],
      );
      try {
        await slapd.load('ldapmodify', 'dn: uid=boss,ou=people,dc=example,dc=net\nchangetype: delete\n');
        expect(await reconcile()).toEqual({ [slug]: { seen: 1, deactivated: 0, refused: 1 } });
        expect(await t.sql('SELECT active FROM users WHERE id = $1', [boss.id])).toEqual([{ active: true }]);
        expect(await eventsOf(t, `action = 'identity_provider.sync_refused'`)).toMatchObject([
          { outcome: 'denied', severity: 'high', resource: { id: boss.id }, detail: { code: 'last_administrator' } },
        ]);
      } finally {
        await t.sql('UPDATE users SET active = true WHERE id = ANY ($1)', [others.map(({ id }) => id)]);
      }
    });

    it('U14: a search that finds nobody any more deactivates nobody', async () => {
      await t.sql('UPDATE identity_providers SET enabled = false');
      const { slug, id } = await aDirectory();
      const users = await Promise.all(Array.from({ length: 8 }, () => createUser(t)));
      for (const [i, user] of users.entries())
        await t.sql('INSERT INTO user_identities (provider_id, external_id, user_id) VALUES ($1, $2, $3)', [
          id,
          `01890000-0000-7000-8000-00000000000${i}`,
          user.id,
        ]);
      expect(await reconcile()).toEqual({ [slug]: { seen: 8, deactivated: 0, refused: 8 } });
      expect(await eventsOf(t, `action = 'identity_provider.sync_refused' AND resource_id = $1`, id)).toMatchObject([
        { detail: { code: 'too_many_gone', gone: 8, seen: 8 } },
      ]);
    });
  });

  it('U17: the export loads in a real directory, and its dry run finds no difference', async () => {
    const { slug } = await aDirectory();
    await t.sql('UPDATE identity_providers SET enabled = true');
    await login(slug, 'ada', PASSWORD);
    const strange = await createUser(t, { username: 'strange' });
    await t.sql(`UPDATE users SET display_name = $2, email = 'Jos\u00e9@example.net' WHERE id = $1`, [
      strange.id,
      ` : José <${'å'.repeat(80)}> # `,
    ]);
    const { text } = await root.get(`${PROVIDERS}/ldif`).query({ base: 'ou=copy,dc=example,dc=net' }).expect(200);
    expect(text.split('\n').every((line) => line.length <= 76)).toBe(true);
    await slapd.load('ldapadd', 'dn: ou=copy,dc=example,dc=net\nobjectClass: organizationalUnit\nou: copy\n');
    await expect(slapd.load('ldapadd', text)).resolves.toBeUndefined();
    const preview = await root.post(`${PROVIDERS}/ldif`).send({ ldif: text }).expect(200);
    expect(preview.body).toMatchObject({ dryRun: true, missing: [], changed: [], extra: [], problems: [] });
    expect((preview.body as { unchanged: number }).unchanged).toBeGreaterThan(5);
  });
});
