import { randomBytes } from 'node:crypto';
import { type Agent, type Response } from 'supertest';
import { aProvider, Browser, codeIn, loginsOf, type MadeProvider, PUBLIC_URL, whoIs } from './support/providers.js';
import { type SamlAnswerOptions, SamlIdp } from './support/saml-idp.js';
import { asRole } from './support/sign-in.js';
import { startTestApp, type TestApp } from './support/test-app.js';

const REFUSED = { code: 'redirect_refused' };
/** What one instance seals, another opens. */
const VARIABLES = {
  CADASTRE_JOBS: 'false',
  CADASTRE_PUBLIC_URL: PUBLIC_URL,
  CADASTRE_SECRET_KEYS: `shared:${randomBytes(32).toString('base64url')}`,
};
const UNKNOWN_REQUEST = '_0123456789012345678901234567890123456789';

describe('signing in with SAML', () => {
  let t: TestApp;
  let root: Agent;
  let idp: SamlIdp;
  let slug: string;

  beforeAll(async () => {
    t = await startTestApp(VARIABLES);
    root = await asRole(t, 'superuser');
    idp = new SamlIdp();
    ({ slug } = await aSaml({ roleMap: [{ group: 'netops', role: 'operator' }] }));
  });

  afterAll(() => t.close());

  function aSaml(provider: object = {}, config: object = {}): Promise<MadeProvider> {
    const { entryPoint, entityId: idpEntityId, certificate } = idp;
    return aProvider(
      root,
      { kind: 'saml', entryPoint, idpEntityId, idpCertificates: [certificate], ...config },
      { createsAccounts: true, defaultRoles: ['viewer'], ...provider },
    );
  }

  const post = (form: { SAMLResponse: string; RelayState: string }, to = slug): Promise<Response> =>
    new Browser(t).postForm(`/api/v1/auth/providers/${to}/acs`, { ...form });

  async function whole(options: SamlAnswerOptions, at = slug): Promise<Response> {
    const browser = new Browser(t);
    const { headers } = await post(idp.answer(await browser.leave(at), options), at);
    return browser.exchange(headers.location);
  }

  it('U14: a signed assertion makes a user with external id, default role and mapped role, and knows them again', async () => {
    const browser = new Browser(t);
    const form = idp.answer(await browser.leave(slug, '/map'), {
      nameId: 'a1b2c3',
      groups: ['netops', 'others'],
      attributes: { mail: 'ada@example.net', displayName: 'Ada L.' },
    });
    const returned = await post(form);
    expect(returned.status).toBe(303);
    expect(returned.headers.location).toMatch(/^\/map\?code=[\w-]{43}$/);
    const answer = await browser.exchange(returned.headers.location);
    const ada = await whoIs(t, answer);
    expect(ada).toMatchObject({ username: 'a1b2c3', email: 'ada@example.net', displayName: 'Ada L.', roles: ['operator', 'viewer'] });
    expect((await whoIs(t, await whole({ nameId: 'a1b2c3' }))).id).toBe(ada.id);
    expect(await loginsOf(t, 'login.succeeded', slug)).toHaveLength(2);
    expect((await t.sql('SELECT methods FROM auth_sessions WHERE user_id = $1', [ada.id]))[0]).toEqual({ methods: ['saml'] });
  });

  it('U14: the form comes from another site without our cookie; the code is for the browser that left', async () => {
    const victim = new Browser(t);
    const { headers } = await post(idp.answer(await victim.leave(slug)));
    const thief = new Browser(t);
    await thief.leave(slug);
    expect((await thief.exchange(headers.location)).body).toMatchObject({ code: 'exchange_refused' });
    expect((await victim.exchange(headers.location)).status).toBe(401);
  });

  const tampered = (xml: string): string => xml.replace('>ada<', '>root<');
  const changed = (
    form: { SAMLResponse: string; RelayState: string },
    change: (xml: string) => string,
  ): { SAMLResponse: string; RelayState: string } => ({
    ...form,
    SAMLResponse: Buffer.from(change(Buffer.from(form.SAMLResponse, 'base64').toString())).toString('base64'),
  });

  it.each<[string, SamlAnswerOptions, ((xml: string) => string)?]>([
    ['unsigned', { sign: false }],
    ['tampered', {}, tampered],
    ['signed, with an unsigned one before it', {}, (xml) => wrapped(xml)],
    ['for another audience', { audience: 'https://elsewhere.example' }],
    ['for another recipient', { recipient: 'https://elsewhere.example/acs' }],
    ['of another issuer', { issuer: 'https://elsewhere.example' }],
    ['that has expired', { goodFor: -5 }],
    ['that answers a request nobody made', { inResponseTo: UNKNOWN_REQUEST, envelopeInResponseTo: UNKNOWN_REQUEST }],
    ['that answers another request, in an envelope that answers this one', { inResponseTo: UNKNOWN_REQUEST }],
    ['with SHA-1', { signatureAlgorithm: 'http://www.w3.org/2000/09/xmldsig#rsa-sha1' }],
    ['with a name that is another one every time', { nameIdFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient' }],
    ['of nobody', { nameId: '' }],
  ])('U14, ASVS 6.8.2: an assertion %s is refused and recorded', async (_what, options, change = (xml) => xml) => {
    const before = (await loginsOf(t, 'login.failed', slug)).length;
    const browser = new Browser(t);
    const answer = await post(changed(idp.answer(await browser.leave(slug), options), change));
    expect([answer.status, answer.body]).toMatchObject([401, REFUSED]);
    expect(await loginsOf(t, 'login.failed', slug)).toHaveLength(before + 1);
    expect(await t.sql(`SELECT FROM user_identities WHERE external_id IN ('root', 'ada', 'mant')`)).toEqual([]);
  });

  it('U14: a name the provider split with a comment is the whole name, not its first part', async () => {
    const answer = await whole({ nameId: 'eve@example.net<!-- -->.evil.example' });
    expect(answer.status).toBe(200);
    const { id } = await whoIs(t, answer);
    expect(await t.sql('SELECT external_id FROM user_identities WHERE user_id = $1', [id])).toEqual([
      { external_id: 'eve@example.net.evil.example' },
    ]);
  });

  it('U14: a comment put into a signed name takes nothing away from it', async () => {
    const browser = new Browser(t);
    const form = changed(idp.answer(await browser.leave(slug), { nameId: 'adamant' }), (xml) =>
      xml.replace('>adamant<', '>ada<!-- -->mant<'),
    );
    const { headers } = await post(form);
    const { id } = await whoIs(t, await browser.exchange(headers.location));
    expect(await t.sql('SELECT external_id FROM user_identities WHERE user_id = $1', [id])).toEqual([{ external_id: 'adamant' }]);
  });

  it('U14, ASVS 6.8.3: an assertion is good once, also with another state and at another instance', async () => {
    const other = await startTestApp(VARIABLES, t.database);
    try {
      const browser = new Browser(t);
      const form = idp.answer(await browser.leave(slug), { nameId: 'replayed' });
      const fresh = new URL(await browser.leave(slug)).searchParams.get('RelayState') ?? '';
      const returns = await Promise.all([
        post(form),
        new Browser(other).postForm(`/api/v1/auth/providers/${slug}/acs`, { ...form }),
        post(form),
      ]);
      expect(returns.map(({ status }) => status).sort()).toEqual([303, 401, 401]);
      expect((await post({ ...form, RelayState: fresh })).body).toMatchObject(REFUSED);
    } finally {
      await other.close();
    }
  });

  it('U14: an assertion the provider was never asked for is refused', async () => {
    const form = idp.answer(await new Browser(t).leave(slug));
    for (const RelayState of ['', 'x'.repeat(43)]) expect((await post({ ...form, RelayState })).body).toMatchObject(REFUSED);
  });

  it('U14, ASVS 6.8.1: the same name at two providers is two users, and an assertion for one is none for the other', async () => {
    const other = await aSaml();
    const [here, there] = [await whoIs(t, await whole({ nameId: 'same' })), await whoIs(t, await whole({ nameId: 'same' }, other.slug))];
    expect(here.id).not.toBe(there.id);
    const form = idp.answer(await new Browser(t).leave(slug));
    expect((await post(form, other.slug)).body).toMatchObject(REFUSED);
  });

  it('U14: an assertion of a provider whose certificate is another one is refused', async () => {
    const stranger = new SamlIdp();
    const browser = new Browser(t);
    expect((await post(stranger.answer(await browser.leave(slug)))).body).toMatchObject(REFUSED);
  });

  it('U14, ASVS 3.5.2: takes a form there and nowhere else, and each field once', async () => {
    const acs = `/api/v1/auth/providers/${slug}/acs`;
    const send = (path: string, type: string, body: string): Promise<Response> =>
      t.anonymous
        .post(path)
        .set('content-type', type)
        .send(body)
        .then((answer) => answer);
    const form = 'application/x-www-form-urlencoded';
    expect((await send('/api/v1/auth/login', form, 'username=a&password=b')).status).toBe(415);
    expect((await send('/api/v1/auth/exchange', form, 'code=a')).status).toBe(415);
    expect((await send(acs, 'application/json', '{"SAMLResponse":"a","RelayState":"b"}')).status).toBe(415);
    expect((await send(acs, form, 'SAMLResponse=a&RelayState=b&RelayState=c')).body).toMatchObject({ code: 'bad_form' });
    expect((await send(acs, form, 'RelayState=b')).body).toMatchObject({ code: 'form_field_missing' });
    expect((await send(acs, form, 'SAMLResponse=%00&RelayState=b')).body).toMatchObject({ code: 'bad_text' });
  });

  it('U14: metadata names the entity and where answers go, and asks for signed assertions', async () => {
    const { text, headers } = await t.anonymous.get(`/api/v1/auth/providers/${slug}/metadata`).expect(200);
    expect(headers['content-type']).toBe('application/samlmetadata+xml; charset=utf-8');
    expect(text).toContain(`entityID="${PUBLIC_URL}/api/v1/auth/providers/${slug}/metadata"`);
    expect(text).toContain('WantAssertionsSigned="true"');
    expect(text).toContain(`Location="${PUBLIC_URL}/api/v1/auth/providers/${slug}/acs"`);
  });

  it('U14: a code in an address is of no use to who has only the address', async () => {
    const { headers } = await post(idp.answer(await new Browser(t).leave(slug)));
    expect(codeIn(headers.location)).toHaveLength(43);
    const rows = await t.sql<{ row: string }>('SELECT to_jsonb(c)::text AS row FROM sign_in_codes c');
    expect(rows.map(({ row }) => row).join()).not.toContain(codeIn(headers.location));
    expect((await t.anonymous.post('/api/v1/auth/exchange').send({ code: codeIn(headers.location) })).status).toBe(401);
  });

  it.each([
    [
      'a certificate that is none',
      { idpCertificates: ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'] },
      'bad_certificate',
    ],
    ['an entry point in plain text', { entryPoint: 'http://idp.example.net/sso' }, 'plaintext_refused'],
  ])('U14: refuses %s', async (_what, more, code) => {
    const config = { kind: 'saml', entryPoint: idp.entryPoint, idpEntityId: idp.entityId, idpCertificates: [idp.certificate], ...more };
    const answer = await root.post('/api/v1/identity-providers').send({ slug: 'refused', name: 'Refused', config }).expect(422);
    expect(answer.body).toMatchObject({ code });
  });
});

/** The classic of signature wrapping: the signed assertion stays, and one of the attacker's stands where readers look first. */
function wrapped(xml: string): string {
  const [signed = ''] = /<saml:Assertion .*<\/saml:Assertion>/s.exec(xml) ?? [];
  const evil = signed
    .replace(/<ds:Signature.*<\/ds:Signature>|<Signature.*<\/Signature>/s, '')
    .replace('>ada<', '>root<')
    .replace(/ID="[^"]+"/, 'ID="_evil"');
  return xml.replace(signed, evil + signed);
}
