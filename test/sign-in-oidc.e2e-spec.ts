import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { jest } from '@jest/globals';
import { type Agent, type Response } from 'supertest';
import { eventsOf } from './support/audit-events.js';
import { OidcIdp } from './support/oidc-idp.js';
import { aProvider, Browser, codeIn, loginsOf, type MadeProvider, PUBLIC_URL, whoIs } from './support/providers.js';
import { codeOf, codesRest } from './support/second-factor.js';
import { asRole, createUser, signIn, withToken } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const CLIENT = { clientId: 'cadastre', clientSecret: 'a secret between the two of them' };
const REFUSED = { code: 'redirect_refused' };

let t: TestApp;
let root: Agent;

beforeAll(async () => {
  t = await startTestApp({ CADASTRE_JOBS: 'false', CADASTRE_PUBLIC_URL: PUBLIC_URL });
  root = await asRole(t, 'superuser');
});

afterAll(() => t.close());

const anOpenId = (issuer: string, provider: object = {}, more: object = {}): Promise<MadeProvider> =>
  aProvider(
    root,
    { kind: 'oidc', issuer, clientId: CLIENT.clientId, ...more },
    { secrets: { clientSecret: CLIENT.clientSecret }, createsAccounts: true, defaultRoles: ['viewer'], ...provider },
  );
const callback = (slug: string, query: string): string => `/api/v1/auth/providers/${slug}/callback?${query}`;

describe('signing in with an OpenID provider of another make', () => {
  let server: Server;
  let slug: string;

  beforeAll(async () => {
    // It warns, at length, that it is not set up for production.
    for (const level of ['warn', 'info'] as const) jest.spyOn(console, level).mockImplementation(() => undefined);
    const { default: Provider } = await import('oidc-provider');
    // Its issuer has its port, and its client our slug: both are known before the first request.
    server = createServer((request, response) => {
      void provider.callback()(request, response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    ({ slug } = await anOpenId(issuer, { roleMap: [{ group: 'netops', role: 'operator' }] }));
    const provider = new Provider(issuer, {
      clients: [
        {
          client_id: CLIENT.clientId,
          client_secret: CLIENT.clientSecret,
          redirect_uris: [`${PUBLIC_URL}/api/v1/auth/providers/${slug}/callback`],
        },
      ],
      claims: { openid: ['sub'], profile: ['name', 'preferred_username', 'groups'], email: ['email', 'email_verified'] },
      findAccount: (_context, sub) => ({
        accountId: sub,
        claims: () => ({
          sub,
          name: 'Ada L.',
          preferred_username: sub,
          email: `${sub}@example.net`,
          email_verified: true,
          groups: ['netops'],
        }),
      }),
      cookies: { keys: ['only for this test'] },
    });
  });

  afterAll(() => {
    jest.restoreAllMocks();
    server.close();
    server.closeAllConnections();
  });

  /** What a person does at their provider: follows redirects with cookies, says who they are, agrees. Where they end up. */
  async function visit(authorizationUrl: string, login: string): Promise<URL> {
    const jar = new Map<string, string>();
    let url = new URL(authorizationUrl);
    let body: URLSearchParams | undefined;
    for (let hops = 0; hops < 20; hops++) {
      const answer = await fetch(url, {
        redirect: 'manual',
        headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
        ...(body ? { method: 'POST', body } : {}),
      });
      for (const cookie of answer.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
        jar.set(name, value);
      }
      const location = answer.headers.get('location');
      body = undefined;
      if (location !== null) {
        url = new URL(location, url);
        if (url.origin === PUBLIC_URL) return url;
        continue;
      }
      const page = await answer.text();
      const prompt = /name="prompt" value="(\w+)"/.exec(page)?.[1];
      if (prompt === undefined) throw new Error(`The provider answered ${answer.status}: ${page.slice(0, 500)}`);
      url = new URL(/action="([^"]+)"/.exec(page)?.[1] ?? '', url);
      body = new URLSearchParams(prompt === 'login' ? { prompt, login, password: 'any' } : { prompt });
    }
    throw new Error('The provider went round in circles.');
  }

  it('U14, ASVS 10.2.1, 10.1.1, 10.5.2: code flow with PKCE makes a user with external id, default role and mapped role', async () => {
    const browser = new Browser(t);
    const authorizationUrl = await browser.leave(slug, '/pools?page=2#top');
    const asked = new URL(authorizationUrl).searchParams;
    expect(Object.fromEntries(asked)).toMatchObject({ response_type: 'code', code_challenge_method: 'S256', client_id: 'cadastre' });
    expect([asked.get('state'), asked.get('nonce'), asked.get('code_challenge')]).not.toContain(null);
    const back = await visit(authorizationUrl, 'ada');
    const returned = await browser.get(`${back.pathname}${back.search}`);
    expect(returned.status).toBe(303);
    expect(returned.headers.location).toMatch(/^\/pools\?page=2&code=[\w-]{43}#top$/);
    const answer = await browser.exchange(returned.headers.location);
    expect(answer.status).toBe(200);
    const ada = await whoIs(t, answer);
    expect(ada).toMatchObject({ username: 'ada', email: 'ada@example.net', displayName: 'Ada L.', roles: ['operator', 'viewer'] });
    expect(await t.sql('SELECT external_id FROM user_identities WHERE user_id = $1', [ada.id])).toEqual([{ external_id: 'ada' }]);
    expect(await loginsOf(t, 'login.succeeded', slug)).toHaveLength(1);

    const second = await browser.get(`${back.pathname}${back.search}`);
    expect([second.status, second.body]).toMatchObject([401, REFUSED]);
    expect((await browser.exchange(returned.headers.location)).body).toMatchObject({ code: 'exchange_refused' });
  });
});

describe('an OpenID provider and what may go wrong', () => {
  let idp: OidcIdp;
  let slug: string;

  beforeAll(async () => {
    idp = await OidcIdp.start();
    ({ slug } = await anOpenId(idp.issuer));
  });

  afterAll(() => {
    idp.close();
  });

  const returning = async (browser: Browser, query: string, to = slug): Promise<Response> => browser.get(callback(to, query));
  async function whole(options: Parameters<OidcIdp['answer']>[1], at = slug): Promise<Response> {
    const browser = new Browser(t);
    const { headers } = await returning(browser, idp.answer(await browser.leave(at), options), at);
    return browser.exchange(headers.location);
  }

  it('U14: sets a cookie for this host and https alone, for ten minutes', async () => {
    const answer = await t.anonymous.post(`/api/v1/auth/providers/${slug}/start`).send({}).expect(200);
    expect(answer.get('Set-Cookie')).toEqual([
      expect.stringMatching(/^__Host-sign-in=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/),
    ]);
  });

  it.each(['https://evil.example', '//evil.example', '/\\evil.example', 'javascript:alert(1)', 'pools', '/\tevil', ''])(
    'U14: goes on to paths of this site alone, not to %j',
    async (returnTo) => {
      const answer = await t.anonymous.post(`/api/v1/auth/providers/${slug}/start`).send({ returnTo }).expect(422);
      expect(answer.body).toMatchObject({ code: 'bad_return_to', errors: [{ pointer: '/returnTo' }] });
    },
  );

  it('U14, ASVS 10.2.1: a wrong state is refused, and so is that of another provider', async () => {
    const browser = new Browser(t);
    const query = new URLSearchParams(idp.answer(await browser.leave(slug)));
    const state = query.get('state') ?? '';
    for (const wrong of ['', 'x'.repeat(43), state.slice(1)]) {
      query.set('state', wrong);
      expect((await returning(browser, query.toString())).body).toMatchObject(REFUSED);
    }
    query.set('state', state);
    const other = await anOpenId(idp.issuer);
    expect((await returning(browser, query.toString(), other.slug)).body).toMatchObject(REFUSED);
    expect((await returning(browser, query.toString())).status).toBe(303);
  });

  it('U14, ASVS 10.2.1, 10.1.2: without the cookie of the browser that left, nobody comes back, and nobody collects the tokens', async () => {
    const victim = new Browser(t);
    const query = idp.answer(await victim.leave(slug));
    expect((await returning(new Browser(t), query)).body).toMatchObject(REFUSED);
    // It was good for one return.
    expect((await returning(victim, query)).body).toMatchObject(REFUSED);
    const { headers } = await returning(victim, idp.answer(await victim.leave(slug)));
    const thief = new Browser(t);
    await thief.leave(slug);
    expect((await thief.exchange(headers.location)).body).toMatchObject({ code: 'exchange_refused' });
  });

  it('U14: a code is good for a minute, and the way back for ten', async () => {
    const browser = new Browser(t);
    const { headers } = await returning(browser, idp.answer(await browser.leave(slug)));
    await t.sql(`UPDATE sign_in_codes SET expires_at = now()`);
    expect((await browser.exchange(headers.location)).status).toBe(401);
    const query = idp.answer(await browser.leave(slug));
    await t.sql(`UPDATE sign_in_redirects SET expires_at = now()`);
    expect((await returning(browser, query)).body).toMatchObject(REFUSED);
    expect(await t.sql(`SELECT extract(epoch FROM max(expires_at) - now())::int <= 600 AS soon FROM sign_in_redirects`)).toEqual([
      { soon: true },
    ]);
  });

  it('U14: of two at once one collects the tokens', async () => {
    const browser = new Browser(t);
    const { headers } = await returning(browser, idp.answer(await browser.leave(slug)));
    const answers = await Promise.all(Array.from({ length: 5 }, () => browser.exchange(headers.location)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401, 401]);
  });

  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  it.each([
    ['a wrong nonce', { claims: { nonce: 'another' } }],
    ['no nonce', { claims: { nonce: undefined } }],
    ['a wrong audience', { claims: { aud: 'somebody else' } }],
    ['a wrong issuer', { claims: { iss: 'https://evil.example' } }],
    ['a token that has expired', { claims: { exp: 1 } }],
    ['a token without a subject', { claims: { sub: undefined } }],
    ['a token nobody signed', { algorithm: 'none' as const }],
    ['a token a stranger signed', { key: stranger }],
  ])('U14, ASVS 6.8.2, 10.5.1, 10.5.4: %s is refused and recorded', async (_what, options) => {
    const before = (await loginsOf(t, 'login.failed', slug)).length;
    const browser = new Browser(t);
    const answer = await returning(browser, idp.answer(await browser.leave(slug), options));
    expect([answer.status, answer.body]).toMatchObject([401, REFUSED]);
    expect(await loginsOf(t, 'login.failed', slug)).toHaveLength(before + 1);
  });

  it('U14, ASVS 10.2.2, 10.5.3: an answer of another issuer than the one that was asked is refused (RFC 9207)', async () => {
    const browser = new Browser(t);
    const query = new URLSearchParams(idp.answer(await browser.leave(slug)));
    query.set('iss', 'https://evil.example');
    expect((await returning(browser, query.toString())).body).toMatchObject(REFUSED);
  });

  it('U14: a provider that says no sends nobody in', async () => {
    const browser = new Browser(t);
    const state = new URL(await browser.leave(slug)).searchParams.get('state') ?? '';
    const answer = await returning(browser, new URLSearchParams({ error: 'access_denied', state, iss: idp.issuer }).toString());
    expect([answer.status, answer.body]).toMatchObject([401, REFUSED]);
  });

  it('U14, ASVS 6.8.1: the same external id at two providers is two users, and e-mail addresses link nobody', async () => {
    const other = await anOpenId(idp.issuer);
    const local = await createUser(t, { roles: ['viewer'] });
    await t.sql(`UPDATE users SET email = 'shared@example.net' WHERE id = $1`, [local.id]);
    const claims = { sub: 'same', email: 'shared@example.net', email_verified: true };
    const [here, there] = [await whoIs(t, await whole({ claims })), await whoIs(t, await whole({ claims }, other.slug))];
    expect(new Set([here.id, there.id, local.id]).size).toBe(3);
    expect([here.email, there.email]).toEqual([null, null]);
    expect((await whoIs(t, await whole({ claims }))).id).toBe(here.id);
  });

  it('U14: ten first sign-ins of one person at once make one account', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => whole({ claims: { sub: 'at once' } })));
    const ids = await Promise.all(answers.map((answer) => whoIs(t, answer).then(({ id }) => id)));
    expect(new Set(ids).size).toBe(1);
  });

  it('U14, ASVS 6.8.4: keeps how the provider knew them', async () => {
    const answer = await whole({ claims: { sub: 'strong', acr: 'phr', amr: ['hwk', 'pin'] } });
    const { id } = await whoIs(t, answer);
    expect(await eventsOf(t, `action = 'login.succeeded' AND payload::json -> 'actor' ->> 'id' = $1`, id)).toMatchObject([
      { detail: { acr: 'phr', amr: ['hwk', 'pin'], externalId: 'strong', provider: slug } },
    ]);
  });

  it('U14, U18, ASVS 6.3.4: the second factor of the account is asked for, unless the provider says that it checked one', async () => {
    const first = await whole({ claims: { sub: 'careful' } });
    const agent = withToken(t, (first.body as { accessToken: string }).accessToken);
    const { secret } = (await agent.post('/api/v1/me/second-factors/totp').expect(201)).body as { secret: string };
    await agent
      .post('/api/v1/me/second-factors/totp/confirm')
      .send({ code: codeOf(secret) })
      .expect(200);
    const asked = await whole({ claims: { sub: 'careful', sid: 'there' } });
    expect(asked.body).toMatchObject({ secondFactorRequired: true });
    const { id } = await whoIs(t, await whole({ claims: { sub: 'careful', amr: ['pwd', 'mfa'] } }));
    await codesRest(t, id);
    // Who signed out there in between gets in no more.
    const second = (answer: Response): Promise<number> =>
      t.anonymous
        .post('/api/v1/auth/second-factor')
        .send({ ticket: (answer.body as { ticket: string }).ticket, code: codeOf(secret) })
        .then(({ status }) => status);
    const later = await whole({ claims: { sub: 'careful', sid: 'elsewhere' } });
    const notice = { logout_token: idp.logoutToken(CLIENT.clientId, { sid: 'there', sub: 'careful' }) };
    await new Browser(t).postForm(`/api/v1/auth/providers/${slug}/logout-token`, notice);
    expect(await second(asked)).toBe(401);
    expect(await second(later)).toBe(200);
  });

  it('U14: a disabled provider is 404 everywhere, as if it were not there', async () => {
    const { slug: gone, id } = await anOpenId(idp.issuer);
    const browser = new Browser(t);
    const query = idp.answer(await browser.leave(gone));
    const later = new Browser(t);
    const { headers } = await returning(later, idp.answer(await later.leave(gone)), gone);
    await root.patch(`/api/v1/identity-providers/${id}`).send({ enabled: false }).expect(200);
    const answers = [
      await browser.post(`/api/v1/auth/providers/${gone}/start`, {}),
      await browser.get(callback(gone, query)),
      await browser.post(`/api/v1/auth/providers/${gone}/login`, { username: 'a', password: 'b' }),
      await browser.postForm(`/api/v1/auth/providers/${gone}/logout-token`, { logout_token: 'a.b.c' }),
      await browser.post('/api/v1/auth/providers/never-there/start', {}),
    ];
    expect(answers.map(({ status, body }) => [status, (body as { code: string }).code])).toEqual(
      answers.map(() => [404, 'provider_not_found']),
    );
    expect((await later.exchange(headers.location)).status).toBe(401);
    const { items } = (await t.anonymous.get('/api/v1/auth/providers').expect(200)).body as { items: Record<string, unknown>[] };
    expect(items.map((item) => item.slug)).not.toContain(gone);
    expect(items.find((item) => item.slug === slug)).toEqual({ slug, name: 'Corporate', kind: 'oidc' });
  });

  it('U14: somebody signed in links an identity, in their own browser, and signs in with it', async () => {
    const user = await createUser(t, { roles: ['viewer'] });
    const { accessToken } = await signIn(t, user);
    const me = withToken(t, accessToken);
    const browser = new Browser(t);
    const start = await browser.post(`/api/v1/me/identities/${slug}/start`, {}, accessToken);
    const { authorizationUrl } = start.body as { authorizationUrl: string };
    const { headers } = await returning(browser, idp.answer(authorizationUrl, { claims: { sub: 'linked' } }));
    const code = codeIn(headers.location);
    const link = (token: string, by = browser): Promise<Response> => by.post('/api/v1/me/identities', { code }, token);
    const linked = await link(accessToken);
    expect(linked.status).toBe(201);
    expect(linked.body).toMatchObject({ provider: slug });
    expect((await whoIs(t, await whole({ claims: { sub: 'linked' } }))).id).toBe(user.id);
    expect(await eventsOf(t, `action = 'identity.linked' AND payload::json -> 'actor' ->> 'id' = $1`, user.id)).toHaveLength(1);
    expect((await me.get('/api/v1/me/identities').expect(200)).body).toMatchObject({ items: [{ provider: slug, name: 'linked' }] });
  });

  it('U14: a code to link is none to sign in with, nor one for somebody else or another browser', async () => {
    const [one, two] = [
      await signIn(t, await createUser(t, { roles: ['viewer'] })),
      await signIn(t, await createUser(t, { roles: ['viewer'] })),
    ];
    const codes = async (): Promise<{ browser: Browser; code: string }> => {
      const browser = new Browser(t);
      const start = await browser.post(`/api/v1/me/identities/${slug}/start`, {}, one.accessToken);
      const { authorizationUrl } = start.body as { authorizationUrl: string };
      const { headers } = await returning(browser, idp.answer(authorizationUrl, { claims: { sub: 'mine' } }));
      return { browser, code: codeIn(headers.location) };
    };
    const [a, b, c] = [await codes(), await codes(), await codes()];
    expect((await a.browser.post('/api/v1/auth/exchange', { code: a.code })).status).toBe(401);
    expect((await b.browser.post('/api/v1/me/identities', { code: b.code }, two.accessToken)).status).toBe(401);
    expect((await new Browser(t).post('/api/v1/me/identities', { code: c.code }, one.accessToken)).status).toBe(401);
    expect(await t.sql(`SELECT FROM user_identities WHERE external_id = 'mine'`)).toEqual([]);
  });

  describe('back-channel logout', () => {
    const notify = (token: string): Promise<Response> =>
      new Browser(t).postForm(`/api/v1/auth/providers/${slug}/logout-token`, { logout_token: token });
    const isIn = async (answer: Response): Promise<boolean> => {
      const { accessToken } = answer.body as { accessToken: string };
      return (await withToken(t, accessToken).get('/api/v1/me')).status === 200;
    };

    it('U14, ASVS 10.5.5: ends the session the provider names, once, or all of a person', async () => {
      const [here, there] = [await whole({ claims: { sid: 'one' } }), await whole({ claims: { sid: 'two' } })];
      const token = idp.logoutToken(CLIENT.clientId, { sid: 'one', sub: 'ada' });
      expect((await notify(token)).status).toBe(204);
      expect([await isIn(here), await isIn(there)]).toEqual([false, true]);
      expect((await notify(token)).status).toBe(400);
      expect((await notify(idp.logoutToken(CLIENT.clientId, { sub: 'ada' }))).status).toBe(204);
      expect(await isIn(there)).toBe(false);
      const ends = await eventsOf(t, `action = 'session.ended'`);
      expect(ends.filter(({ detail }) => (detail as { reason: string }).reason === 'provider_logout').length).toBeGreaterThanOrEqual(2);
    });

    it.each([
      ['another audience', () => idp.logoutToken('somebody else', { sub: 'ada' })],
      ['another issuer', () => idp.logoutToken(CLIENT.clientId, { sub: 'ada', iss: 'https://evil.example' })],
      ['a nonce, which makes it an ID token', () => idp.logoutToken(CLIENT.clientId, { sub: 'ada', nonce: 'a' })],
      ['no event', () => idp.logoutToken(CLIENT.clientId, { sub: 'ada', events: {} })],
      ['nobody', () => idp.logoutToken(CLIENT.clientId, {})],
      ['no id', () => idp.logoutToken(CLIENT.clientId, { sub: 'ada', jti: undefined })],
      ['an old date', () => idp.logoutToken(CLIENT.clientId, { sub: 'ada', iat: 1 })],
      ['another type', () => idp.logoutToken(CLIENT.clientId, { sub: 'ada' }, { typ: 'at+jwt' })],
      ['a key nobody knows', () => idp.logoutToken(CLIENT.clientId, { sub: 'ada' }, { kid: 'two' })],
      ['letters', () => 'a.b.c'],
    ])('U14, ASVS 10.5.5: a logout token with %s ends nothing', async (_what, token) => {
      const session = await whole({});
      const answer = await notify(token());
      expect([answer.status, answer.body]).toMatchObject([400, { code: 'logout_token_refused' }]);
      expect(await isIn(session)).toBe(true);
    });
  });
});
